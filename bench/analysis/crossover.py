"""Where a latency ratio falls below 1 along a knob: by the estimate, and by the ends of its intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.stats import Interval


@dataclass(frozen=True)
class Crossover:
    """``at``: the knob from which on the ratio stays below 1; nan where it is not below 1 at ``last``.

    ``low`` and ``high`` are the same of the lower and the upper ends of the intervals; nan likewise, and
    where ends are not known. All three are ``first`` where the ratio is below 1 from the first value on:
    the crossover lies there or before it. ``first`` and ``last`` are the ends of what was measured.
    """

    at: float
    low: float
    high: float
    first: float
    last: float
    bounded: bool

    @property
    def found(self) -> bool:
        """True where the estimate crosses 1 within what was measured, or before it."""
        return math.isfinite(self.at)


def crossover(points: Sequence[tuple[float, Interval]]) -> Crossover:
    """The crossover of a ratio measured at two or more values of a knob, in any order.

    Between neighbouring values the logarithm of the ratio is taken as a straight line over the logarithm of
    the knob. The interval is pointwise: it comes from the ends of each value's own interval, so
    it is no narrower than those allow. Raises ValueError for fewer than two values, or one that is not
    above 0.
    """
    ordered = sorted(points, key=lambda point: point[0])
    knobs = [knob for knob, _ in ordered]
    if len(ordered) < 2 or knobs[0] <= 0:
        raise ValueError("a crossover needs two values of a knob, all above 0")
    bounded = all(interval.known for _, interval in ordered)
    curves = [[getattr(interval, end) for _, interval in ordered] for end in ("value", "low", "high")]
    at, low, high = (_below_from(knobs, curve) for curve in curves)
    return Crossover(at, low, high, knobs[0], knobs[-1], bounded)


def _below_from(knobs: Sequence[float], ratios: Sequence[float]) -> float:
    """The knob from which on the ratios stay below 1; nan where they never do, or one is not known."""
    if not all(math.isfinite(ratio) and ratio > 0 for ratio in ratios) or ratios[-1] >= 1:
        return math.nan
    above = [at for at, ratio in enumerate(ratios) if ratio >= 1]
    if not above:
        return knobs[0]
    before, after = above[-1], above[-1] + 1
    y0, y1 = math.log(ratios[before]), math.log(ratios[after])
    x0, x1 = math.log(knobs[before]), math.log(knobs[after])
    return math.exp(x0 + (x1 - x0) * y0 / (y0 - y1))
