"""Statistics of trials: pure functions on numbers, no I/O.

The unit of replication is the trial, one fresh process: its samples give one median, and intervals
run over trials. Ratios are formed within rounds. Both work on logarithms, because times are positive,
skewed to the right, and compared as ratios.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import stats as distributions

Floats = np.ndarray[Any, np.dtype[np.float64]]

LEVEL = 0.95
"""Confidence of every interval (93.75 % with exactly five rounds, see ``centre_interval``)."""

RANK_INTERVAL_FROM = 5
"""Values from which the signed-rank interval is used."""

PERCENTILE_SAMPLES = {90: 64, 99: 662}
"""Samples below which a percentile is not given (MLPerf LoadGen's binomial argument)."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its two-sided interval at LEVEL; ``low`` and ``high`` are nan for a single trial."""

    value: float
    low: float
    high: float
    count: int

    @property
    def known(self) -> bool:
        """True when there were trials enough for an interval."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def half_width(self) -> float:
        """Half the interval on the log scale: 0.02 means about ±2 %; nan when not known."""
        return math.log(self.high / self.low) / 2 if self.known else math.nan


def trial_median(samples: Sequence[float]) -> float:
    """The median of one trial's samples. Raises ValueError when there is none that is finite and positive."""
    # Neither numpy's nor the library's: a trial has few samples, and a run a million trials.
    usable = sorted(samples)
    if not (usable and usable[0] > 0 and sum(usable) < math.inf):  # as with a nan, too
        usable = sorted(s for s in usable if 0 < s < math.inf)
    if not usable:
        raise ValueError("a trial without finite, positive samples has no median")
    middle = len(usable) // 2
    return float(usable[middle] if len(usable) % 2 else (usable[middle - 1] + usable[middle]) / 2)


def estimate(medians: Sequence[float]) -> Interval:
    """Centre of the trial medians with its interval, on the logarithms (see ``centre_interval``).

    Each process counts as one draw, so the interval covers what differs between processes (memory
    layout, frequency, neighbours), as intervals over calls cannot.
    """
    return of_logs([math.log(m) for m in medians if math.isfinite(m) and m > 0])


def ratio(base: Mapping[int, float], other: Mapping[int, float]) -> Interval:
    """``other / base``, formed within each round that has both, averaged over rounds in log space.

    Raises ValueError when no round has both.
    """
    rounds = sorted(base.keys() & other.keys())
    if not rounds:
        raise ValueError("no round has a trial of both")
    return of_logs([math.log(other[r] / base[r]) for r in rounds])


def change(base: Sequence[float], head: Sequence[float]) -> tuple[Interval, float]:
    """``head / base`` of trial medians from two separate runs, and the p-value of no change.

    Welch's t on the logarithms: the runs share no rounds, so nothing can be paired. What drifted
    between the two runs is part of the answer. nan where a side has fewer than two trials.
    """
    x, y = (np.log([v for v in side if math.isfinite(v) and v > 0]) for side in (base, head))
    if len(x) == 0 or len(y) == 0:
        return Interval(math.nan, math.nan, math.nan, 0), math.nan
    shift, count = float(y.mean() - x.mean()), min(len(x), len(y))
    if count < 2:
        return Interval(math.exp(shift), math.nan, math.nan, count), math.nan
    if x.std() == 0 and y.std() == 0:
        return Interval(math.exp(shift), math.exp(shift), math.exp(shift), count), float(shift == 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nearly equal values: counted numbers are that
        welch = distributions.ttest_ind(y, x, equal_var=False)
        low, high = welch.confidence_interval(LEVEL)
    return Interval(math.exp(shift), math.exp(low), math.exp(high), count), float(welch.pvalue)


def log_ratio(base: float, other: float) -> float:
    """log(other / base): what all statistics of ratios are made of."""
    return math.log(other / base)


def from_log(value: float) -> float:
    """The ratio of a log ratio."""
    return math.exp(value)


def paired_p_value(base: Mapping[int, float], other: Mapping[int, float]) -> float:
    """p-value of "no difference" by Student's t on the rounds' log ratios; nan with fewer than two rounds."""
    return p_value([math.log(other[r] / base[r]) for r in sorted(base.keys() & other.keys())])


def p_value(logs: Sequence[float]) -> float:
    """p-value of "no difference" by Student's t on log ratios; nan for fewer than two."""
    if len(logs) < 2:
        return math.nan
    values = np.asarray(logs)
    if values.std() == 0:
        return float(values[0] == 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # as in ``change``
        return float(distributions.ttest_1samp(values, 0.0).pvalue)


def percentile(samples: Sequence[float], which: int) -> float:
    """The 90th or 99th percentile, or nan where the samples are too few for it (see PERCENTILE_SAMPLES)."""
    if len(samples) < PERCENTILE_SAMPLES[which]:
        return math.nan
    return float(np.percentile(samples, which))


def delivered_share(ratio_of_latency: float, ratio_of_macs: float) -> float:
    """log(dense latency / latency) ÷ log(dense MACs / MACs): how much of the promised saving arrived.

    1 is all of it, 0 none, negative slower than dense. nan where the method saves no MACs.
    """
    if not (ratio_of_latency > 0 and 0 < ratio_of_macs < 1):
        return math.nan
    return math.log(ratio_of_latency) / math.log(ratio_of_macs)


SAVED_AT_LEAST = 0.1
"""Share of the MACs that a method must save before it is said how much of the saving arrived: below, the
logarithm that one divides by is so small that the share is noise (-1810 % and the like)."""


def delivered_interval(latency: Interval, ratio_of_macs: float) -> Interval:
    """``delivered_share`` with the interval that the latency ratio's gives; ``low`` is the smaller share.

    nan throughout where it says nothing: less than SAVED_AT_LEAST of the MACs saved, no interval, or one that
    holds 1 (whether anything arrived at all is then not known).
    """
    nothing = Interval(math.nan, math.nan, math.nan, latency.count)
    if not latency.known or not ratio_of_macs <= 1 - SAVED_AT_LEAST or latency.low <= 1 <= latency.high:
        return nothing
    value, low, high = (
        delivered_share(at, ratio_of_macs) for at in (latency.value, latency.high, latency.low)
    )
    return Interval(value, low, high, latency.count)


def of_logs(logs: Sequence[float]) -> Interval:
    """The ratio of log ratios, one a round, with its interval (see ``centre_interval``)."""
    if not logs:
        return Interval(math.nan, math.nan, math.nan, 0)
    centre, low, high = centre_interval(np.asarray(logs, dtype=float))
    return Interval(math.exp(centre), math.exp(low), math.exp(high), len(logs))


def centre_interval(values: Floats) -> tuple[float, float, float]:
    """Centre of a symmetric distribution with its 95 % interval, from ``values`` of shape (n,).

    The Hodges-Lehmann estimate, the median of all pairwise means, with the interval that inverts
    Wilcoxon's signed-rank test (Hodges and Lehmann 1963; Hollander and Wolfe, section 3.3). Chosen by
    simulation: over heavy tails, spikes, drift and bimodal neighbours it holds its level where the
    bootstrap falls to 81 % and Student's t rises to 99 %, and one wild trial hardly moves it. With
    5 values its level is 93.75 %, the most that ranks of 5 can give; below 5, where ranks can give
    still less, Student's t stands in. One value has no interval (nan).
    """
    count = len(values)
    if count == 1:
        return float(values[0]), math.nan, math.nan
    if count > MANY_VALUES:
        return _centre_of_many(values)
    rows, columns = np.triu_indices(count)
    means = np.sort((values[rows] + values[columns]) / 2)
    centre = float(np.median(means))
    if count < RANK_INTERVAL_FROM:
        error = float(values.std(ddof=1)) / math.sqrt(count)
        reach = float(distributions.t.ppf((1 + LEVEL) / 2, count - 1)) * error
        mean = float(values.mean())
        return centre, min(mean - reach, centre), max(mean + reach, centre)
    outside = _signed_rank_outside(count)
    return centre, float(means[outside]), float(means[-1 - outside])


MANY_VALUES = 200
"""From here on the pairwise means are counted, not written down: of 1,000 values there are 500,500."""


def _centre_of_many(values: Floats) -> tuple[float, float, float]:
    """``centre_interval`` by bisection on the number of pairwise means up to a value, O(n log n) a step."""
    ordered = np.sort(values)
    pairs = len(values) * (len(values) + 1) // 2
    outside = _signed_rank_outside(len(values))
    middle = (pairs - 1) // 2, pairs // 2
    low, high, *centre = (
        _pairwise_mean(ordered, place) for place in (outside, pairs - 1 - outside, *dict.fromkeys(middle))
    )
    return math.fsum(centre) / len(centre), low, high


def _pairwise_mean(ordered: Floats, place: int) -> float:
    """The mean at this place, from 0, among the sorted means of all pairs, each value with itself too."""
    low, high = float(ordered[0]), float(ordered[-1])
    if _means_up_to(ordered, low) > place:
        return low
    while True:
        at = (low + high) / 2
        if not low < at < high:
            return high
        if _means_up_to(ordered, at) > place:
            high = at
        else:
            low = at


def _means_up_to(ordered: Floats, value: float) -> int:
    both_ways = int(np.searchsorted(ordered, 2 * value - ordered, side="right").sum())
    return (both_ways + int(np.searchsorted(ordered, value, side="right"))) // 2


@lru_cache(maxsize=256)
def _signed_rank_outside(count: int) -> int:
    """How many of the sorted pairwise means lie outside the interval on each side, for ``count`` values.

    From the exact null distribution of the signed-rank statistic up to 60 values, from its normal
    approximation beyond.
    """
    tail = (1 - LEVEL) / 2
    if count > 60:
        mean, variance = count * (count + 1) / 4, count * (count + 1) * (2 * count + 1) / 24
        return max(0, math.floor(mean + float(distributions.norm.ppf(tail)) * math.sqrt(variance)))
    ways = np.zeros(count * (count + 1) // 2 + 1)
    ways[0] = 1
    for rank in range(1, count + 1):
        ways[rank:] += ways[:-rank].copy()
    within = int(np.searchsorted(np.cumsum(ways) / 2.0**count, tail, side="right"))
    return max(0, within - 1)
