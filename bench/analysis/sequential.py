"""Verdicts that end by themselves: intervals and p-values that stay true when one looks again and again.

The unit is one fresh process, which gives one log ratio case / baseline. After a fixed schedule of numbers of
rounds (``looks``) every case still at "cannot tell" is judged again. Judged each time at 5 %, equal cases
would be called different far more often than in 5 %; so each look gets a share of the 5 % (alpha spending:
Lan and DeMets, Biometrika 70, 1983, with the family of Hwang, Shih and DeCani, Statistics in Medicine 9,
1990). A share becomes the level of a look by recursive integration of the joint normal law of the looks
(Armitage, McPherson and Rowe, JRSS A 132, 1969; Jennison and Turnbull, Group Sequential Methods, 2000,
chapter 19), and the level becomes an interval and a p-value by Student's t (their section 3.8, the
significance level approach).

Intervals are *repeated* confidence intervals (Jennison and Turnbull, JRSS B 51, 1989): with 95 % all of them,
at all looks, hold the true ratio, whatever the reason to stop. p-values are repeated too (their 2000 book,
chapter 9): the smallest level at which an interval so far leaves out 1. They only ever fall, so Holm's
procedure over all cases holds its family-wise level at every look and at every moment of stopping.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import special
from scipy.optimize import brentq

from bench.analysis.stats import Interval
from bench.analysis.verdict import CANNOT_TELL, FASTER, SAME, SLOWER

Floats = np.ndarray[Any, np.dtype[np.float64]]
Integers = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]
Schedule = tuple[int, ...]

ALPHA = 0.05
"""Chance of a wrong "different" over all looks and, by Holm, all cases; intervals hold 1 - ALPHA."""

MIN_ROUNDS, MAX_ROUNDS = 5, 30
"""Rounds before the first look, and those after which a case is left at "cannot tell"."""

EAGERNESS = 2.0
"""Gamma of Hwang, Shih and DeCani: above 0 more of ALPHA goes to early looks (1 is close to Pocock's)."""

MARGIN = 0.9
"""Part of ALPHA given to the normal law of the looks, because its levels are exact at one look and up to 10 %
too generous over several when the variance comes from few values (``tests/analysis/test_sequential.py``)."""

MARGIN_FROM, MARGIN_LOOKS = 5, 12
"""Schedules for which MARGIN was shown to be enough: first look from, and looks at most. Others get the share
itself as their level (Bonferroni), which holds for every joint law."""

_STEP = math.sqrt(2)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)
_P_GRID = np.unique(np.append(np.logspace(-12, math.log10(0.5), 36), ALPHA))


@dataclass(frozen=True)
class Decision:
    """What is known about one case: the verdict, and the look it rests on.

    ``ratio``: the repeated interval of case / baseline at that look, ``ratio.count`` the processes in it;
    its limits are nan before the first look. ``p_value``: the repeated p-value of "no difference", one case
    alone (1 before the first look).
    """

    verdict: str
    ratio: Interval
    p_value: float

    @property
    def decided(self) -> bool:
        """True when no further round is wanted."""
        return self.verdict != CANNOT_TELL


def looks(min_rounds: int = MIN_ROUNDS, max_rounds: int = MAX_ROUNDS) -> Schedule:
    """Numbers of rounds after which one looks: from ``min_rounds`` to ``max_rounds``, each about √2 the last.

    ``looks(n, n)`` is the schedule of a fixed number of rounds. Raises ValueError unless
    2 ≤ min_rounds ≤ max_rounds.
    """
    if not 2 <= min_rounds <= max_rounds:
        raise ValueError(f"looks from {min_rounds} to {max_rounds} rounds: 2 ≤ first ≤ last is wanted")
    steps = max(1, round(math.log(max_rounds / min_rounds, _STEP)))
    grown = (min_rounds * (max_rounds / min_rounds) ** (step / steps) for step in range(steps + 1))
    return tuple(sorted({round(value) for value in grown}))


def next_look(count: int, schedule: Schedule) -> int | None:
    """How many rounds an open case with ``count`` of them goes on to, or None after the last look."""
    return next((look for look in schedule if look > count), None)


def rounds_needed(mean: float, deviation: float, resolution: float, schedule: Schedule) -> int:
    """Rounds after which a case whose log ratios have that mean and deviation is decided, one case alone.

    The first look whose repeated interval leaves out 1 or lies inside ±log1p(resolution) when its values
    scatter as they usually do; the last look where none does.
    """
    _check(schedule)
    band = math.log1p(resolution)
    for count, level in zip(schedule, nominal_levels(schedule), strict=True):
        reach = float(special.stdtrit(count - 1, 1 - level / 2)) * deviation / math.sqrt(count)
        if abs(mean) > reach or abs(mean) + reach <= band:
            return count
    return schedule[-1]


