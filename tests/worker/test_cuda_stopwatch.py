"""Both clocks of a GPU, on a device that is made up: what it takes, what the host sees, what lies between."""

from __future__ import annotations

import math

import pytest
from fake_cuda import FakeCuda
from hypothesis import given
from hypothesis import strategies as st

from bench.worker.latency import CpuStopwatch, CudaStopwatch, LatencyProtocol, measure, queued, take_turn

SHORT = LatencyProtocol(min_samples=4, min_seconds=0.01, max_seconds=0.5).on("cuda")
LAUNCH_BOUND = (0.003, 0.001)
DEVICE_BOUND = (0.001, 0.003)
"""Seconds of a launch, and of its work."""


def stopwatch(cuda: FakeCuda) -> CudaStopwatch:
    return CudaStopwatch(cuda.now, cuda)


def test_a_device_that_waits_for_launches_takes_as_long_as_they_do() -> None:
    cuda = FakeCuda(*LAUNCH_BOUND)
    watch = stopwatch(cuda)
    assert watch.time(cuda.call, 3) == pytest.approx(3 * 0.003 + 0.001)
    assert watch.host == pytest.approx(3 * 0.003 + 0.001)


def test_a_busy_device_hides_all_launches_but_the_first() -> None:
    cuda = FakeCuda(*DEVICE_BOUND)
    watch = stopwatch(cuda)
    assert watch.time(cuda.call, 3) == pytest.approx(0.001 + 3 * 0.003)
    assert watch.host == pytest.approx(0.001 + 3 * 0.003)


@pytest.mark.parametrize("costs", [LAUNCH_BOUND, DEVICE_BOUND], ids=["launch bound", "device bound"])
def test_queued_calls_take_what_the_device_alone_needs(costs: tuple[float, float]) -> None:
    cuda = FakeCuda(*costs)
    assert stopwatch(cuda).queued(cuda.call, 3) == pytest.approx(3 * costs[1])


@given(st.floats(1e-6, 1e-2), st.floats(1e-6, 1e-2), st.integers(1, 5))
def test_the_device_alone_never_needs_more_than_the_host_sees(launch: float, work: float, calls: int) -> None:
    cuda = FakeCuda(launch, work)
    watch = stopwatch(cuda)
    watch.time(cuda.call, calls)
    alone = watch.queued(cuda.call, calls)
    assert alone is not None
    assert alone <= watch.host * (1 + 1e-6)
    assert alone == pytest.approx(calls * work, rel=1e-6)


def test_the_device_is_held_longer_until_all_launches_are_in_time() -> None:
    cuda = FakeCuda(launch=0.01, work=0.001)
    assert stopwatch(cuda).queued(cuda.call, 3) == pytest.approx(0.003)
    assert cuda.calls == 4 * 3  # held 1, 4, 16 and 64 ms: launching takes 30


def test_launches_that_cannot_all_wait_give_no_queued_time() -> None:
    cuda = FakeCuda(launch=0.1, work=0.001)
    assert stopwatch(cuda).queued(cuda.call, 3) is None
    assert queued(cuda.call, stopwatch(cuda), 3) == ()


def test_every_sample_of_a_trial_has_its_host_time() -> None:
    cuda = FakeCuda(*LAUNCH_BOUND)
    found = measure(cuda.call, stopwatch(cuda), SHORT)
    assert len(found.host_samples) == len(found.samples) >= 4
    assert found.host_samples == pytest.approx([0.004] * len(found.samples))
    assert found.queued_samples == pytest.approx([0.001] * 8)


def test_every_sample_of_a_turn_has_its_host_time() -> None:
    cuda = FakeCuda(*LAUNCH_BOUND)
    taken = take_turn(cuda.call, stopwatch(cuda), calls=2, uncounted=1, counted=3)
    assert taken.samples == pytest.approx([0.0035] * 3)
    assert taken.host_samples == pytest.approx([0.0035] * 3)


def test_a_processor_has_one_clock_and_nothing_queued() -> None:
    ticks = iter(float(n) for n in range(1000))
    watch = CpuStopwatch(lambda: next(ticks))
    assert take_turn(lambda: None, watch, 1, 0, 2).host_samples == ()
    assert queued(lambda: None, watch, 1) == ()


def test_a_gpu_warms_up_until_four_windows_agree() -> None:
    on_gpu, on_cpu = FakeCuda(0.0, 0.01), FakeCuda(0.0, 0.01)
    assert measure(on_gpu.call, stopwatch(on_gpu), SHORT).warmup_calls == 4 * 3
    assert measure(on_cpu.call, stopwatch(on_cpu), LatencyProtocol().on("cpu")).warmup_calls == 2 * 3


def test_windows_in_which_libraries_still_take_memory_agree_with_nothing() -> None:
    """Two readings a window, at its ends: it grows in the first four of them."""
    cuda = FakeCuda(0.0, 0.01, reserved=[0, 1, 1, 2, 2, 3, 3, 4])
    found = measure(cuda.call, stopwatch(cuda), SHORT)
    assert found.warmup_calls == (4 + 3) * 3
    assert found.warmup_steady


def test_no_time_was_taken_before_the_first_timing() -> None:
    assert math.isnan(stopwatch(FakeCuda(0.0, 0.0)).host)
