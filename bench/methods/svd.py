"""Truncated SVD of 1×1 convolutions (Denton et al., NeurIPS 2014, arXiv 1404.0736, section 3.2)."""

from __future__ import annotations

from torch import Tensor, nn

from bench.methods.parts.low_rank import (
    Decomposition,
    RankRule,
    Ranks,
    check,
    enough,
    fill,
    like,
    split,
    squared_singular_values,
)
from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.per_layer import kernel_words


class SvdConv2d(nn.Sequential):
    """W ≈ U Σ Vᵀ cut at r singular values: 1×1 (Ci -> r, stride), 1×1 (r -> Co, bias).

    (B, Ci, H, W) -> (B, Co, H', W'). Parameters: r·(Ci + Co) (+ Co with bias). MACs: H'·W'·r·(Ci + Co).
    """

    def __init__(self, conv: nn.Conv2d, ranks: Ranks) -> None:
        (rank,) = ranks
        outer, inner = split(_matrix(conv), rank)
        first = like(conv, conv.in_channels, rank, kernel_size=1, stride=conv.stride, padding=conv.padding)
        last = like(conv, rank, conv.out_channels, kernel_size=1, bias=conv.bias is not None)
        super().__init__(fill(first, inner), fill(last, outer, conv.bias))
        self.rank = rank

    def extra_repr(self) -> str:
        return f"rank={self.rank}"


def _matrix(conv: nn.Conv2d) -> Tensor:
    return conv.weight.detach().flatten(1)


def _full(conv: nn.Conv2d) -> Ranks:
    return (min(conv.in_channels, conv.out_channels),)


def _params(conv: nn.Conv2d, ranks: Ranks) -> int:
    return ranks[0] * (conv.in_channels + conv.out_channels)


def _by_energy(conv: nn.Conv2d, energy: float) -> Ranks:
    return (enough(squared_singular_values(_matrix(conv)), energy),)


def _unfit(conv: nn.Conv2d) -> str:
    return "" if conv.kernel_size == (1, 1) else f"{kernel_words(conv)} kernel: only 1×1 is replaced"


SVD = Decomposition(_full, _params, _by_energy, SvdConv2d, _unfit)


@method("svd", prepare=SVD.prepare, check=check)
def svd(
    network: nn.Module,
    context: Context,
    *,
    rank: int | None = None,
    ratio: float | None = None,
    energy: float | None = None,
    skip: tuple[str, ...] = (),
) -> Rewritten:
    """Truncated SVD of 1×1 convolutions: two 1×1 with r channels between them.

    Exactly one of: ``rank``, ``ratio`` (share of min(Ci, Co)), ``energy`` (share of the weight's squared
    norm to keep). A layer whose full rank is below ``rank`` is left dense and listed; so is one that
    ``energy`` would make larger. ``skip``: globs of layers to leave dense.
    """
    return SVD.apply(network, context, RankRule(rank, ratio, energy), skip)
