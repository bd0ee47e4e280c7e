"""Who takes a turn when, how long it is, and what a ratio is formed of."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_trials import made_trial

from bench.analysis.pairing import round_logs, turn_log
from bench.run.turns import BASELINE_EVERY, COUNTED, UNCOUNTED, TurnPlan, pass_order, turn_plan
from bench.worker.protocol import Latency, Turn


@given(st.integers(0, 30), st.integers(0, 2), st.integers(0, 2**32))
def test_every_seat_has_one_turn_and_a_baseline_is_near(others: int, bases: int, seed: int) -> None:
    seats = [*(("base", at) for at in range(bases)), *(("case", at) for at in range(others))]
    order = pass_order(seats, seats[:bases], random.Random(seed))
    found = Counter(order)
    assert set(found) == set(seats)
    assert all(found[seat] == 1 for seat in seats[bases:])
    if bases and others:
        places = [at for at, seat in enumerate(order) if seat[0] == "base"]
        reach = BASELINE_EVERY + bases
        assert all(min(abs(at - place) for place in places) <= reach for at in range(len(order)))


def test_the_order_of_a_pass_is_random() -> None:
    coin = random.Random(1)
    assert len({tuple(pass_order("abc", "a", coin)) for _ in range(200)}) == 6


def test_a_turn_has_its_usual_size_where_there_is_time() -> None:
    assert turn_plan(0.005, 1, 2.0, 8) == TurnPlan(8, UNCOUNTED, COUNTED)


@given(st.floats(1e-6, 10.0), st.integers(1, 500), st.floats(0.05, 10.0), st.integers(1, 20))
def test_turns_shrink_before_they_become_fewer(
    seconds: float, calls: int, budget: float, passes: int
) -> None:
    plan = turn_plan(seconds, calls, budget, passes)
    assert 1 <= plan.passes <= passes
    assert 1 <= plan.uncounted <= UNCOUNTED
    assert 2 <= plan.counted <= COUNTED
    if plan.passes < passes:
        assert (plan.uncounted, plan.counted) == (1, 2)
    if plan.passes > 4:
        assert plan.passes * (plan.uncounted + plan.counted * calls) * seconds <= budget * (1 + 1e-9) or (
            plan.passes == passes and (plan.uncounted, plan.counted) == (UNCOUNTED, COUNTED)
        )


def latency(*turns: tuple[int, list[float]]) -> Latency:
    """A latency of turns at those places with those samples."""
    samples = tuple(sample for _, found in turns for sample in found)
    marks = tuple(Turn(number, at, len(found)) for number, (at, found) in enumerate(turns))
    return Latency(samples, 1, 1.0, 1, True, "turns", marks)


def test_a_turn_is_compared_with_the_baselines_turns_before_and_after_it() -> None:
    base = latency((0, [1.0]), (2, [4.0]))
    other = latency((1, [4.0]))
    assert turn_log(base, other) == pytest.approx(math.log(2.0))  # the baseline was 2 in between


def test_at_an_end_there_is_one_neighbour() -> None:
    assert turn_log(latency((1, [2.0])), latency((0, [4.0]))) == pytest.approx(math.log(2))


def test_a_drift_that_falls_on_both_does_not_show() -> None:
    base = latency(*((2 * at, [math.exp(0.1 * 2 * at)]) for at in range(8)))
    other = latency(*((2 * at + 1, [1.5 * math.exp(0.1 * (2 * at + 1))]) for at in range(7)))
    assert turn_log(base, other) == pytest.approx(math.log(1.5))


def test_a_neighbour_that_comes_for_a_moment_does_not_move_the_ratio() -> None:
    base = latency(*((2 * at, [1.0]) for at in range(8)))
    quiet = [(2 * at + 1, [1.1]) for at in range(8)]
    hit = [*quiet[:3], (7, [30.0]), *quiet[4:]]
    assert turn_log(base, latency(*hit)) == pytest.approx(turn_log(base, latency(*quiet)))


def test_turns_of_another_sitting_are_not_compared() -> None:
    base = [made_trial("base", 0, 1.0, sitting="x"), made_trial("base", 0, 8.0, sitting="y")]
    other = [made_trial("case", 0, 2.0, sitting="y")]
    assert round_logs(base, other)[0] == pytest.approx(math.log(2 / 8))


def test_trials_of_schema_1_are_compared_by_their_medians() -> None:
    base = [made_trial("base", number, 1.0 + number) for number in range(3)]
    other = [made_trial("case", number, 2.0 + 2 * number) for number in range(4)]
    assert round_logs(base, other) == pytest.approx(dict.fromkeys(range(3), math.log(2)))


def test_a_failed_trial_has_no_ratio() -> None:
    assert round_logs([made_trial("base", 0, error="no")], [made_trial("case", 0)]) == {}
