"""Results in which much is missing: a page that says what, and no word of a language in place of a number."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from report_lab import Net, Parsed, around, run

from bench.analysis.frame import make_frame
from bench.analysis.store import Results
from bench.report import page
from bench.report.export import FORMATS, export
from bench.report.rows import records

NAN = float("nan")
LONG = "n" * 300

MISSING: dict[str, tuple[Sequence[Results], tuple[str, ...]]] = {
    "empty": ([], ("No case was measured", "There is no case to detail", "There is no run to repeat")),
    "a run without cases": ([run()], ("No case was measured", "The suite's text was not recorded")),
    "one case": ([run(Net())], ("Not measured: no profile is stored", "bench run SUITE --profile CASE")),
    "no baseline": ([run(Net("csr_conv", around(1e-3), {"T": 2}))], ("not compared", "--profile")),
    "all failed": ([run(Net(error="boom"), Net("psconv", error="boom"))], ("RuntimeError in sample: boom",)),
    "not a number": ([run(Net(medians=[NAN] * 5), Net("psconv", [NAN] * 5))], ("—",)),
    "300 letters": (
        [run(Net(backbone=LONG), Net("m" * 300, around(2e-3), {"k" * 300: "v" * 300}, backbone=LONG))],
        (LONG, "k" * 300),
    ),
    "two files of nothing": ([run(), run(name="run-2")], ("No case was measured",)),
    "two runs that share no case": (
        [run(Net()), run(Net(backbone="other"), name="run-2")],
        ("Only dense networks were measured",),
    ),
}


@pytest.mark.parametrize("name", MISSING)
def test_a_page_says_what_is_missing(name: str) -> None:
    results, words = MISSING[name]
    parsed = Parsed(page.render(make_frame(results), results))
    for said in words:
        assert said in parsed.text
    assert not re.search(r"\b(nan|inf|None|null|undefined)\b", parsed.text)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", MISSING)
def test_a_table_of_it_can_be_exported(name: str, form: str) -> None:
    results, _ = MISSING[name]
    text = export(records(make_frame(results)), form)
    assert text.endswith("\n")
    assert not re.search(r"\b(nan|inf|None)\b", text)
