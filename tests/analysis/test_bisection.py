"""Halving: the commit that changed, with few questions, and several where a question cannot be told."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.bisection import bisect


@given(st.integers(1, 60).flatmap(lambda count: st.tuples(st.just(count), st.integers(0, count - 1))))
def test_the_first_changed_commit_is_found_by_halving(place: tuple[int, int]) -> None:
    count, first = place
    candidates = [str(number) for number in range(count)]
    asked: list[str] = []

    def changed(commit: str) -> bool:
        asked.append(commit)
        return int(commit) >= first

    assert bisect(candidates, changed) == (str(first),)
    assert len(asked) <= 2 + math.log2(count)


def test_ends_that_do_not_differ_leave_nothing() -> None:
    assert bisect(["a", "b"], lambda commit: False) == ()
    assert bisect([], lambda commit: True) == ()


def test_what_cannot_be_told_leaves_several() -> None:
    answers = {"d": True, "b": None}
    assert bisect(["a", "b", "c", "d"], lambda commit: answers[commit]) == ("a", "b", "c", "d")
    assert bisect(["a", "b"], lambda commit: None) == ("a", "b")
