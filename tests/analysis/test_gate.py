"""The gate: what nobody declared fails, what was declared passes, and a declaration must be true."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

from bench.analysis.compare import FAIL_ON, CaseChange, Comparison
from bench.analysis.expected import Expected, parse_expected
from bench.analysis.gate import judge_gate
from bench.analysis.stats import Interval

SAME = Interval(1.0, 0.99, 1.01, 5)
SLOW = Interval(1.14, 1.12, 1.163, 5)
UNKNOWN = Interval(1.0, math.nan, math.nan, 0)


def compared(
    changed: Mapping[str, tuple[int, int]] | None = None,
    ratio: Interval = SAME,
    verdict: str = "same",
    note: str = "",
    fail_on: tuple[str, ...] = FAIL_ON,
) -> Comparison:
    return Comparison((CaseChange("a", ratio, verdict, changed or {}, note),), 0.01, fail_on)


def declared(*lines: str) -> list[Expected]:
    return parse_expected("\n".join(f"- {line}" for line in lines))


def code(comparison: Comparison, *lines: str, base: int = 5, times_fail: bool = True) -> int:
    return judge_gate(comparison, declared(*lines), {"a": {"params": base}}, times_fail=times_fail).exit_code


@pytest.mark.parametrize("after", [4, 6])
def test_a_count_that_nobody_declared_fails_in_either_direction(after: int) -> None:
    gate = judge_gate(compared({"params": (5, after)}), [], {})
    assert gate.exit_code == 1
    assert [one.line() for one in gate.undeclared] == [f"- a params 5 → {after} REASON"]
    assert gate.as_dict()["to_paste"] == [f"- a params 5 → {after} REASON"]


def test_the_line_to_paste_lets_it_pass_once_it_has_a_reason() -> None:
    comparison = compared({"params": (5, 6)}, SLOW, "slower")
    gate = judge_gate(comparison, [], {})
    lines = "\n".join(one.line().replace("REASON", "why") for one in gate.undeclared)
    assert judge_gate(comparison, parse_expected(lines), {}).exit_code == 0


def test_a_declared_count_passes_and_another_number_does_not() -> None:
    assert code(compared({"params": (5, 6)}), "a params 5 → 6 why") == 0
    assert code(compared({"params": (5, 7)}), "a params 5 → 6 why") == 1
    assert code(compared({"params": (5, 6), "macs": (1, 2)}), "a params 5 → 6 why") == 1


def test_a_declared_change_that_did_not_happen_is_an_error() -> None:
    gate = judge_gate(compared(), declared("a params 5 → 6 why"), {"a": {"params": 5}})
    assert gate.exit_code == 2
    assert gate.stale == (
        "suites/expected.yaml:1: a params did not change: it is 5 on both sides; remove the line",
    )


def test_a_declared_change_that_is_on_the_base_already_is_an_error() -> None:
    gate = judge_gate(compared(), declared("a params 5 → 6 why"), {"a": {"params": 6}})
    assert gate.exit_code == 2
    assert "a params is 6 on the base already" in gate.stale[0]


def test_a_declaration_about_no_case_is_an_error_where_all_were_compared() -> None:
    lines = declared("b params 5 → 6 why")
    assert judge_gate(compared(), lines, {}).exit_code == 2
    assert judge_gate(compared(), lines, {}, whole=False).exit_code == 0


def test_slower_fails_unless_declared_or_not_asked() -> None:
    slow = compared(None, SLOW, "slower")
    assert code(slow) == 1
    assert code(slow, "a time 1 → 1.2 why") == 0
    assert code(slow, "a time 1 → 1.13 why") == 0  # not shown to be more than that
    assert code(slow, "a time 1 → 1.1 why") == 1
    assert code(slow, times_fail=False) == 0


def test_a_declared_slow_down_that_did_not_come_is_an_error_where_times_count() -> None:
    assert code(compared(), "a time 1 → 1.2 why") == 2
    assert code(compared(), "a time 1 → 1.2 why", times_fail=False) == 0
    assert code(compared(None, UNKNOWN, "cannot tell"), "a time 1 → 1.2 why") == 4


def test_faster_passes() -> None:
    assert code(compared(None, Interval(0.8, 0.79, 0.81, 5), "faster")) == 0


def test_what_cannot_be_told_is_neither_passed_nor_failed() -> None:
    unknown = compared(None, UNKNOWN, "cannot tell")
    assert code(unknown) == 4
    assert code(unknown, times_fail=False) == 0
    missing = compared(None, UNKNOWN, "cannot tell", "BASE has no trial: does not build")
    assert code(missing, times_fail=False) == 4
    assert code(missing, "a params 5 → 6 why") == 4
    assert judge_gate(Comparison(), [], {}).exit_code == 4


def test_counts_may_be_let_pass() -> None:
    assert code(compared({"params": (5, 6)}, fail_on=("slower",))) == 0


def test_instructions_are_declared_as_well_as_they_repeat() -> None:
    more = compared({"instructions": (1_000_000, 1_200_300)})
    assert code(more, "a instructions 1000000 → 1200000 why") == 0
    assert code(more, "a instructions 1000000 → 1300000 why") == 1
