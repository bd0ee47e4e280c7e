"""Does the order of a promise hold in what was delivered? Spearman's rank correlation with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats as distributions

from bench.analysis.stats import LEVEL, Floats, Interval

DRAWS = 2000
"""Resamples of the bootstrap."""

_AT_ONCE = 200_000
"""Pairs drawn at once: what they need in memory does not grow with the number of cases."""

FEWEST = 4
"""Pairs below which no correlation is told: of three, one order in six is perfect by chance."""

SEED = 20230103
"""The same numbers give the same interval in every process."""


def spearman(x: Sequence[float], y: Sequence[float]) -> Interval:
    """Spearman's ρ of pairs (x, y), with its percentile bootstrap interval at LEVEL.

    Pairs are drawn with replacement (Efron and Tibshirani 1993, chapter 13); draws in which one side has a
    single value have no ρ and count for nothing. All is nan for fewer than FEWEST pairs, or where a side has
    a single value. Raises ValueError for sides of different lengths and for numbers that are not finite.
    """
    first, second = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if first.shape != second.shape or not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("a rank correlation needs pairs of finite numbers")
    count = len(first)
    nothing = Interval(math.nan, math.nan, math.nan, count)
    if count < FEWEST:
        return nothing
    rho = float(_rho(first[None, :], second[None, :])[0])
    if math.isnan(rho):
        return nothing
    coin = np.random.default_rng(SEED)
    at_once = max(1, _AT_ONCE // count)
    parts = []
    for begun in range(0, DRAWS, at_once):
        drawn = coin.integers(0, count, size=(min(at_once, DRAWS - begun), count))
        parts.append(_rho(first[drawn], second[drawn]))
    found = np.concatenate(parts)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(found[np.isfinite(found)], (tail, 1 - tail))
    return Interval(rho, min(float(low), rho), max(float(high), rho), count)


def _rho(x: Floats, y: Floats) -> Floats:
    """ρ of each row of (n, pairs): Pearson's correlation of mean ranks; nan where a side has one value."""
    ranks = [distributions.rankdata(side, axis=1) for side in (x, y)]
    a, b = (side - side.mean(axis=1, keepdims=True) for side in ranks)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = (a * b).sum(axis=1) / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return found
