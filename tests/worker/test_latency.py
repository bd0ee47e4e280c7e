"""The trial protocol on a clock of our own: when it has warmed up, when it has enough, what it returns."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.worker.latency import CpuStopwatch, CudaStopwatch, LatencyProtocol, half_width, measure


class FakeStopwatch:
    """Each call takes the next duration; nothing waits."""

    def __init__(self, durations: Iterable[float]) -> None:
        self._durations: Iterator[float] = iter(durations)
        self.clock = 0.0
        self.calls = 0
        self.readings: list[int] = []

    def time(self, call: Callable[[], object], calls: int) -> float:
        took = 0.0
        for _ in range(calls):
            call()
            took += next(self._durations)
        self.clock += took
        self.calls += calls
        self.readings.append(calls)
        return took

    def now(self) -> float:
        return self.clock


def forward() -> None:
    """What is measured; it takes no time on our clock but what the stopwatch says."""


def steady(seconds: float, first: float | None = None) -> FakeStopwatch:
    return FakeStopwatch(itertools.chain([seconds if first is None else first], itertools.repeat(seconds)))


def noisy(middle: float) -> FakeStopwatch:
    return FakeStopwatch(middle * (0.7 + 0.6 * (i * 0.618 % 1)) for i in itertools.count())


def test_a_steady_call_warms_up_in_two_windows() -> None:
    found = measure(forward, steady(0.01), LatencyProtocol())
    assert found.warmup_steady
    assert found.warmup_calls == 6


def test_short_calls_fill_the_warm_up_window() -> None:
    stopwatch = steady(0.002)
    found = measure(forward, stopwatch, LatencyProtocol(warmup_window=0.02))
    assert found.warmup_calls in (20, 22)  # two windows of 20 ms, one call more where rounding asks for it
    assert found.warmup_steady


def test_warm_up_goes_on_until_two_windows_agree() -> None:
    falling = [0.05] * 3 + [0.04] * 3 + [0.03] * 3 + [0.0301] * 3
    stopwatch = FakeStopwatch(itertools.chain([0.2], falling, itertools.repeat(0.03)))
    found = measure(forward, stopwatch, LatencyProtocol())
    assert found.first_call == 0.2
    assert found.warmup_calls == 12
    assert found.warmup_steady


def test_warm_up_that_never_agrees_is_bounded() -> None:
    growing = (0.01 * 1.1**i for i in itertools.count())
    found = measure(forward, FakeStopwatch(growing), LatencyProtocol(warmup_max_seconds=0.5, max_seconds=1))
    assert not found.warmup_steady
    spent = sum(0.01 * 1.1 ** (i + 1) for i in range(found.warmup_calls))
    last = 0.01 * 1.1**found.warmup_calls
    assert spent - last < 0.5 <= spent


def test_one_call_longer_than_the_warm_up_ends_it() -> None:
    found = measure(forward, steady(10.0), LatencyProtocol(warmup_max_seconds=1))
    assert found.warmup_calls == 1
    assert not found.warmup_steady


def test_the_first_call_is_no_sample() -> None:
    found = measure(forward, steady(0.01, first=5.0), LatencyProtocol())
    assert found.first_call == 5.0
    assert max(found.samples) == pytest.approx(0.01)


def test_enough_needs_the_count_and_the_time() -> None:
    slow = measure(forward, noisy(0.01), LatencyProtocol(min_samples=20, min_seconds=0.05, max_seconds=9))
    assert (len(slow.samples), slow.stop) == (20, "enough")
    fast = measure(forward, noisy(0.001), LatencyProtocol(min_samples=20, min_seconds=0.5, max_seconds=9))
    assert fast.stop == "enough"
    assert len(fast.samples) > 20
    assert sum(fast.samples[:-1]) < 0.5 <= sum(fast.samples) + 1e-9


def test_a_tight_interval_ends_before_the_count() -> None:
    protocol = LatencyProtocol(min_samples=1000, min_seconds=0.1, max_seconds=99)
    found = measure(forward, steady(0.01), protocol)
    assert (len(found.samples), found.stop) == (16, "tight")


def test_a_tight_interval_does_not_end_before_the_time() -> None:
    protocol = LatencyProtocol(min_samples=1000, min_seconds=0.2, max_seconds=99)
    found = measure(forward, steady(0.01), protocol)
    assert (len(found.samples), found.stop) == (32, "tight")


def test_a_wide_interval_is_not_tight() -> None:
    protocol = LatencyProtocol(min_samples=200, min_seconds=0.1, max_seconds=99)
    found = measure(forward, noisy(0.01), protocol)
    assert (len(found.samples), found.stop) == (200, "enough")


def test_the_budget_ends_what_is_neither() -> None:
    protocol = LatencyProtocol(min_samples=1000, min_seconds=0.1, max_seconds=1.0)
    found = measure(forward, noisy(0.1), protocol)
    assert found.stop == "budget"
    assert len(found.samples) < 16
    assert sum(found.samples[:-1]) < 1.0 <= sum(found.samples) + 1e-9


def test_three_samples_are_taken_whatever_they_cost() -> None:
    found = measure(forward, steady(50.0), LatencyProtocol(max_seconds=1.0))
    assert (len(found.samples), found.stop) == (3, "budget")


@pytest.mark.parametrize(
    ("seconds", "calls"), [(0.01, 1), (0.0005, 1), (0.00025, 2), (0.0001, 5), (0.00001, 50)]
)
def test_short_calls_are_timed_together(seconds: float, calls: int) -> None:
    stopwatch = steady(seconds)
    found = measure(forward, stopwatch, LatencyProtocol(sample_seconds=0.0005))
    assert found.calls_per_sample == calls
    assert set(stopwatch.readings[-len(found.samples) :]) == {calls}
    assert found.samples == pytest.approx([seconds] * len(found.samples))


def test_a_sample_is_the_mean_of_its_calls() -> None:
    durations = itertools.chain([1.0], [0.25] * 6, itertools.cycle([0.2, 0.4]))
    protocol = LatencyProtocol(sample_seconds=0.5, min_samples=3, min_seconds=0.1, warmup_max_seconds=9)
    found = measure(forward, FakeStopwatch(durations), protocol)
    assert found.calls_per_sample == 2
    assert found.samples == pytest.approx([0.3] * 3)


def test_a_clock_that_stands_still_while_warming_up_does_not_divide_by_zero() -> None:
    durations = itertools.chain([1.0], itertools.repeat(0.0, 6), itertools.repeat(0.01))
    found = measure(forward, FakeStopwatch(durations), LatencyProtocol(warmup_window=0, min_seconds=0.1))
    assert found.calls_per_sample == 1


def test_every_call_that_is_timed_is_made() -> None:
    made = itertools.count()
    stopwatch = steady(0.0001)
    measure(lambda: next(made), stopwatch, LatencyProtocol())
    assert next(made) == stopwatch.calls


def test_the_cpu_stopwatch_reads_its_clock_around_the_calls() -> None:
    ticks = iter([10.0, 12.5])
    made: list[int] = []
    assert CpuStopwatch(lambda: next(ticks)).time(lambda: made.append(1), 3) == 2.5
    assert len(made) == 3


def test_half_width_by_hand() -> None:
    # n = 16: ranks 8 ± 3.92 -> 0-based 4 and 12 of 1 … 16 -> values 5 and 13; median 8.5
    assert half_width([float(i) for i in range(16, 0, -1)]) == pytest.approx((13 - 5) / 2 / 8.5)
    assert half_width([2.0] * 16) == 0.0


@given(st.lists(st.floats(1e-6, 10), min_size=1, max_size=40), st.floats(1e-3, 1e3))
def test_half_width_does_not_depend_on_the_unit(samples: list[float], factor: float) -> None:
    assert half_width([s * factor for s in samples]) == pytest.approx(
        half_width(samples), rel=1e-9, abs=1e-12
    )


@given(st.lists(st.floats(1e-5, 1), min_size=1, max_size=50))
def test_any_call_ends_and_says_why(durations: list[float]) -> None:
    found = measure(forward, FakeStopwatch(itertools.cycle(durations)), LatencyProtocol(max_seconds=5))
    assert found.stop in ("enough", "tight", "budget")
    assert len(found.samples) >= 3
    assert all(s > 0 for s in found.samples)


class FakeEvent:
    """A CUDA event that was recorded at a place of the log; milliseconds lie between two of them."""

    log: ClassVar[list[str]] = []

    def __init__(self, enable_timing: bool = False) -> None:
        assert enable_timing

    def record(self) -> None:
        self.log.append("event")

    def elapsed_time(self, stop: FakeEvent) -> float:
        assert stop is not self
        return 250.0


def test_the_cuda_stopwatch_turns_milliseconds_between_its_events_into_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = FakeEvent.log
    log.clear()
    monkeypatch.setattr(torch.cuda, "Event", FakeEvent)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: log.append("synchronize"))
    assert CudaStopwatch(lambda: 7.0).time(lambda: log.append("call"), 2) == 0.25
    assert log == ["synchronize", "event", "call", "call", "event", "synchronize"]
    assert CudaStopwatch(lambda: 7.0).now() == 7.0


def test_a_clock_that_steps_back_gives_no_sample() -> None:
    readings = iter([5.0, 4.75])
    with pytest.raises(RuntimeError, match=r"went back by 0\.25 s"):
        CpuStopwatch(lambda: next(readings)).time(forward, 1)


def test_what_happens_between_warm_up_and_samples_is_not_timed() -> None:
    calls: list[str] = []
    measure(
        lambda: calls.append("call"),
        steady(0.01),
        LatencyProtocol(),
        between=lambda: calls.append("between"),
    )
    assert calls.count("between") == 1
    before = calls.index("between")
    alone: list[str] = []
    measure(lambda: alone.append("call"), steady(0.01), LatencyProtocol())
    assert before > 1
    assert len(calls) == len(alone) + 1 + 5
