"""Tensor trains: a convolution as a chain of four (TT-SVD: Oseledets, SIAM J. Sci. Comput. 33(5), 2011)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.methods.parts.low_rank import (
    Decomposition,
    RankRule,
    Ranks,
    Recipe,
    along,
    check,
    enough,
    fill,
    like,
    spectrum,
)
from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.per_layer import uneven_padding
from bench.methods.parts.selection import candidates

RankOf = Callable[[int, Tensor], int]
"""The rank to cut at, from the number of the cut (0, 1, 2) and the squared singular values there, falling."""


def tt_svd(weight: Tensor, rank_of: RankOf) -> tuple[Tensor, ...]:
    """Four cores of a weight (Co, Ci, kh, kw), its modes in the order Ci, kh, kw, Co, in float64.

    (1, Ci, r1), (r1, kh, r2), (r2, kw, r3), (r3, Co, 1): Oseledets 2011, algorithm 1. The first three are
    orthonormal from the left, so the squared errors of the three cuts add up to that of the whole.
    """
    tensor = weight.detach().double().permute(1, 2, 3, 0)
    cores: list[Tensor] = []
    rest, rank = tensor, 1
    for cut, size in enumerate(tensor.shape[:-1]):
        matrix = rest.reshape(rank * size, -1)
        squares, basis = _leading(matrix)
        chosen = rank_of(cut, squares)
        kept = basis[:, :chosen]
        cores.append(kept.reshape(rank, size, chosen))
        rest, rank = kept.T @ matrix, chosen
    return (*cores, rest.reshape(rank, -1, 1))


def _leading(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Squared singular values, falling, and left singular vectors: (q,) and (m, q), q = min(m, n)."""
    rows, columns = matrix.shape
    if rows <= columns:
        return spectrum(matrix)
    orthonormal, small = torch.linalg.qr(matrix)
    squares, vectors = spectrum(small)
    return squares, orthonormal @ vectors


class TensorTrainConv2d(nn.Sequential):
    """1×1 (Ci -> r1), k×1 (r1 -> r2, vertical), 1×k (r2 -> r3, horizontal), 1×1 (r3 -> Co, bias).

    (B, Ci, H, W) -> (B, Co, H', W'). Parameters: Ci·r1 + kh·r1·r2 + kw·r2·r3 + r3·Co (+ Co with bias).
    MACs: H·W·Ci·r1 + H'·W·kh·r1·r2 + H'·W'·(kw·r2·r3 + r3·Co).
    """

    def __init__(self, conv: nn.Conv2d, ranks: Ranks) -> None:
        inner, rows, columns, outer = tt_svd(conv.weight, lambda cut, _squares: ranks[cut])
        r1, r2, r3 = ranks
        last = like(conv, r3, conv.out_channels, kernel_size=1, bias=conv.bias is not None)
        super().__init__(
            fill(like(conv, conv.in_channels, r1, kernel_size=1), inner[0].T),
            fill(along(conv, 0, r1, r2), rows.permute(2, 0, 1)),
            fill(along(conv, 1, r2, r3), columns.permute(2, 0, 1)),
            fill(last, outer[:, :, 0].T, conv.bias),
        )
        self.ranks = ranks

    def extra_repr(self) -> str:
        return f"ranks={','.join(map(str, self.ranks))}"


def full_ranks(conv: nn.Conv2d) -> Ranks:
    """The ranks that always suffice: the smaller side of each of the three unfoldings."""
    ci, co, (kh, kw) = conv.in_channels, conv.out_channels, conv.kernel_size
    return min(ci, kh * kw * co), min(ci * kh, kw * co), min(ci * kh * kw, co)


def _within(conv: nn.Conv2d, wanted: Ranks) -> Ranks:
    """The wanted ranks, each at most what its unfolding has and what the rank before it can feed."""
    full, (kh, kw) = full_ranks(conv), conv.kernel_size
    r1 = min(wanted[0], full[0])
    r2 = min(wanted[1], full[1], r1 * kh)
    return r1, r2, min(wanted[2], full[2], r2 * kw)


