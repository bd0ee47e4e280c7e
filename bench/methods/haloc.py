"""HALOC: low ranks chosen for the hardware they run on (Xiao et al., AAAI 2023, arXiv 2301.09422).

The paper's source could not be read. From its abstract: Tucker-2 with equal ranks per layer, at steps
that suit the hardware, found by a latency-aware search. The rule of the search below is ours.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bench.counting.closed_form import counted_layers
from bench.errors import nearest
from bench.methods.parts.budget_search import Option, choose
from bench.methods.parts.low_rank import spectrum
from bench.methods.parts.method import Context, Rewritten, SecondsOf, method
from bench.methods.parts.per_layer import replace_each
from bench.methods.parts.selection import candidates
from bench.methods.parts.tucker import TUCKER2, TuckerConv2d, full_ranks, unfolding

BUDGETS = ("latency", "macs")
MOST_RANKS = 16
"""Ranks that are tried per layer: with more of them the measurement takes longer than it can tell apart."""

Recipe = dict[str, Any]
Geometry = tuple[object, ...]


@dataclass(frozen=True)
class Site:
    """A layer that may be decomposed: its shapes (C, H, W) at every call, and the ranks to try."""

    conv: nn.Conv2d
    shapes: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    ranks: tuple[int, ...]

    def macs(self, rank: int) -> int:
        """MACs at that rank, of the dense layer for rank 0."""
        ci, co = self.conv.in_channels, self.conv.out_channels
        taps = math.prod(self.conv.kernel_size)
        total = 0
        for before, after in self.shapes:
            outputs = math.prod(after[1:])
            if rank == 0:
                total += outputs * taps * ci * co
            else:
                total += math.prod(before[1:]) * ci * rank + outputs * (taps * rank * rank + rank * co)
        return total

    def geometries(self) -> list[Geometry]:
        """By call: what makes two layers equal to a clock."""
        conv = self.conv
        same = conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.bias is None
        return [(conv.in_channels, conv.out_channels, *same, shape) for shape, _ in self.shapes]


class LayerClock:
    """Seconds of layers at batch 1, by the clock that was handed in; equal layers are timed once."""

    def __init__(self, seconds_of: SecondsOf) -> None:
        self._seconds_of = seconds_of
        self._known: dict[tuple[Geometry, int], float] = {}

    def seconds(self, site: Site, rank: int) -> float:
        """Seconds of all calls of a layer at that rank, of the dense layer for rank 0."""
        total = 0.0
        for (shape, _), geometry in zip(site.shapes, site.geometries(), strict=True):
            if (geometry, rank) not in self._known:
                layer = TuckerConv2d(site.conv, (rank, rank)) if rank else site.conv
                example = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0))
                self._known[geometry, rank] = self._seconds_of(layer, example)
            total += self._known[geometry, rank]
        return total


@dataclass(frozen=True)
class Prices:
    """What layers cost by rank, 0 for the dense layer, and ``fixed``: what no choice of ranks can change."""

    by_site: Mapping[str, Mapping[int, float]]
    fixed: float

    @classmethod
    def of(cls, sites: Mapping[str, Site], cost: Callable[[Site, int], float], whole: float) -> Prices:
        """The prices of the sites in a dense network that costs ``whole``."""
        by_site = {
            name: {rank: cost(site, rank) for rank in (0, *site.ranks)} for name, site in sites.items()
        }
        # What the other layers cost, and all that happens between layers.
        return cls(by_site, max(0.0, whole - sum(by_rank[0] for by_rank in by_site.values())))

    @property
    def dense(self) -> float:
        """Of the dense network."""
        return self.fixed + sum(by_rank[0] for by_rank in self.by_site.values())

    @property
    def least(self) -> float:
        """Of the cheapest choice."""
        return self.fixed + sum(min(by_rank.values()) for by_rank in self.by_site.values())


def kept_energy(weight: Tensor) -> Tensor:
    """Share of the weight's squared norm that Tucker-2 with ranks (r, r) keeps; entry r - 1 is rank r.

    It is the energy of the core, the leading r×r corner of the full one.
    """
    wide = weight.detach().double()
    inner, outer = spectrum(unfolding(wide, 1))[1], spectrum(unfolding(wide, 0))[1]
    core = torch.einsum("oihw,op,iq->pqhw", wide, outer, inner).square().sum((2, 3))
    kept = core.cumsum(0).cumsum(1).diagonal()
    total = float(core.sum())
    return (kept / total).clamp_max(1) if total > 0 else torch.ones_like(kept)


def check(*, budget: float, budget_of: str = "latency", step: int = 8, **_others: Any) -> None:
    """Raises ValueError for a budget that is no share, an unknown currency, and steps below 1."""
    if not 0 < budget < 1:
        raise ValueError(f"budget={budget}: a share of the dense network, between 0 and 1, both excluded")
    if budget_of not in BUDGETS:
        raise ValueError(f"budget_of '{budget_of}' is not known{nearest(budget_of, BUDGETS)}")
    if step < 1:
        raise ValueError(f"step={step}: ranks are multiples of a step of at least 1")


def prepare(
    network: nn.Module,
    context: Context,
    *,
    budget: float,
    budget_of: str = "latency",
    step: int = 8,
    skip: tuple[str, ...] = (),
) -> Recipe:
    """Ranks by layer, with the costs that they were chosen by.

    Raises ValueError where no choice meets the budget, and for a budget of latency without a clock.
    """
    example = context.example_input()
    sites, macs = _sites(network, context, example, step, skip)
    timed = budget_of == "latency"
    prices = _latencies(network, context, example, sites) if timed else Prices.of(sites, Site.macs, macs)
    options = _options(sites, prices)
    try:
        chosen = choose(options, budget * prices.dense - prices.fixed) if options else {}
    except ValueError:
        share = prices.least / prices.dense if prices.dense > 0 else 1.0
        raise ValueError(
            f"budget={budget} of the {budget_of} cannot be met: rank {step} everywhere is at {share:.3f}"
        ) from None
    planned = prices.fixed + sum(option.cost for option in chosen.values())
    return {
        "ranks": {name: option.rank for name, option in chosen.items() if option.rank},
        "kept_energy": {name: math.exp(-option.loss) for name, option in chosen.items() if option.rank},
        "budget_of": budget_of,
        "planned_share": planned / prices.dense,
        "dense_cost": prices.dense,
        "costs": {
            name: {str(rank): price for rank, price in by_rank.items()}
            for name, by_rank in prices.by_site.items()
        },
        "machine": platform.machine() if timed else None,
        "threads": torch.get_num_threads() if timed else None,
    }


def _sites(
    network: nn.Module, context: Context, example: Tensor, step: int, skip: tuple[str, ...]
) -> tuple[dict[str, Site], float]:
    """The layers that may be decomposed by name, and the executed MACs of the whole network."""
    shapes: dict[str, list[tuple[tuple[int, ...], tuple[int, ...]]]] = {}
    macs = 0.0
    for row in counted_layers(network, example):
        shapes.setdefault(row.name, []).append((row.input_shape, row.output_shape))
        macs += row.count.executed_macs
    sites: dict[str, Site] = {}
    for candidate in candidates(network, context.keep_first, skip, context.head):
        ranks = _ranks(candidate.conv, step)
        fits = not candidate.kept and not TUCKER2.obstacle(candidate.conv) and candidate.name in shapes
        if fits and ranks:
            sites[candidate.name] = Site(candidate.conv, tuple(shapes[candidate.name]), ranks)
    return sites, macs


def _latencies(network: nn.Module, context: Context, example: Tensor, sites: Mapping[str, Site]) -> Prices:
    """Seconds at batch 1. Raises ValueError without a clock."""
    if context.seconds_of is None:
        raise ValueError(
            "a budget of latency needs measured times, and nothing is timed here: budget_of=macs works"
        )
    whole = context.seconds_of(network, example)
    return Prices.of(sites, LayerClock(context.seconds_of).seconds, whole)


def _options(sites: Mapping[str, Site], prices: Prices) -> dict[str, list[Option]]:
    """What each layer may become: dense, or a rank with its price and what it loses."""
    found: dict[str, list[Option]] = {}
    for name, site in sites.items():
        kept = kept_energy(site.conv.weight).clamp_min(1e-12)
        found[name] = [
            Option(rank, price, -math.log(float(kept[rank - 1])) if rank else 0.0)
            for rank, price in prices.by_site[name].items()
        ]
    return found


@method("haloc", prepare=prepare, check=check, times=True)
def haloc(
    network: nn.Module,
    context: Context,
    *,
    budget: float,
    budget_of: str = "latency",
    step: int = 8,
    skip: tuple[str, ...] = (),
) -> Rewritten:
    """HALOC: Tucker-2 with one rank per layer, chosen by measured layer times under a budget.

    Every layer is tried dense and at ranks r1 = r2 = ``step``, 2·``step``, … (at most sixteen, evenly
    taken). Of all choices that cost at most ``budget`` of the dense network, the search looks for the
    largest product over the layers of the kept energy 1 - ‖W - Ŵ‖²/‖W‖²: layers follow one another, and
    one that keeps nothing ends the signal (a sum would gladly give up a few layers for the others).

    ``budget_of: latency``: the cost is the median time of each layer alone, measured once at batch 1
    on the processor that counts, with one thread; what the whole network takes beyond its layers stays.
    The times are in the recipe. ``budget_of: macs``: the same search with MACs, no clock, the same
    answer everywhere. ``skip``: globs of layers to leave dense.
    """
    del budget, budget_of  # they are in the recipe
    ranks: dict[str, int] = context.recipe["ranks"]

    def build(name: str, conv: nn.Conv2d) -> nn.Module | str:
        reason = TUCKER2.obstacle(conv)
        if reason or name in ranks:
            return reason or TuckerConv2d(conv, (ranks[name], ranks[name]))
        if not _ranks(conv, step):
            return f"no multiple of {step} is below its full rank {min(full_ranks(conv))}"
        return "dense is the better use of the budget"

    return replace_each(network, context, skip, build)


def _ranks(conv: nn.Conv2d, step: int) -> tuple[int, ...]:
    """Multiples of the step below the full rank, at most sixteen of them, evenly taken."""
    every = range(step, min(full_ranks(conv)), step)
    return tuple(every[:: max(1, math.ceil(len(every) / MOST_RANKS))])
