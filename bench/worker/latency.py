"""The trial protocol: warm up until it is steady, then sample until it is enough.

One trial is one process; what it yields is one median. Everything here takes its time from a
stopwatch that is passed in, so the protocol is tested without waiting.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch

from bench.worker.measurements import UNCOUNTED, Latency

Call = Callable[[], object]

LONGEST_HOLD = 0.25
"""Seconds for which a device is held at most while calls are launched: see ``CudaStopwatch.queued``."""

SPIN = 2_000_000_000
"""Cycles of the spinning kernel that take a second or a little longer: GPUs run at 1 to 2 GHz."""


class Stopwatch(Protocol):
    """Times calls, and tells the time that budgets are kept by."""

    def time(self, call: Call, calls: int) -> float:
        """Seconds that ``calls`` calls took together, until their results were there."""
        ...

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        ...


def _passed(start: float, end: float) -> float:
    """Seconds between two readings. Raises RuntimeError where the clock stepped back: that is no sample."""
    if end < start:
        raise RuntimeError(
            f"the clock of this host went back by {start - end:.3g} s during a call: nothing can be timed; "
            "measure again with another clock source (/sys/devices/system/clocksource)"
        )
    return end - start


class CpuStopwatch:
    """Wall time around synchronous calls."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.now = clock

    def time(self, call: Call, calls: int) -> float:
        start = self.now()
        for _ in range(calls):
            call()
        return _passed(start, self.now())


class CudaStopwatch:
    """Device time between two events on the current stream, synchronised at the end.

    ``host``: seconds of the last timing on the host's clock, from before the first launch until the results
    were there. Between the events lie also the device's waits for a host that launches too slowly; ``queued``
    leaves them out.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter, cuda: Any = torch.cuda) -> None:
        self.now = clock
        self.host = math.nan
        self._cuda = cuda

    def time(self, call: Call, calls: int) -> float:
        start, stop = self._events()
        self._cuda.synchronize()
        since = self.now()
        start.record()
        for _ in range(calls):
            call()
        stop.record()
        self._cuda.synchronize()
        self.host = _passed(since, self.now())
        return float(start.elapsed_time(stop)) / 1e3

    def queued(self, call: Call, calls: int) -> float | None:
        """Device seconds of ``calls`` calls that were all launched before the device began the first.

        A kernel that spins holds the device meanwhile, longer each time until that is so. None where it never
        is: a device takes only so many launches in advance.
        """
        hold = 0.001
        while hold <= LONGEST_HOLD:
            start, stop = self._events()
            self._cuda.synchronize()
            self._cuda._sleep(int(hold * SPIN))
            start.record()
            for _ in range(calls):
                call()
            stop.record()
            in_time = not start.query()
            self._cuda.synchronize()
            if in_time:
                return float(start.elapsed_time(stop)) / 1e3
            hold *= 4
        return None

    def state(self) -> object:
        """What moves while libraries still look for their kernels: the bytes that the allocator reserved."""
        return self._cuda.memory_reserved()

    def _events(self) -> tuple[Any, Any]:
        return self._cuda.Event(enable_timing=True), self._cuda.Event(enable_timing=True)


@dataclass(frozen=True)
class LatencyProtocol:
    """When a trial has warmed up, and when it has enough. Times in seconds.

    ``warmup_agreements``: how often in a row two successive windows must agree.
    """

    min_samples: int = 64
    min_seconds: float = 0.25
    max_seconds: float = 2.0
    tight: float = 0.005
    min_tight_samples: int = 16
    sample_seconds: float = 0.0005
    warmup_window: float = 0.02
    warmup_steady: float = 0.02
    warmup_max_seconds: float = 1.0
    warmup_agreements: int = 1

    def on(self, device: str) -> LatencyProtocol:
        """The protocol for a device: a GPU's clocks rise, and its libraries load kernels, in steps."""
        return replace(self, warmup_agreements=3) if device == "cuda" else self


