"""The page tells a dynamic network by its exits, and that its inputs are random."""

from __future__ import annotations

from typing import Any

from made_trials import made_count, made_results, made_trial

from bench.analysis.frame import make_frame
from bench.analysis.store import Results
from bench.case import DENSE, Case, MethodCall
from bench.report.cautions import cautions
from bench.report.dynamic import dynamic
from bench.report.page import render
from bench.report.rows import records

DENSE_CASE = Case("resnet20", DENSE)
CASE = Case("resnet20", (MethodCall("early_exit", {"threshold": 0.5}),))
EXITS = [
    {"name": "stage1", "inputs": 3, "macs": 1_000_000, "executed_macs": 1_000_000, "other_elements": 1},
    {"name": "end", "inputs": 1, "macs": 5_000_000, "executed_macs": 5_000_000, "other_elements": 3},
]


def results(left_at: tuple[int, ...] = (0, 1, 0, 0), **changes: Any) -> Results:
    inputs = {
        "left_at": left_at,
        "in_round": 4,
        "seconds": [[0.001 if at == 0 else 0.004] * 16 for at in left_at],
    }
    trials = [made_trial(DENSE_CASE, n, 0.004) for n in range(3)]
    trials += [made_trial(CASE, n, 0.00175, inputs=inputs, **changes) for n in range(3)]
    counts = [
        made_count(DENSE_CASE, macs=4_000_000, executed_macs=4_000_000),
        made_count(CASE, macs=2_000_000, executed_macs=2_000_000, exits=EXITS),
    ]
    return made_results([DENSE_CASE, CASE], trials, counts)


def test_the_table_has_each_exit_and_the_expectation() -> None:
    (found,) = dynamic(records(make_frame([results()])))
    assert found.title == "resnet20, early_exit(threshold=0.5)"
    told = [(line.exit, line.share, line.macs, line.latency) for line in found.exits]
    assert [tuple(text.replace("\N{NO-BREAK SPACE}", " ") for text in line) for line in told] == [
        ("stage1", "75.0 %", "1.000 M", "1.00 ms"),
        ("end", "25.0 %", "5.000 M", "4.00 ms"),
    ]
    assert found.all_inputs.macs.startswith("2.000")
    assert found.all_inputs.latency.startswith("1.75")
    assert found.percentiles.startswith("p10 1.00")


def test_the_page_shows_it_with_words_about_random_inputs() -> None:
    one = results()
    page = render(make_frame([one]), [one])
    assert '<h2 id="dynamic">Dynamic networks</h2>' in page
    assert "absolute confidence would mean nothing" in page
    assert "stage1" in page
    assert 'title="expected">expected</span>' in page


def test_a_page_without_dynamic_networks_does_not_speak_of_them() -> None:
    one = made_results([DENSE_CASE], [made_trial(DENSE_CASE)])
    assert "Dynamic networks" not in render(make_frame([one]), [one])


def test_random_inputs_are_a_caution_and_other_shares_a_grave_one() -> None:
    one = results()
    (caution,) = [c for c in cautions(records(make_frame([one])), [one]) if "inputs" in c.text]
    assert "set by a quantile" in caution.text
    assert not caution.grave
    other = results(left_at=(0, 1, 1, 0))
    grave = [c.text for c in cautions(records(make_frame([other])), [other]) if c.grave]
    assert any("left at other exits than the counting process found" in text for text in grave)


def test_a_failed_dynamic_case_is_in_no_table_of_exits() -> None:
    counts = [made_count(CASE, exits=EXITS)]
    one = made_results([CASE], [made_trial(CASE, error="batch 4: no")], counts)
    assert dynamic(records(make_frame([one]))) == ()
