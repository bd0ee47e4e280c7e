"""The watch over stdin leaves no thread behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hand_clock import HandClock

from bench.worker.stdin_watch import LONGEST_LEAVING, ending_with_stdin, wait_until_gone


def test_a_thread_is_waited_for_until_the_kernel_lets_go_of_it() -> None:
    clock = HandClock()
    wait_until_gone("/proc/self/task/7", lambda _: clock.now < 0.02, clock, clock.pause)
    assert clock.now == pytest.approx(0.02, abs=0.002)


def test_one_that_stays_is_given_up() -> None:
    clock = HandClock()
    wait_until_gone("/proc/self/task/7", lambda _: True, clock, clock.pause)
    assert clock.now == pytest.approx(LONGEST_LEAVING, abs=0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="threads are listed by nobody elsewhere")
def test_bug_a_fork_behind_the_watch_had_its_ended_thread_in_the_tables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An emulated zygote's first fork then ended with code 127."""
    waited: list[str] = []

    def wait(task: str) -> None:
        waited.append(task)
        wait_until_gone(task)

    monkeypatch.setattr("bench.worker.stdin_watch.wait_until_gone", wait)
    for _ in range(20):
        with ending_with_stdin():
            there = {path.name for path in Path("/proc/self/task").iterdir()}
        assert Path(waited[-1]).parent == Path("/proc/self/task")
        assert Path(waited[-1]).name in there
        assert not Path(waited[-1]).exists()