@dataclass(frozen=True)
class Taken:
    """Samples of one turn in seconds per call; the same on the host's clock where the device has its own."""

    samples: tuple[float, ...]
    host_samples: tuple[float, ...] = ()


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


def measure(
    call: Call,
    stopwatch: Stopwatch,
    protocol: LatencyProtocol,
    in_round: int = 1,
    between: Call | None = None,
) -> Latency:
    """First call, warm-up, samples; see ``settle``. ``between`` is called after the warm-up."""
    settled = settle(call, stopwatch, protocol, in_round)
    calls = settled.calls_per_sample
    if between is not None:
        between()
        for _ in range(UNCOUNTED * in_round):
            call()
    samples: list[float] = []
    host_samples: list[float] = []
    start = stopwatch.now()
    stop = ""
    while not stop:
        samples.append(stopwatch.time(call, calls) / calls)
        host_samples += _on_the_host(stopwatch, calls)
        stop = _enough(samples, stopwatch.now() - start, protocol)
    return Latency(
        tuple(samples),
        calls,
        settled.first_call,
        settled.warmup_calls,
        settled.warmup_steady,
        stop,
        host_samples=tuple(host_samples),
        queued_samples=queued(call, stopwatch, calls),
    )


def take_turn(call: Call, stopwatch: Stopwatch, calls: int, uncounted: int, counted: int) -> Taken:
    """Seconds per call of ``counted`` samples of ``calls`` calls each, after ``uncounted`` single calls.

    After another network has run, the first call is 6 to 10 % slow and the next ones less so: caches,
    branch predictors and the allocator's free lists are another's.
    """
    for _ in range(uncounted):
        call()
    samples: list[float] = []
    host_samples: list[float] = []
    for _ in range(counted):
        samples.append(stopwatch.time(call, calls) / calls)
        host_samples += _on_the_host(stopwatch, calls)
    return Taken(tuple(samples), tuple(host_samples))


def queued(call: Call, stopwatch: Stopwatch, calls: int, counted: int = 8) -> tuple[float, ...]:
    """Seconds per call that the device itself needs: ``CudaStopwatch.queued``, ``counted`` times.

    Empty on a CPU, where calls are not launched, and where they cannot all be launched in advance.
    """
    found: list[float] = []
    while isinstance(stopwatch, CudaStopwatch) and len(found) < counted:
        seconds = stopwatch.queued(call, calls)
        if seconds is None:
            return ()
        found.append(seconds / calls)
    return tuple(found)


def _on_the_host(stopwatch: Stopwatch, calls: int) -> list[float]:
    """The last timing on the host's clock, per call; nothing where the stopwatch has no other."""
    return [stopwatch.host / calls] if isinstance(stopwatch, CudaStopwatch) else []


def _state(stopwatch: Stopwatch) -> object:
    return stopwatch.state() if isinstance(stopwatch, CudaStopwatch) else None


def _warm_up(
    call: Call, stopwatch: Stopwatch, protocol: LatencyProtocol, in_round: int
) -> tuple[float, int, bool]:
    """Calls until the medians of two successive windows agree, or the time for it is up.

    Windows in which the device's libraries still took memory agree with nothing. Returns the last window's
    median, the number of calls, and whether the medians agreed.
    """
    start = stopwatch.now()
    previous = math.nan
    total = agreed = 0
    while True:
        state = _state(stopwatch)
        window: list[float] = []
        window_start = stopwatch.now()
        while len(window) < 3 or stopwatch.now() - window_start < protocol.warmup_window:
            window.append(stopwatch.time(call, in_round) / in_round)
            if stopwatch.now() - start >= protocol.warmup_max_seconds:
                break
        total += len(window) * in_round
        median = statistics.median(window)
        steady = abs(median - previous) <= protocol.warmup_steady * previous
        settled = _state(stopwatch) == state
        agreed = agreed + 1 if steady and settled else 0
        if agreed >= protocol.warmup_agreements:
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
