"""Lanes: in order within one, side by side between two, and all of them end when one fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest

from bench.run.lanes import side_by_side


def nothing() -> None: ...


def test_each_lane_takes_its_steps_in_order() -> None:
    taken: dict[str, list[int]] = {"a": [], "b": []}
    lanes = {name: [partial(taken[name].append, step) for step in range(5)] for name in taken}
    side_by_side(lanes, nothing)
    assert taken == {"a": [0, 1, 2, 3, 4], "b": [0, 1, 2, 3, 4]}


def test_no_lane_is_no_work() -> None:
    side_by_side({}, nothing)


def test_lanes_go_at_the_same_time() -> None:
    """Each waits for the other: one after the other, neither would end."""
    meeting = threading.Barrier(2, timeout=30)
    side_by_side({"a": [lambda: nothing_of(meeting)], "b": [lambda: nothing_of(meeting)]}, nothing)


def nothing_of(meeting: threading.Barrier) -> None:
    meeting.wait()


def test_a_step_that_fails_ends_every_lane_and_is_told() -> None:
    stopped, begun = threading.Event(), threading.Event()
    later: list[str] = []

    def wait() -> None:
        begun.set()
        assert stopped.wait(30)

    def fail() -> None:
        assert begun.wait(30)
        raise ValueError("no")

    lanes: dict[str, list[Callable[[], None]]] = {
        "a": [wait, partial(later.append, "a")],
        "b": [fail, partial(later.append, "b")],
    }
    with pytest.raises(ValueError, match="no"):
        side_by_side(lanes, stopped.set)
    assert later == []
