"""The rule that a run was measured under, and the verdicts by it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.judging import judge_cases, judge_run, schedule_of, smallest_found
from bench.analysis.power import chance_found
from bench.analysis.verdict import CANNOT_TELL, FASTER, SAME, SLOWER

LOOKS = {"min_rounds": 5, "max_rounds": 10}
FIVE = {"min_rounds": 5, "rounds": 5}


def by_round(*logs: float) -> dict[int, float]:
    return dict(enumerate(logs))


@pytest.mark.parametrize(
    ("measure", "schedule"),
    [
        ({}, None),
        ({"rounds": 5}, None),
        ({"min_rounds": 5, "rounds": 7}, (7,)),
        ({"min_rounds": 5, "rounds": 1}, (2,)),
        ({"min_rounds": 5, "rounds": None, "max_rounds": 10}, (5, 7, 10)),
        (LOOKS, (5, 7, 10)),
        ({"min_rounds": 5}, (5, 7, 10, 15, 21, 30)),
        ({"min_rounds": None, "max_rounds": True}, (5, 7, 10, 15, 21, 30)),
        ({"min_rounds": 12, "max_rounds": 10}, (10,)),
        ({"min_rounds": 1, "max_rounds": 1}, (2,)),
        ({"min_rounds": 2, "max_rounds": 3}, (2, 3)),
    ],
)
def test_the_looks_of_a_run(measure: dict[str, Any], schedule: tuple[int, ...] | None) -> None:
    assert schedule_of(measure) == schedule


AROUND_2_PERCENT = by_round(0.0195, 0.0199, 0.0197, 0.0196, 0.0198)


@pytest.mark.parametrize(
    ("measure", "asked", "word"),
    [
        ({}, None, SAME),  # 3 % before runs ended by themselves
        ({"resolution": 0.01}, None, SLOWER),
        ({"resolution": 0.01}, 0.05, SAME),
        ({"resolution": 0.05}, 0.01, SLOWER),
        (LOOKS, None, SLOWER),  # 1 % since
        ({**LOOKS, "resolution": 0.03}, None, SAME),
        ({**LOOKS, "resolution": 0.03}, 0.01, SLOWER),
    ],
)
def test_the_resolution_asked_for_comes_before_the_runs_own(
    measure: dict[str, Any], asked: float | None, word: str
) -> None:
    assert judge_cases({"a": AROUND_2_PERCENT}, measure, True, asked)["a"].verdict == word


def test_a_run_that_looked_once_has_the_signed_rank_interval_and_students_p() -> None:
    found = judge_cases({"a": by_round(0.0, 0.1, 0.2, 0.3, 0.4), "b": by_round(0.0)}, {"rounds": 5}, True)
    assert found["a"].ratio.value == pytest.approx(math.exp(0.2))
    assert (found["a"].ratio.low, found["a"].ratio.high) == pytest.approx((1.0, math.exp(0.4)))
    assert found["a"].p_value == pytest.approx(0.0474, abs=1e-4)  # t = 0.2 / (0.1581 / sqrt 5) = 2.828
    assert found["b"].verdict == CANNOT_TELL
    assert math.isnan(found["b"].p_value)


def test_only_a_run_that_is_over_looks_at_a_part() -> None:
    logs = {"a": by_round(0.0, 0.1, -0.1, 0.2, -0.2, 0.1)}
    assert judge_cases(logs, LOOKS, False)["a"].ratio.count == 5
    assert judge_cases(logs, LOOKS, True)["a"].ratio.count == 6


def test_the_smallest_change_is_that_of_the_look_reached() -> None:
    logs = [0.001, -0.002, 0.003, 0.0, -0.001, 0.05, -0.05]
    at_five = smallest_found(by_round(*logs[:5]), LOOKS, 1)
    assert smallest_found(by_round(*logs[:6]), LOOKS, 1) == at_five
    assert smallest_found(by_round(*logs), LOOKS, 1) > 5 * at_five  # the two wild ones are in
    assert smallest_found(by_round(*logs[:5]), LOOKS, 48) > at_five
    assert smallest_found(by_round(*logs[:5]), LOOKS, 0) == at_five


def test_the_smallest_change_of_five_rounds_is_found_with_95_percent() -> None:
    logs = by_round(-0.02, -0.01, 0.0, 0.01, 0.02)
    change = smallest_found(logs, FIVE, 1)
    assert chance_found(change, math.sqrt(0.001 / 4), 5, 0.05) == pytest.approx(0.95)
    of_ten = smallest_found(logs, FIVE, 10)
    assert chance_found(of_ten, math.sqrt(0.001 / 4), 5, 0.005) == pytest.approx(0.95)


@pytest.mark.parametrize(
    ("count", "measure"), [(4, FIVE), (4, LOOKS), (0, LOOKS), (9, {}), (9, {"rounds": 5})]
)
def test_before_a_look_there_is_no_smallest_change(count: int, measure: dict[str, Any]) -> None:
    assert math.isnan(smallest_found(by_round(*([0.01] * count)), measure, 1))


WIDE = by_round(0.02, 0.05, 0.03, 0.08, 0.04)
"""p = 0.0129 in five rounds: below 0.05 / 3, and above 0.05 / 4."""


@pytest.mark.parametrize(("others", "word"), [(0, SLOWER), (2, SLOWER), (3, CANNOT_TELL)])
def test_cases_of_other_rules_count_in_the_family(others: int, word: str) -> None:
    logs = {"a": WIDE, **{f"b{at}": by_round(0.0, 0.001, -0.001) for at in range(others)}}
    measures = {case: FIVE if case == "a" else {"min_rounds": 3, "rounds": 3} for case in logs}
    assert judge_run(logs, measures, True)["a"].verdict == word


def test_of_one_rule_all_is_as_ever() -> None:
    logs = {"a": WIDE, "b": AROUND_2_PERCENT, "c": by_round(0.0)}
    found = judge_run(logs, dict.fromkeys(logs, FIVE), True)
    assert list(found) == list(logs)
    expected = judge_cases(logs, FIVE, True)
    assert [(one.verdict, one.p_value) for one in found.values()] == [
        (one.verdict, one.p_value) for one in expected.values()
    ]


ROUNDS = st.lists(st.floats(-0.2, 0.2), min_size=5, max_size=5)


@given(st.lists(ROUNDS, min_size=1, max_size=5), st.lists(ROUNDS, min_size=1, max_size=5))
def test_apart_no_more_is_rejected_than_together(one: list[list[float]], two: list[list[float]]) -> None:
    logs = {str(at): by_round(*rounds) for at, rounds in enumerate((*one, *two))}
    other = {**FIVE, "resolution": 0.011}
    measures = {case: FIVE if int(case) < len(one) else other for case in logs}
    apart, together = judge_run(logs, measures, True), judge_cases(logs, FIVE, True)
    for case in logs:
        assert apart[case].verdict not in (FASTER, SLOWER) or together[case].verdict == apart[case].verdict
