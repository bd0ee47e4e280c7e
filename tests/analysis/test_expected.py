"""suites/expected.yaml: lines of the one form, each mistake named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.analysis.expected import FILE, parse_expected
from bench.errors import InputError

CASE = "resnet20/csr_conv(T=4)/eager/cpu/b1/3x32x32"


def test_a_line_is_a_change_with_its_reason() -> None:
    (one,) = parse_expected(f"# why\n- {CASE} params 90762 → 90,781 a learned alpha for each step\n")
    assert (one.case, one.metric, one.old, one.new) == (CASE, "params", 90762, 90781)
    assert one.reason == "a learned alpha for each step"
    assert one.where == f"{FILE}:2"
    assert one.line() == f"{CASE} params 90762 → 90781 a learned alpha for each step"


def test_an_arrow_may_be_typed() -> None:
    assert parse_expected(f"- {CASE} macs 2 -> 1 fewer")[0].new == 1


def test_a_slow_down_is_declared_by_its_largest_ratio() -> None:
    (one,) = parse_expected(f"- {CASE} time 1 → 1.15 two more layers")
    assert (one.metric, one.new) == ("time", 1.15)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "[]"])
def test_a_file_may_declare_nothing(text: str) -> None:
    assert parse_expected(text) == []


def test_the_shipped_file_is_of_the_form() -> None:
    parse_expected((Path(__file__).parents[2] / FILE).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1", f"{FILE}: a list of lines is wanted"),
        ("- {a: 1}", f"{FILE}:1: not a line of text"),
        (f"- {CASE} params 1", "is not of the form"),
        (f"- {CASE} parms 1 → 2 why", "'parms' is no metric; did you mean 'params'?"),
        (f"- {CASE} params 1 → 2", "needs a reason"),
        (f"- {CASE} params 1 → x why", "'x' is no number"),
        (f"- {CASE} params 1 → -2 why", "'-2' is no number"),
        (f"- {CASE} params 1 → nan why", "'nan' is no number"),
        (f"- {CASE} params 2 → 2 why", "is no change"),
        (f"- {CASE} time 1.1 → 1.2 why", "a slow-down is declared as"),
        (f"- {CASE} time 1 → 0.9 why", "a slow-down is declared as"),
        (
            f"- {CASE} params 1 → 2 a\n- {CASE} params 2 → 3 b",
            f"{FILE}:2: {CASE} params is declared at {FILE}:1",
        ),
        ("- 'a", FILE),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        parse_expected(text)
    assert said in str(error.value)
    assert FILE in str(error.value)