def spent(fraction: float, eagerness: float = EAGERNESS) -> float:
    """Part of ALPHA spent when ``fraction`` of the rounds are in (Hwang, Shih and DeCani 1990)."""
    if eagerness == 0:
        return fraction
    return math.expm1(-eagerness * fraction) / math.expm1(-eagerness)


@lru_cache(maxsize=4096)
def nominal_levels(schedule: Schedule, alpha: float = ALPHA, horizon: int | None = None) -> tuple[float, ...]:
    """Two-sided level at which each look of ``schedule`` is judged, so that all together keep ``alpha``.

    ``horizon`` is the number of rounds that was planned (the last look unless given); a schedule that had to
    end before it spends at its last look all that is left. A single look gets ``alpha`` itself. Raises
    ValueError for a schedule that does not grow from at least 2, or an ``alpha`` outside (0, 1).
    """
    _check(schedule)
    if not 0 < alpha < 1:
        raise ValueError(f"a level of {alpha}: one between 0 and 1 is wanted")
    if len(schedule) == 1:
        return (alpha,)
    shares = alpha * _shares(schedule, horizon)
    if schedule[0] < MARGIN_FROM or len(schedule) > MARGIN_LOOKS:
        return tuple(float(share) for share in shares)
    return boundary_levels(schedule, tuple(float(MARGIN * share) for share in shares))


@lru_cache(maxsize=4096)
def boundary_levels(schedule: Schedule, shares: tuple[float, ...]) -> tuple[float, ...]:
    """Nominal two-sided levels that leave at each look for the first time with the chances ``shares``.

    For sums of independent normal values, ``schedule`` of them at each look (Lan and DeMets 1983).
    """
    found: list[float] = []
    state: tuple[Floats, Floats] | None = None
    for at, share in enumerate(shares):
        highest = -float(special.ndtri(share / 2))
        if state is None:
            edge = highest
        else:
            lowest = brentq(
                lambda z, at=at, state=state, share=share: _leaves(schedule, at, z, state) / share - 1,
                0.0,
                highest + 1e-9,
                xtol=1e-12,
            )
            edge = float(lowest)
        found.append(2 * float(special.ndtr(-edge)))
        state = _stays(schedule, at, edge, state)
    return tuple(found)


def leaving_chances(schedule: Schedule, edges: Sequence[float]) -> tuple[float, ...]:
    """Chance that |z| first exceeds its edge at each look; the inverse of ``boundary_levels``."""
    found: list[float] = []
    state: tuple[Floats, Floats] | None = None
    for at, edge in enumerate(edges):
        found.append(2 * float(special.ndtr(-edge)) if state is None else _leaves(schedule, at, edge, state))
        state = _stays(schedule, at, edge, state)
    return tuple(found)


def repeated_interval(logs: Sequence[float], level_alpha: float) -> Interval:
    """Ratio of the log ratios ``logs`` of one look, with Student's interval at 1 - ``level_alpha``.

    nan and infinite values are left out. No value gives nan throughout, one value no limits, and values that
    are all equal an interval without width (counted, not timed, numbers do that).
    """
    values = np.asarray([value for value in logs if math.isfinite(value)], dtype=float)
    if len(values) == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    if len(values) == 1:
        return Interval(math.exp(values[0]), math.nan, math.nan, 1)
    mean, error = _mean_and_error(values)
    reach = float(special.stdtrit(len(values) - 1, 1 - level_alpha / 2)) * float(error)
    return Interval(math.exp(mean), _exp(float(mean) - reach), _exp(float(mean) + reach), len(values))


def adjusted_p(logs: Sequence[float], schedule: Schedule, horizon: int | None = None) -> float:
    """Repeated p-value of "no difference" over all looks of ``schedule`` that ``logs`` have reached.

    The smallest alpha at which one of the repeated intervals so far leaves out 1; it never rises when rounds
    are added, and Holm's procedure may be applied to it at every look. 1 before the first look.
    """
    values = np.asarray([value for value in logs if math.isfinite(value)], dtype=float)
    p = 1.0
    for at, count in enumerate(schedule):
        if len(values) < count:
            break
        mean, error = _mean_and_error(values[:count])
        alone = _p_alone(np.asarray([mean]), np.asarray([error]), np.asarray([count]))
        p = min(p, float(_repeated_p(schedule, horizon, at, alone)[0]))
    return p


