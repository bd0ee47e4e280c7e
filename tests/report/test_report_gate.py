"""The gate's verdict in Markdown: whole, and nothing in it is markup of somebody else's."""

from __future__ import annotations

import math

from bench.analysis.compare import CaseChange, Comparison
from bench.analysis.expected import parse_expected
from bench.analysis.gate import judge_gate
from bench.analysis.stats import Interval
from bench.report.gate import Between, as_text, in_markdown, reached

ABOUT = Between("`a` one", "`b` two", "host|a", "0.1 … 0.2")


def test_a_verdict_has_both_commits_times_counts_and_the_line_to_paste() -> None:
    slow = CaseChange("a", Interval(1.1, 1.08, 1.12, 5), "slower", {"params": (1000, 1001)})
    gate = judge_gate(Comparison((slow,), 0.01), [], {})
    text = in_markdown(gate, ABOUT, {"a": ({"params": 1000, "macs": 5}, {"params": 1001, "macs": 5})})
    assert text.startswith("### `bench gate` fails: something changed")
    assert "- base: `a` one\n- head: `b` two\n- host: host\\|a; load 0.1 … 0.2\n" in text
    assert "| `a` | **slower** | 1.100 | 1.080 … 1.120 |  |" in text
    assert "| `a` | params | 1000 | **1001** | **no** |" in text
    assert "| `a` | 1,000 → 1,001 | — | 5 | — | — |" in text
    assert "- a params 1000 → 1001 REASON\n- a time 1 → 1.12 REASON" in text


def test_a_reason_cannot_end_its_cell() -> None:
    change = CaseChange("a", Interval(1, 0.99, 1.01, 5), "same", {"params": (1, 2)})
    gate = judge_gate(Comparison((change,), 0.01), parse_expected('- "a params 1 → 2 x | y <b> @all"'), {})
    assert "yes: x \\| y &lt;b> @&#8203;all |" in in_markdown(gate, ABOUT, {})


def test_wrong_declarations_stand_in_it() -> None:
    same = CaseChange("a", Interval(1, 0.99, 1.01, 5), "same", {})
    gate = judge_gate(Comparison((same,), 0.01), parse_expected("- a params 1 → 2 x"), {"a": {"params": 1}})
    text = in_markdown(gate, ABOUT, {})
    assert "All counts are equal." in text
    assert "Wrong declarations:" in text


def test_the_resolution_that_was_reached() -> None:
    def of(ratio: Interval) -> str:
        return reached(Comparison((CaseChange("a", ratio, "same", {}),), 0.01))

    assert of(Interval(math.nan, math.nan, math.nan, 0)) == "not taken"
    assert of(Interval(1, 0.98, 1.02, 5)).endswith("known to ±2.02% or better")


def test_text_is_shown_as_it_is() -> None:
    assert as_text("a\nb `c` *d* @e") == "a b \\`c\\` \\*d\\* @&#8203;e"
