"""CP: a convolution as four small ones in a row (Lebedev et al., ICLR 2015, arXiv 1412.6553)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bench.methods.parts import low_rank
from bench.methods.parts.low_rank import Decomposition, RankRule, Ranks, Recipe, along, fill, like
from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.per_layer import uneven_padding

_RIDGE = 1e-8
"""Added to the normal equations, relative to their mean diagonal: two components that drift together
would otherwise grow without bound."""


@dataclass
class Factors:
    """W[o, i, a, b] ≈ Σ_r out[o, r]·inner[i, r]·rows[a, r]·columns[b, r]; ``energy`` is the share kept."""

    out: Tensor
    inner: Tensor
    rows: Tensor
    columns: Tensor
    energy: float

    def tensor(self) -> Tensor:
        """The weight (Co, Ci, kh, kw) that they make."""
        return torch.einsum("or,ir,ar,br->oiab", self.out, self.inner, self.rows, self.columns)


def alternate(weight: Tensor, rank: int, seed: int, sweeps: int) -> Factors:
    """Alternating least squares from seeded normal factors; exact where the rank is the full one.

    Each sweep solves for one factor after the other with the rest held fixed; the last solve is that
    of ``out``, so the kept energy is that of the best outputs for the other three. Two products with
    the whole weight per sweep: 2·Co·Ci·kh·kw·R multiply-adds.
    """
    weight = weight.detach().float()
    norm = float(weight.double().square().sum())
    if rank >= full_rank(weight.shape):
        return _exact(weight)
    generator = torch.Generator().manual_seed(seed)
    _, *sizes = weight.shape
    inner, rows, columns = (torch.randn(s, rank, generator=generator).to(weight.device) for s in sizes)
    out = torch.empty(0)
    kept = 0.0
    for sweep in range(sweeps + 1):
        over_inputs = torch.einsum("oiab,ir->oabr", weight, inner)
        seen = torch.einsum("oabr,ar,br->or", over_inputs, rows, columns)
        out = _solve(seen, inner, rows, columns)
        kept = min(1.0, float((seen.double() * out.double()).sum()) / norm) if norm > 0 else 1.0
        if sweep == sweeps:
            break
        over_outputs = torch.einsum("oiab,or->iabr", weight, out)
        inner = _solve(torch.einsum("iabr,ar,br->ir", over_outputs, rows, columns), out, rows, columns)
        rows = _solve(torch.einsum("iabr,ir,br->ar", over_outputs, inner, columns), out, inner, columns)
        columns = _solve(torch.einsum("iabr,ir,ar->br", over_outputs, inner, rows), out, inner, rows)
        inner, rows, columns = (f / f.norm(dim=0).clamp_min(1e-12) for f in (inner, rows, columns))
    return _balanced(Factors(out, inner, rows, columns, kept))


def full_rank(shape: torch.Size | tuple[int, ...]) -> int:
    """The rank that always suffices: one component for every fibre along the longer channel mode."""
    co, ci, kh, kw = shape
    return min(co, ci) * kh * kw


def _solve(seen: Tensor, *others: Tensor) -> Tensor:
    gram = torch.ones(seen.shape[1], seen.shape[1], dtype=torch.float64, device=seen.device)
    for factor in others:
        gram *= factor.double().T @ factor.double()
    gram += (_RIDGE * gram.diagonal().mean()).clamp_min(1e-30) * torch.eye(
        len(gram), dtype=gram.dtype, device=gram.device
    )
    solved: Tensor = torch.linalg.solve(gram, seen.double().T)
    return solved.T.to(seen.dtype)


def _exact(weight: Tensor) -> Factors:
    """One component per fibre: unit vectors for its place, the fibre itself in the longer channel mode."""
    co, ci, kh, kw = weight.shape
    short = min(co, ci)
    place = torch.eye(short * kh * kw, dtype=weight.dtype, device=weight.device)
    place = place.view(short, kh, kw, short * kh * kw)
    rows, columns, channel = place.sum((0, 2)), place.sum((0, 1)), place.sum((1, 2))
    if ci <= co:
        return Factors(weight.flatten(1), channel, rows, columns, 1.0)
    return Factors(channel, weight.transpose(0, 1).flatten(1), rows, columns, 1.0)


def _balanced(factors: Factors) -> Factors:
    """The same with each component's norm spread evenly: no factor is left tiny beside a huge one."""
    parts = [factors.out, factors.inner, factors.rows, factors.columns]
    norms = [part.norm(dim=0).clamp_min(1e-12) for part in parts]
    each = torch.stack(norms).prod(0) ** 0.25
    out, inner, rows, columns = (part / norm * each for part, norm in zip(parts, norms, strict=True))
    return Factors(out, inner, rows, columns, factors.energy)


