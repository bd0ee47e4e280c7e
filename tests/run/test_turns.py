"""Who takes a turn when, and how long it is."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bench.run.turns import BASELINE_EVERY, COUNTED, TurnPlan, pass_order, turn_plan
from bench.worker.measurements import UNCOUNTED


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
