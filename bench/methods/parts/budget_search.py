"""Choosing one option per layer under a budget: the least loss that the cost allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Option:
    """One way to have a layer: ``rank`` 0 is the layer as it is. ``cost`` in MACs or seconds."""

    rank: int
    cost: float
    loss: float


def choose(options: Mapping[str, Sequence[Option]], limit: float) -> dict[str, Option]:
    """One option per layer with a sum of costs of at most ``limit`` and a small sum of losses.

    The multiple-choice knapsack by its continuous relaxation (Sinha and Zoltners 1979): every layer
    starts at its least loss and goes down the convex hull of its options; over all layers the step that
    adds least loss per cost saved comes first, until the sum fits. What the last step saved beyond
    need then buys back loss where it still fits. The loss is at most one step above the optimum. Equal
    steps go by the layer's name, so the same numbers give the same choice.

    Raises ValueError where even the cheapest options cost more than the limit.
    """
    fronts = {name: front(entries) for name, entries in options.items()}
    cheapest = sum(entries[0].cost for entries in fronts.values())
    if cheapest > limit:
        raise ValueError(f"the cheapest choice costs {cheapest:.4g}, the budget allows {limit:.4g}")
    chosen = {name: entries[-1] for name, entries in fronts.items()}
    steps = []
    for name, entries in fronts.items():
        points = hull(entries)
        for better, cheaper in zip(points[:0:-1], points[-2::-1], strict=True):
            slope = (cheaper.loss - better.loss) / (better.cost - cheaper.cost)
            steps.append((slope, name, -better.cost, cheaper))
    cost = sum(option.cost for option in chosen.values())
    for _slope, name, _order, cheaper in sorted(steps, key=lambda step: step[:3]):
        if cost <= limit:
            break
        chosen[name] = cheaper
        cost = sum(option.cost for option in chosen.values())
    return _filled(chosen, fronts, limit)


def front(entries: Sequence[Option]) -> list[Option]:
    """The options that no other beats in both cost and loss: costs rise, losses fall."""
    kept: list[Option] = []
    for option in sorted(entries, key=lambda o: (o.cost, o.loss, o.rank)):
        if not kept or option.loss < kept[-1].loss:
            kept.append(option)
    return kept


def hull(entries: Sequence[Option]) -> list[Option]:
    """The lower convex hull of a front: from the cheapest on, the loss falls ever more slowly."""
    points: list[Option] = []
    for option in entries:
        while len(points) >= 2 and _bends_up(points[-2], points[-1], option):
            points.pop()
        points.append(option)
    return points


def _bends_up(a: Option, b: Option, c: Option) -> bool:
    return (b.loss - a.loss) * (c.cost - b.cost) >= (c.loss - b.loss) * (b.cost - a.cost)


def _filled(
    chosen: dict[str, Option], fronts: Mapping[str, Sequence[Option]], limit: float
) -> dict[str, Option]:
    while True:
        spare = limit - sum(option.cost for option in chosen.values())
        gains = [
            (chosen[name].loss - option.loss, name, option)
            for name, entries in fronts.items()
            for option in entries
            if option.loss < chosen[name].loss and option.cost - chosen[name].cost <= spare
        ]
        if not gains:
            return chosen
        _gain, name, option = min(gains, key=lambda gain: (-gain[0], gain[1]))
        chosen[name] = option