class CpConv2d(nn.Sequential):
    """1×1 (Ci -> R), depthwise k×1, depthwise 1×k (strides, padding), 1×1 (R -> Co, bias).

    (B, Ci, H, W) -> (B, Co, H', W'). Parameters: R·(Ci + kh + kw + Co) (+ Co with bias). MACs:
    R·(H·W·Ci + H'·W·kh + H'·W'·kw + H'·W'·Co).
    """

    def __init__(self, conv: nn.Conv2d, factors: Factors) -> None:
        rank = factors.out.shape[1]
        last = like(conv, rank, conv.out_channels, kernel_size=1, bias=conv.bias is not None)
        super().__init__(
            fill(like(conv, conv.in_channels, rank, kernel_size=1), factors.inner.T),
            fill(along(conv, 0, rank, rank, groups=rank), factors.rows.T),
            fill(along(conv, 1, rank, rank, groups=rank), factors.columns.T),
            fill(last, factors.out, conv.bias),
        )
        self.rank = rank

    def extra_repr(self) -> str:
        return f"rank={self.rank}"


def _params(conv: nn.Conv2d, ranks: Ranks) -> int:
    return ranks[0] * (conv.in_channels + sum(conv.kernel_size) + conv.out_channels)


def _unfit(conv: nn.Conv2d) -> str:
    if conv.kernel_size == (1, 1):
        return "1×1 kernel: svd is its low-rank form"
    return uneven_padding(conv)


def _decomposition(seed: int, sweeps: int) -> Decomposition:
    def by_energy(conv: nn.Conv2d, energy: float) -> Ranks:
        # CP has no spectrum to cut: ranks are tried, doubled first, halved in between afterwards.
        limit = min(full_rank(conv.weight.shape), conv.weight.numel() // _params(conv, (1,)))
        low, high = 0, 1
        while high < limit and alternate(conv.weight, high, seed, sweeps).energy < energy:
            low, high = high, min(2 * high, limit)
        while high - low > 1:
            middle = (low + high) // 2
            if alternate(conv.weight, middle, seed, sweeps).energy < energy:
                low = middle
            else:
                high = middle
        enough = alternate(conv.weight, high, seed, sweeps).energy >= energy
        return (high if enough else full_rank(conv.weight.shape),)

    def build(conv: nn.Conv2d, ranks: Ranks) -> nn.Module:
        return CpConv2d(conv, alternate(conv.weight, ranks[0], seed, sweeps))

    return Decomposition(lambda conv: (full_rank(conv.weight.shape),), _params, by_energy, build, _unfit)


def check(*, sweeps: int = 10, **rule: Any) -> None:
    """Raises ValueError unless exactly one of the three is given and possible, and for no sweep at all."""
    low_rank.check(**rule)
    if sweeps < 1:
        raise ValueError(f"sweeps={sweeps}: alternating least squares needs at least 1")


def prepare(network: nn.Module, context: Context, *, sweeps: int = 10, **rule: Any) -> Recipe:
    """The rank by layer."""
    return _decomposition(context.seed, sweeps).prepare(network, context, **rule)


@method("cp", prepare=prepare, check=check)
def cp(
    network: nn.Module,
    context: Context,
    *,
    rank: int | None = None,
    ratio: float | None = None,
    energy: float | None = None,
    sweeps: int = 10,
    skip: tuple[str, ...] = (),
) -> Rewritten:
    """CP of the layer's own weights: 1×1, k×1 depthwise, 1×k depthwise, 1×1, with R channels between.

    Exactly one of: ``rank``, ``ratio`` (share of min(Ci, Co)·k², the rank that always suffices),
    ``energy`` (the smallest rank found that keeps that share of the weight's squared norm). ``sweeps``
    bounds the alternating least squares. A layer whose full rank is below ``rank`` is left dense and
    listed; so is one that ``energy`` would make larger. ``skip``: globs of layers to leave dense.
    """
    rule = RankRule(rank, ratio, energy)
    return _decomposition(context.seed, sweeps).apply(network, context, rule, skip)
