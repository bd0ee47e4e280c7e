"""Changes of level in a noisy history: where a time went up or down for good, and how sure that is.

Circular binary segmentation (Olshen, Venkatraman, Lucito and Wigler, Biostatistics 5, 2004): of all ways to
cut a stretch out of a series, the one whose mean differs most from the rest, in standard errors. A stretch
may end in the middle, so what came and went is found too; a single change is a stretch that reaches to an
end. Where the largest difference is larger than noise alone makes it in all but ``alpha`` of histories, the
series is cut there and each part is looked at again (binary segmentation: Vostrikova, Soviet Mathematics
Doklady 24, 1981). The variance comes from the series itself, so a restless machine finds less, and says so
(``resolution``).

The law of the largest difference without any change is simulated for normal noise (Worsley, JASA 74, 1979,
for a single change), once for each length, from a fixed seed; beyond what the draws can tell, Bonferroni's
bound over all stretches. A stretch has at least SHORTEST commits: one commit is no level. A wild one would
still make a stretch of two look like one, so single outliers are first drawn in, as section 2.3 of the paper
does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import special

Floats = np.ndarray[Any, np.dtype[np.float64]]

ALPHA = 0.05
"""Chance that a history without any change is said to have one, over all its series together."""

SHORTEST = 2
"""Commits of which a level consists at least."""

FEWEST = 5
"""Commits below which nothing is said: the variance is not known."""

LONGEST = 200
"""Newest commits that are looked at: the law of the largest difference grows with the square of their
number."""

NEAR, OUT, IN = 3, 4.0, 1.0
"""A value more than OUT standard deviations beyond all of the NEAR values on each side is drawn in to IN of
them from their median (to 2 in the paper, which leaves a little too much at the newest commit)."""

DRAWS = 4000
"""Simulated histories for each length."""

HOLDS = -math.log1p(-math.sqrt(0.95))
"""Difference of log likelihoods within which a place may be the true one: what two random walks with drift,
one on each side of it, exceed with a chance of 5 % (Siegmund, International Statistical Review 56, 1988)."""


@dataclass(frozen=True)
class Change:
    """A change of level before the value ``at``.

    ``ratio`` new / old with its interval, which leaves out 1. ``first`` and ``last``: the values before which
    the change may lie with 95 % confidence.
    """

    at: int
    first: int
    last: int
    ratio: float
    low: float
    high: float


@dataclass(frozen=True)
class Levels:
    """What a series of logarithms says.

    ``bounds``: where levels begin, 0 first, and the length last. ``sigma``: standard deviation within levels.
    ``resolution``: the smallest lasting change that would be found with a chance of 95 % once ``behind``
    commits have followed it, 0.05 for 5 %; nan where nothing can be said. ``odd_tip``: the newest value alone
    lies outside of what its level and scatter explain.
    """

    bounds: tuple[int, ...]
    changes: tuple[Change, ...] = ()
    sigma: float = math.nan
    resolution: float = math.nan
    behind: int = 0
    odd_tip: bool = False


def find_levels(logs: Sequence[float], alpha: float = ALPHA) -> Levels:
    """The levels of a series of finite logarithms in the order of commits.

    ``alpha`` is the share of neutral series that may be said to have a change. Fewer than FEWEST values are
    one level of which nothing is known.
    """
    values = np.asarray(logs, dtype=float)
    count = len(values)
    if count < FEWEST:
        return Levels((0, count))
    raw, values = values, _without_outliers(values)
    bounds = _pruned(values, sorted({0, count, *_cuts(values, 0, count, alpha)}), alpha)
    sigma = _sigma(values, bounds)
    changes = tuple(_change(values, bounds, at, sigma, alpha) for at in range(1, len(bounds) - 1))
    behind = min(5, count // 2)
    reach = critical(count, alpha) + float(special.ndtri(0.95))
    resolution = math.expm1(reach * sigma * math.sqrt(1 / (count - behind) + 1 / behind))
    return Levels(tuple(bounds), changes, sigma, resolution, behind, _odd_tip(raw, bounds, alpha))


def critical(count: int, alpha: float) -> float:
    """The largest difference, in standard errors, that ``alpha`` of neutral series of ``count`` values
    exceed."""
    if alpha * DRAWS >= 10:
        return float(np.quantile(_null(count), 1 - alpha))
    return float(special.stdtrit(count - 2, 1 - alpha / (2 * _stretches(count))))


def _without_outliers(values: Floats) -> Floats:
    """The values, single ones far from all of their neighbours drawn in."""
    spread = 1.4826 * float(np.median(np.abs(np.diff(values)))) / math.sqrt(2)
    found = values.copy()
    for at, value in enumerate(values):
        near = np.concatenate([values[max(0, at - NEAR) : at], values[at + 1 : at + 1 + NEAR]])
        middle = float(np.median(near))
        if value > near.max() + OUT * spread:
            found[at] = middle + IN * spread
        elif value < near.min() - OUT * spread:
            found[at] = middle - IN * spread
    return found


def _cuts(values: Floats, start: int, end: int, alpha: float) -> list[int]:
    """Where the part between ``start`` and ``end`` is to be cut, in no order."""
    count = end - start
    if count < FEWEST:
        return []
    largest, left, right = (found[0] for found in _largest_difference(values[None, start:end]))
    if not largest > critical(count, alpha):
        return []
    inner = [start + int(at) for at in (left, right) if 0 < at < count]
    edges = [start, *inner, end]
    return [*inner, *(cut for a, b in pairwise(edges) for cut in _cuts(values, a, b, alpha))]


def _largest_difference(series: Floats) -> tuple[Floats, Floats, Floats]:
    """Of each row, the largest |t| over all stretches, and where that stretch begins and ends.

    ``series``: shape (rows, n). A stretch has SHORTEST values at least, and so has what it leaves on each
    side.
    """
    rows, count = series.shape
    centred = series - series.mean(1, keepdims=True)
    sums = np.concatenate([np.zeros((rows, 1)), np.cumsum(centred, 1)], 1)
    total = (centred**2).sum(1)
    best, begins, ends = np.full(rows, -1.0), np.zeros(rows), np.zeros(rows)
    for start in (0, *range(SHORTEST, count - SHORTEST + 1)):
        stops = np.asarray([*range(start + SHORTEST, count - SHORTEST + 1), *([count] if start else [])])
        inside = stops - start
        shift = sums[:, stops] - sums[:, [start]]
        between = shift**2 * count / (inside * (count - inside))
        gain = between.max(1)
        here = gain > best
        best[here], begins[here] = gain[here], start
        ends[here] = stops[between.argmax(1)][here]
    within = np.maximum(total - best, 0.0) / (count - 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        largest = np.sqrt(best / within)
    return np.where(best <= 1e-18, 0.0, largest), begins, ends


@lru_cache(maxsize=64)
def _null(count: int) -> Floats:
    """The largest differences of DRAWS histories of normal noise, sorted."""
    draws = np.random.default_rng(20040101 + count).standard_normal((DRAWS, count))
    return np.sort(np.concatenate([_largest_difference(part)[0] for part in np.array_split(draws, 8)]))


def _stretches(count: int) -> int:
    return count * (count - 1) // 2


def _pruned(values: Floats, bounds: list[int], alpha: float) -> list[int]:
    """The bounds without those between levels that do not differ: an end of a stretch may be no change."""
    while len(bounds) > 2:
        sigma = _sigma(values, bounds)
        sizes = [
            _in_errors(values, bounds, at, sigma) / critical(len(values), alpha)
            for at in range(1, len(bounds) - 1)
        ]
        weakest = min(range(len(sizes)), key=sizes.__getitem__)
        if sizes[weakest] > 1:
            break
        bounds = [*bounds[: weakest + 1], *bounds[weakest + 2 :]]
    return bounds


def _sigma(values: Floats, bounds: Sequence[int]) -> float:
    squares = sum(float(((values[a:b] - values[a:b].mean()) ** 2).sum()) for a, b in pairwise(bounds))
    return math.sqrt(squares / max(1, len(values) - len(bounds) + 1))


def _sides(values: Floats, bounds: Sequence[int], at: int) -> tuple[Floats, Floats]:
    return values[bounds[at - 1] : bounds[at]], values[bounds[at] : bounds[at + 1]]


def _error(before: Floats, after: Floats, sigma: float) -> float:
    return sigma * math.sqrt(1 / len(before) + 1 / len(after))


def _in_errors(values: Floats, bounds: Sequence[int], at: int, sigma: float) -> float:
    before, after = _sides(values, bounds, at)
    shift, error = abs(float(after.mean() - before.mean())), _error(before, after, sigma)
    return math.inf if error == 0 else shift / error


def _change(values: Floats, bounds: Sequence[int], at: int, sigma: float, alpha: float) -> Change:
    before, after = _sides(values, bounds, at)
    shift = float(after.mean() - before.mean())
    reach = critical(len(values), alpha) * _error(before, after, sigma)
    first, last = _places(values[bounds[at - 1] : bounds[at + 1]], sigma)
    start = bounds[at - 1]
    return Change(
        bounds[at],
        start + first,
        start + last,
        math.exp(shift),
        math.exp(shift - reach),
        math.exp(shift + reach),
    )


def _places(values: Floats, sigma: float) -> tuple[int, int]:
    """The first and the last place at which a series with one change may have it."""
    count = len(values)
    sums = np.cumsum(values - values.mean())[:-1]
    sizes = np.arange(1, count)
    gains = sums**2 * count / (sizes * (count - sizes))
    allowed = gains.max() - 2 * HOLDS * sigma**2
    places = sizes[gains >= allowed]
    return int(places[0]), int(places[-1])


def _odd_tip(values: Floats, bounds: Sequence[int], alpha: float) -> bool:
    """Whether the newest value lies outside of what the rest of its level predicts."""
    rest = values[bounds[-2] : -1]
    if len(rest) < FEWEST - 1:
        return False
    spread = float(rest.std(ddof=1)) * math.sqrt(1 + 1 / len(rest))
    return (
        abs(float(values[-1] - rest.mean())) > float(special.stdtrit(len(rest) - 1, 1 - alpha / 2)) * spread
    )