def decide(
    logs: Mapping[str, Sequence[float]], resolution: float, schedule: Schedule, *, over: bool = False
) -> dict[str, Decision]:
    """The verdicts of all cases of one family, each at the look where it was decided, else at its last one.

    ``logs``: case -> log ratios in the order of rounds (one a process; nan and infinite ones are left out, as
    are those after the last look). A case is "same" when its repeated interval lies inside
    ±log1p(resolution); "faster" or "slower" when the interval leaves out 1 and the repeated p-value survives
    Holm's procedure over all cases of the family, those without any number included; else "cannot tell".
    Looks are replayed in order, so a verdict once given stays when others go on, and values that came after
    it change nothing.

    Only whole looks count: with looks at 5 and 7, six processes are judged by their first five. ``over`` says
    that no more rounds will come for a reason that has nothing to do with the numbers (a fixed or the
    greatest number of rounds is through, and some processes failed): then a case short of its last look is
    looked at once more with all it has, and what is left of ALPHA. Leave it False after an interruption that
    may go on later.
    """
    _check(schedule)
    names = list(logs)
    if not names:
        return {}
    finite = [
        np.asarray([v for v in logs[name] if math.isfinite(v)], dtype=float)[: schedule[-1]] for name in names
    ]
    counts = np.asarray([len(values) for values in finite])
    padded = np.full((len(names), max(2, int(counts.max()))), np.nan)
    for into, values in zip(padded, finite, strict=True):
        into[: len(values)] = values
    sizes = np.where(counts[:, None] >= np.asarray(schedule), np.asarray(schedule), 0)
    if over:
        extra = np.where((counts >= 2) & (counts < schedule[-1]) & (counts != sizes.max(1)), counts, 0)
        sizes = np.concatenate([sizes, extra[:, None]], axis=1)
    found = judge(padded[None], sizes[None], resolution, schedule)
    answer: dict[str, Decision] = {}
    for row, (name, values) in enumerate(zip(names, finite, strict=True)):
        count = int(found.count[0, row])
        if count == 0:
            ratio = Interval(_exp(_mean(values)), math.nan, math.nan, len(values))
        else:
            centre, low, high = (_exp(float(a[0, row])) for a in (found.centre, found.low, found.high))
            ratio = Interval(centre, low, high, count)
        answer[name] = Decision(WORDS[int(found.verdict[0, row])], ratio, float(found.p_value[0, row]))
    return answer


WORDS = (CANNOT_TELL, SAME, FASTER, SLOWER)
"""What the numbers in ``Judged.verdict`` stand for."""


@dataclass(frozen=True)
class Judged:
    """What ``judge`` found: arrays of shape (families, cases), logs of ratios; ``count`` 0 without a look."""

    verdict: Integers
    count: Integers
    centre: Floats
    low: Floats
    high: Floats
    p_value: Floats


def judge(values: Floats, sizes: Integers, resolution: float, schedule: Schedule) -> Judged:
    """``decide`` for many families at once: what simulations call.

    ``values``: log ratios, shape (families, cases, rounds), finite as far as ``sizes`` reach. ``sizes``: how
    many of them each look takes, 0 for a look that was not reached, shape (families, cases, looks); the
    columns of ``schedule``, then perhaps one more, the look of cases that ended early.
    """
    shape = values.shape[:2]
    band = math.log1p(resolution)
    verdict, count = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    centre, low, high = (np.full(shape, np.nan) for _ in range(3))
    p, p_side = np.ones(shape), np.zeros(shape)
    rejected = np.zeros(shape, dtype=bool)
    for at in range(sizes.shape[2]):
        for taken in np.unique(sizes[..., at]):
            size = int(taken)
            here = (sizes[..., at] == size) & (verdict == 0)
            if size == 0 or not here.any():
                continue
            plan, horizon = (schedule, None) if at < len(schedule) else (_ended(schedule, size), schedule[-1])
            index = plan.index(size)
            mean, error = _mean_and_error(values[..., :size][here])
            reach = error * float(
                special.stdtrit(size - 1, 1 - nominal_levels(plan, ALPHA, horizon)[index] / 2)
            )
            centre[here], low[here], high[here], count[here] = mean, mean - reach, mean + reach, size
            fresh = _repeated_p(plan, horizon, index, _p_alone(mean, error, np.full(len(mean), size)))
            smaller = fresh < p[here]
            p_side[here] = np.where(smaller, np.sign(mean), p_side[here])
            p[here] = np.where(smaller, fresh, p[here])
        rejected |= _holm(np.where(rejected, 0.0, p))
        open_ = verdict == 0
        with np.errstate(invalid="ignore"):
            same = open_ & (low >= -band) & (high <= band)
            faster = open_ & ~same & rejected & (high < 0) & (p_side < 0)
            slower = open_ & ~same & rejected & (low > 0) & (p_side > 0)
        for flags, word in ((same, SAME), (faster, FASTER), (slower, SLOWER)):
            verdict[flags] = WORDS.index(word)
    return Judged(verdict, count, centre, low, high, p)


