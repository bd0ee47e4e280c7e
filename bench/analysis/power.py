"""What a comparison could have found: power of Student's t on the log ratios of processes.

All changes are ratios minus 1 (0.02 is +2 %), all standard deviations those of one process's log ratio.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special
from scipy.optimize import brentq

from bench.analysis.sequential import ALPHA, Schedule, judge, nominal_levels

POWER = 0.95
"""Chance with which a stated change would have been found."""

_MIDPOINTS = (np.arange(400) + 0.5) / 400
"""Quantiles over which the unknown variance is averaged."""


@dataclass(frozen=True)
class Detectable:
    """The smallest change that ``count`` processes would have called different with 95 %.

    ``change`` takes the observed standard deviation ``sd`` for the true one; ``at_most`` takes the upper
    limit of its one-sided 95 % interval (chi-square), because few processes tell little about it. nan when
    not known.
    """

    change: float
    at_most: float
    sd: float
    count: int


def chance_found(change: float, sd: float, n: int, level_alpha: float = ALPHA) -> float:
    """Chance that Student's t at ``level_alpha`` calls a true ``change`` different, on its own side.

    ``n`` processes of standard deviation ``sd``: one tail of the noncentral t, averaged over the variance.
    """
    if sd == 0:
        return float(change != 0)
    shift = abs(math.log1p(change)) / sd * math.sqrt(n)
    return _power(n, level_alpha, shift)


def smallest_change(sd: float, n: int, level_alpha: float = ALPHA, power: float = POWER) -> float:
    """The smallest slow-down that ``n`` processes find with chance ``power`` at two-sided ``level_alpha``.

    With several looks give the nominal level of the look (``nominal_levels``), with several cases that of
    ALPHA / cases: Holm's first step, so that what is stated is found whatever the others do. nan for ``n`` <
    2 or an ``sd`` that is not finite, 0 for ``sd`` 0, inf where no change below a factor e^700 is enough.
    """
    if n < 2 or not math.isfinite(sd) or sd < 0:
        return math.nan
    reach = _shift(n, level_alpha, power) * sd / math.sqrt(n)
    return math.expm1(reach) if reach < 700 else math.inf


def detectable(
    logs: Sequence[float], level_alpha: float = ALPHA, power: float = POWER, count: int | None = None
) -> Detectable:
    """``smallest_change`` from observed log ratios, for their own number or for ``count`` processes.

    nan and infinite values are left out; fewer than two leave nothing to say (nan).
    """
    values = [value for value in logs if math.isfinite(value)]
    n = len(values) if count is None else count
    if len(values) < 2:
        return Detectable(math.nan, math.nan, math.nan, n)
    sd = 0.0 if max(values) == min(values) else float(np.std(values, ddof=1))
    upper = upper_sd(sd, len(values))
    return Detectable(
        smallest_change(sd, n, level_alpha, power), smallest_change(upper, n, level_alpha, power), sd, n
    )


def upper_sd(sd: float, n: int) -> float:
    """Upper limit of the one-sided 95 % interval of the standard deviation of ``n`` values (chi-square)."""
    return sd * math.sqrt((n - 1) / (2 * float(special.gammaincinv((n - 1) / 2, 0.05))))


def chance_same(sd: float, n: int, resolution: float, level_alpha: float = ALPHA) -> float:
    """Chance that two equal cases are "same": the interval of ``n`` processes lies inside the band."""
    band = math.log1p(resolution)
    if sd == 0:
        return 1.0
    error = sd / math.sqrt(n)
    seen = error * np.sqrt(2 * special.gammaincinv((n - 1) / 2, _MIDPOINTS) / (n - 1))
    room = (band - float(special.stdtrit(n - 1, 1 - level_alpha / 2)) * seen) / error
    return float(np.maximum(0.0, 2 * special.ndtr(room) - 1).mean())


def rounds_needed(
    sd: float, resolution: float, schedule: Schedule, power: float = POWER, cases: int = 1
) -> int | None:
    """The look by which a case is decided with chance ``power``, or None when the last one is not enough.

    Decided for the two cases that ``resolution`` is about: a change of just that size is called different (at
    Holm's first step over ``cases``), and an equal case is called "same". Each look is taken alone, so the
    true chance, over all looks so far, is a little higher.
    """
    for n, alone, of_many in zip(
        schedule, nominal_levels(schedule), nominal_levels(schedule, ALPHA / max(1, cases)), strict=True
    ):
        if (
            smallest_change(sd, n, of_many, power) <= resolution
            and chance_same(sd, n, resolution, alone) >= power
        ):
            return n
    return None


@lru_cache(maxsize=1024)
def expected_rounds(
    change: float, sd: float, resolution: float, schedule: Schedule, cases: int = 1, draws: int = 2000
) -> float:
    """Mean number of rounds until a case with a true ``change`` is decided, or the schedule ends.

    Among ``cases`` of which no other is decided yet (Holm's first step: the most it can take). By simulation
    with normal noise and a fixed seed, so the answer repeats; good to about 1 %.
    """
    values = np.zeros((draws, cases, schedule[-1]))
    values[:, 0] = math.log1p(change) + sd * np.random.default_rng(0).standard_normal((draws, schedule[-1]))
    sizes = np.zeros((draws, cases, len(schedule)), dtype=np.int64)
    sizes[:, 0] = schedule
    return float(judge(values, sizes, resolution, schedule).count[:, 0].mean())


def _power(n: int, level_alpha: float, shift: float) -> float:
    """P(t > its two-sided critical value) for a mean ``shift`` standard errors above 0.

    The tail of the noncentral t as a mean over the variance: stable where scipy's series for the noncentral t
    is not (few processes, tiny levels).
    """
    critical = float(special.stdtrit(n - 1, 1 - level_alpha / 2))
    seen = np.sqrt(2 * special.gammaincinv((n - 1) / 2, _MIDPOINTS) / (n - 1))
    return float(special.ndtr(shift - critical * seen).mean())


@lru_cache(maxsize=4096)
def _shift(n: int, level_alpha: float, power: float) -> float:
    highest = 10.0
    while _power(n, level_alpha, highest) < power:
        highest *= 2
    return float(brentq(lambda shift: _power(n, level_alpha, shift) - power, 0.0, highest, xtol=1e-9))
