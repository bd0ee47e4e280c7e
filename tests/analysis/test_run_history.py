"""A case over several runs of a host: ratios that take a step."""

from __future__ import annotations

import math

import pytest
from golden import after, before, board, dated, golden
from hypothesis import given
from hypothesis import strategies as st
from report_lab import rows

from bench.analysis.run_history import STEP, run_history, step_between
from bench.analysis.stats import Interval


def test_a_step_in_a_ratio_is_found_between_two_runs_of_a_host() -> None:
    results = golden()
    found = run_history(rows(*results), [one.start for one in results])
    assert [start.run for start in found.runs] == ["20260101-a", "20260201-b"]
    stepped = {line.row["label"]: line.steps for line in found.lines if line.steps}
    assert set(stepped) == {"csr_conv(T=4)"}
    (step,) = stepped["csr_conv(T=4)"]
    assert step.run == "20260201-b"
    assert math.exp(step.step) == pytest.approx(2.5 / 3.4, rel=0.02)


def test_runs_are_in_the_order_of_their_time_whatever_the_files_order() -> None:
    results = [after(), before()]
    found = run_history(rows(*results), [one.start for one in results])
    assert [start.run for start in found.runs] == ["20260101-a", "20260201-b"]


def test_one_run_has_no_history() -> None:
    assert run_history(rows(after()), [after().start]).lines == ()
    hosts = [after(), board()]
    assert run_history(rows(*hosts), [one.start for one in hosts]).lines == ()
    assert dated(after(), "2027").start.started == "2027"


@pytest.mark.parametrize(
    ("one", "two", "step"),
    [
        ((1.0, 0.99, 1.01), (1.2, 1.19, 1.21), True),
        ((1.0, 0.9, 1.1), (1.2, 1.09, 1.3), False),  # the intervals touch
        ((1.0, 0.999, 1.001), (1.02, 1.019, 1.021), False),  # too small to be one
        ((1.0, math.nan, math.nan), (2.0, 1.9, 2.1), False),
    ],
)
def test_what_is_a_step(one: tuple[float, float, float], two: tuple[float, float, float], step: bool) -> None:
    found = step_between(Interval(*one, 5), Interval(*two, 5))
    assert (found != 0) is step


@given(st.floats(0.1, 10), st.floats(0.1, 10), st.floats(1e-4, 0.5))
def test_a_step_back_is_the_step_forth_turned_around(one: float, two: float, half: float) -> None:
    a, b = (Interval(v, v * math.exp(-half), v * math.exp(half), 5) for v in (one, two))
    assert step_between(a, b) == pytest.approx(-step_between(b, a))
    assert step_between(a, a) == 0
    assert STEP == 0.03