def sizes_of(schedule: Schedule, families: int, cases: int) -> Integers:
    """The ``sizes`` of ``judge`` when every case has reached every look."""
    sizes: Integers = np.broadcast_to(np.asarray(schedule), (families, cases, len(schedule)))
    return sizes


def _check(schedule: Schedule) -> None:
    if not schedule or schedule[0] < 2 or any(b <= a for a, b in pairwise(schedule)):
        raise ValueError(f"looks at {schedule} rounds: a growing tuple from at least 2 is wanted")


def _ended(schedule: Schedule, count: int) -> Schedule:
    return (*(look for look in schedule if look < count), count)


def _shares(schedule: Schedule, horizon: int | None) -> Floats:
    planned = horizon or schedule[-1]
    so_far = [spent(look / planned) for look in schedule[:-1]]
    return np.diff([0.0, *so_far, 1.0])


def _leaves(schedule: Schedule, at: int, edge: float, state: tuple[Floats, Floats]) -> float:
    """Chance to leave at look ``at`` from the ``state`` (sums, weighted densities) of those still inside."""
    sums, weights = state
    scale, limit = math.sqrt(schedule[at] - schedule[at - 1]), edge * math.sqrt(schedule[at])
    return float(weights @ (special.ndtr((-limit - sums) / scale) + special.ndtr((sums - limit) / scale)))


def _stays(
    schedule: Schedule, at: int, edge: float, state: tuple[Floats, Floats] | None
) -> tuple[Floats, Floats]:
    limit = edge * math.sqrt(schedule[at])
    ends = limit * _NODES
    if state is None:
        density = _normal_density(ends, math.sqrt(schedule[0]))
    else:
        sums, weights = state
        density = _normal_density(ends[:, None] - sums, math.sqrt(schedule[at] - schedule[at - 1])) @ weights
    return ends, limit * _WEIGHTS * density


def _normal_density(values: Floats, scale: float) -> Floats:
    density: Floats = np.exp(-0.5 * (values / scale) ** 2) / (scale * math.sqrt(2 * math.pi))
    return density


@lru_cache(maxsize=64)
def _level_table(schedule: Schedule, horizon: int | None) -> Floats:
    """Nominal level of each look (columns) for each alpha of _P_GRID (rows), made monotone from above."""
    table = np.asarray([nominal_levels(schedule, float(alpha), horizon) for alpha in _P_GRID])
    monotone: Floats = np.minimum.accumulate(table[::-1], axis=0)[::-1]
    return monotone


def _repeated_p(schedule: Schedule, horizon: int | None, at: int, alone: Floats) -> Floats:
    """The alpha at which look ``at`` has the nominal level ``alone``: its p-value corrected for all looks.

    Below the grid the look's share alone counts, which is never too small a p; above it the answer is 1.
    """
    if len(schedule) == 1:
        return alone
    levels = _level_table(schedule, horizon)[:, at]
    with np.errstate(divide="ignore"):
        p: Floats = np.exp(np.interp(np.log(alone), np.log(levels), np.log(_P_GRID)))
    p = np.where(alone < levels[0], alone / (MARGIN * _shares(schedule, horizon)[at]), p)
    return np.where(alone > levels[-1], 1.0, np.minimum(p, 1.0))


def _mean_and_error(values: Floats) -> tuple[Floats, Floats]:
    """Mean and its standard error along the last axis; equal values have exactly no error."""
    equal = values.max(-1) == values.min(-1)
    mean = np.where(equal, values[..., 0], values.mean(-1))
    error = np.where(equal, 0.0, values.std(-1, ddof=1) / math.sqrt(values.shape[-1]))
    return mean, error


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else math.nan


def _p_alone(mean: Floats, error: Floats, count: Integers) -> Floats:
    """Student's two-sided p-value; without any spread 1 for no difference, else 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(mean) / error
    p: Floats = 2 * special.stdtr(count - 1, -np.where(np.isnan(t), 0.0, t))
    return p


def _holm(p: Floats) -> Flags:
    """Holm's procedure along the last axis at ALPHA."""
    order = np.argsort(p, axis=-1, kind="stable")
    limits = ALPHA / np.arange(p.shape[-1], 0, -1)
    passed = np.logical_and.accumulate(np.take_along_axis(p, order, -1) <= limits, axis=-1)
    found = np.zeros(p.shape, dtype=bool)
    np.put_along_axis(found, order, passed, -1)
    return found


def _exp(value: float) -> float:
    """exp that ends at infinity instead of raising."""
    return math.inf if value > 700 else math.exp(value)
