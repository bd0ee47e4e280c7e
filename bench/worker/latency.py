"""The trial protocol: warm up until it is steady, then sample until it is enough.

One trial is one process; what it yields is one median. Everything here takes its time from a
stopwatch that is passed in, so the protocol is tested without waiting.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

from bench.worker.protocol import Latency

Call = Callable[[], object]


class Stopwatch(Protocol):
    """Times calls, and tells the time that budgets are kept by."""

    def time(self, call: Call, calls: int) -> float:
        """Seconds that ``calls`` calls took together, until their results were there."""
        ...

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        ...


class CpuStopwatch:
    """Wall time around synchronous calls."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.now = clock

    def time(self, call: Call, calls: int) -> float:
        start = self.now()
        for _ in range(calls):
            call()
        return self.now() - start


class CudaStopwatch:
    """Device time between two events on the current stream, synchronised at the end."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.now = clock

    def time(self, call: Call, calls: int) -> float:
        start = torch.cuda.Event(enable_timing=True)
        stop = torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize()
        start.record()
        for _ in range(calls):
            call()
        stop.record()
        torch.cuda.synchronize()
        return float(start.elapsed_time(stop)) / 1e3


@dataclass(frozen=True)
class LatencyProtocol:
    """When a trial has warmed up, and when it has enough. Times in seconds."""

    min_samples: int = 64
    min_seconds: float = 0.25
    max_seconds: float = 2.0
    tight: float = 0.005
    min_tight_samples: int = 16
    sample_seconds: float = 0.0005
    warmup_window: float = 0.02
    warmup_steady: float = 0.02
    warmup_max_seconds: float = 1.0


@dataclass(frozen=True)
class Settled:
    """A call after its warm-up: seconds per call, and how many calls one sample is the mean of."""

    first_call: float
    warmup_calls: int
    warmup_steady: bool
    seconds_per_call: float
    calls_per_sample: int


def settle(call: Call, stopwatch: Stopwatch, protocol: LatencyProtocol, in_round: int = 1) -> Settled:
    """First call, and warm-up.

    ``in_round``: calls that differ from one another and only together stand for the network; warm-up and
    samples then take whole rounds.
    """
    first = stopwatch.time(call, 1)
    per_call, calls, steady = _warm_up(call, stopwatch, protocol, in_round)
    rounds = max(1, math.ceil(protocol.sample_seconds / (per_call * in_round))) if per_call > 0 else 1
    return Settled(first, calls, steady, per_call, rounds * in_round)


def measure(call: Call, stopwatch: Stopwatch, protocol: LatencyProtocol, in_round: int = 1) -> Latency:
    """First call, warm-up, samples; see ``settle``."""
    settled = settle(call, stopwatch, protocol, in_round)
    calls = settled.calls_per_sample
    samples: list[float] = []
    start = stopwatch.now()
    stop = ""
    while not stop:
        samples.append(stopwatch.time(call, calls) / calls)
        stop = _enough(samples, stopwatch.now() - start, protocol)
    return Latency(
        tuple(samples), calls, settled.first_call, settled.warmup_calls, settled.warmup_steady, stop
    )


def take_turn(
    call: Call, stopwatch: Stopwatch, calls: int, uncounted: int, counted: int
) -> tuple[float, ...]:
    """Seconds per call of ``counted`` samples of ``calls`` calls each, after ``uncounted`` single calls.

    After another network has run, the first call is 6 to 10 % slow and the next ones less so: caches,
    branch predictors and the allocator's free lists are another's.
    """
    for _ in range(uncounted):
        call()
    return tuple(stopwatch.time(call, calls) / calls for _ in range(counted))


def _warm_up(
    call: Call, stopwatch: Stopwatch, protocol: LatencyProtocol, in_round: int
) -> tuple[float, int, bool]:
    """Calls until the medians of two successive windows agree, or the time for it is up.

    Returns the last window's median, the number of calls, and whether the medians agreed.
    """
    start = stopwatch.now()
    previous = math.nan
    total = 0
    while True:
        window: list[float] = []
        window_start = stopwatch.now()
        while len(window) < 3 or stopwatch.now() - window_start < protocol.warmup_window:
            window.append(stopwatch.time(call, in_round) / in_round)
            if stopwatch.now() - start >= protocol.warmup_max_seconds:
                break
        total += len(window) * in_round
        median = statistics.median(window)
        if abs(median - previous) <= protocol.warmup_steady * previous:
            return median, total, True
        if stopwatch.now() - start >= protocol.warmup_max_seconds:
            return median, total, False
        previous = median


def _enough(samples: list[float], elapsed: float, protocol: LatencyProtocol) -> str:
    count = len(samples)
    if count >= protocol.min_samples and elapsed >= protocol.min_seconds:
        return "enough"
    # The interval is looked at when the count doubles: at every sample, luck alone would end the trial.
    looks = count >= protocol.min_tight_samples and count & (count - 1) == 0
    if looks and elapsed >= protocol.min_seconds and half_width(samples) <= protocol.tight:
        return "tight"
    return "budget" if elapsed >= protocol.max_seconds and count >= 3 else ""


def half_width(samples: list[float]) -> float:
    """Half the 95 % interval of the median, relative to it, from order statistics (no distribution assumed).

    Ranks n/2 ± 1.96·√n/2, the normal approximation of the binomial (Conover 1999, section 3.2).
    """
    ordered = sorted(samples)
    count = len(ordered)
    reach = 1.96 * math.sqrt(count) / 2
    low = max(0, math.floor(count / 2 - reach))
    high = min(count - 1, math.ceil(count / 2 + reach))
    return (ordered[high] - ordered[low]) / 2 / statistics.median(ordered)
