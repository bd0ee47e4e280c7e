"""Statistics of trials: pure functions on numbers, no I/O.

The unit of replication is the trial, one fresh process: its samples give one median, and intervals
run over trials. Ratios are formed within rounds. Both work on logarithms, because times are positive,
skewed to the right, and compared as ratios.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats as distributions

LEVEL = 0.95
"""Confidence of every interval."""

PERCENTILE_SAMPLES = {90: 64, 99: 662}
"""Samples below which a percentile is not given (MLPerf LoadGen's binomial argument)."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its two-sided 95 % interval; ``low`` and ``high`` are nan for a single trial."""

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
    usable = [s for s in samples if math.isfinite(s) and s > 0]
    if not usable:
        raise ValueError("a trial without finite, positive samples has no median")
    return float(np.median(usable))


def estimate(medians: Sequence[float]) -> Interval:
    """Geometric mean of trial medians, with Student's t interval on the logarithms.

    The t interval over trials treats each process as one draw, which covers what differs between
    processes (memory layout, frequency, neighbours) as intervals over calls cannot.
    """
    return _of_logs([math.log(m) for m in medians if math.isfinite(m) and m > 0])


def ratio(base: Mapping[int, float], other: Mapping[int, float]) -> Interval:
    """``other / base``, formed within each round that has both, averaged over rounds in log space.

    Raises ValueError when no round has both.
    """
    rounds = sorted(base.keys() & other.keys())
    if not rounds:
        raise ValueError("no round has a trial of both")
    return _of_logs([math.log(other[r] / base[r]) for r in rounds])


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


def _of_logs(logs: Sequence[float]) -> Interval:
    if not logs:
        return Interval(math.nan, math.nan, math.nan, 0)
    values = np.asarray(logs, dtype=float)
    mean = float(values.mean())
    if len(values) < 2:
        return Interval(math.exp(mean), math.nan, math.nan, 1)
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    reach = float(distributions.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * error
    return Interval(math.exp(mean), math.exp(mean - reach), math.exp(mean + reach), len(values))