def _params(conv: nn.Conv2d, ranks: Ranks) -> int:
    (r1, r2, r3), (kh, kw) = ranks, conv.kernel_size
    return conv.in_channels * r1 + kh * r1 * r2 + kw * r2 * r3 + r3 * conv.out_channels


def _by_energy(conv: nn.Conv2d, energy: float) -> Ranks:
    """Each of the three cuts may lose a third of what the energy allows (Oseledets 2011, theorem 2.2)."""
    may_lose = float(conv.weight.detach().double().square().sum()) * (1 - energy) / 3
    chosen: list[int] = []

    def rank_of(_cut: int, squares: Tensor) -> int:
        total = float(squares.sum())
        chosen.append(enough(squares, 1 - may_lose / total) if total > 0 else 1)
        return chosen[-1]

    tt_svd(conv.weight, rank_of)
    return tuple(chosen)


def _unfit(conv: nn.Conv2d) -> str:
    if conv.kernel_size == (1, 1):
        return "1×1 kernel: svd is its low-rank form"
    return uneven_padding(conv)


@dataclass(frozen=True)
class _TensorTrain(Decomposition):
    def ranks(self, conv: nn.Conv2d, rule: RankRule) -> Ranks | str:
        full = self.full(conv)
        if rule.rank is not None:
            return _within(conv, (rule.rank,) * len(full))
        if rule.ratio is not None:
            return _within(conv, tuple(rule.share_of(f) for f in full))
        return super().ranks(conv, rule)


TENSOR_TRAIN = _TensorTrain(full_ranks, _params, _by_energy, TensorTrainConv2d, _unfit)


def prepare(
    network: nn.Module,
    context: Context,
    *,
    rank: int | None = None,
    ratio: float | None = None,
    energy: float | None = None,
    skip: tuple[str, ...] = (),
) -> Recipe:
    """The three ranks by layer. Raises ValueError for a rank that some layer has in none of its cuts."""
    for candidate in candidates(network, context.keep_first, skip):
        if rank is None or candidate.kept or TENSOR_TRAIN.obstacle(candidate.conv):
            continue
        full = full_ranks(candidate.conv)
        if rank > max(full):
            raise ValueError(
                f"{candidate.name}: rank {rank} is above all of its full ranks "
                f"{', '.join(map(str, full))}; a smaller rank, ratio, or the layer named by skip works"
            )
    return TENSOR_TRAIN.prepare(network, context, rank=rank, ratio=ratio, energy=energy, skip=skip)


@method("tensor_train", prepare=prepare, check=check)
def tensor_train(
    network: nn.Module,
    context: Context,
    *,
    rank: int | None = None,
    ratio: float | None = None,
    energy: float | None = None,
    skip: tuple[str, ...] = (),
) -> Rewritten:
    """Tensor train of the layer's own weights: 1×1, k×1, 1×k, 1×1 with r1, r2, r3 channels between.

    The kernel is a tensor of four modes in the order Ci, kh, kw, Co, cut by TT-SVD; its cores run as
    four convolutions in a row. The form of Garipov et al. (2016, arXiv 1611.03214), which splits Ci and
    Co into factors and trains cores of mixed modes, is another one and not this.

    Exactly one of: ``rank`` (of all three cuts, each capped at its own full rank; a layer that has that
    rank in none of them fails the case), ``ratio`` (that share of each full rank: min(Ci, k²·Co),
    k·min(Ci, Co), min(k²·Ci, Co)), ``energy`` (share of the weight's squared norm that is kept at least;
    a layer that it would make larger is left dense and listed). ``skip``: globs of layers to leave dense.
    """
    return TENSOR_TRAIN.apply(network, context, RankRule(rank, ratio, energy), skip)
