"""The tables of a terminal: what stands in the cells, what was marked, and why a run ended."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from made_trials import (
    CSR_CASE,
    DENSE_CASE,
    made_conditions,
    made_count,
    made_emulated,
    made_end,
    made_results,
    made_trial,
)

from bench.analysis.store import Results
from bench.case import Case, MethodCall
from bench.report.terminal import COLUMNS, account

BY_THEMSELVES = {"min_rounds": 5, "max_rounds": 7, "rounds": None, "resolution": 0.01}


def measured(ratio: float = 2.0, scatter: float = 0.001, rounds: int = 5, **changes: Any) -> Results:
    """Dense at a millisecond and CSR-Conv at ``ratio`` of it, five rounds."""
    trials = []
    for number in range(rounds):
        trials.append(made_trial(DENSE_CASE, number, 1e-3))
        trials.append(made_trial(CSR_CASE, number, 1e-3 * ratio * (1 + scatter * (number - 2))))
    counts = [made_count(DENSE_CASE), made_count(CSR_CASE, params=13, logical_params=13, macs=250)]
    ends = changes.pop("ends", [made_end()])
    return made_results([DENSE_CASE, CSR_CASE], trials, counts, ends, **changes)


def cells(results: Results, case: int = 1, group: int = 0) -> dict[str, str]:
    found = account(results)
    return dict(zip(found.columns, found.groups[group].rows[case], strict=True))


def test_a_row_is_method_promise_latency_ratio_and_verdict() -> None:
    found = account(measured())
    assert found.columns == COLUMNS
    assert [group.title for group in found.groups] == ["resnet20"]
    assert cells(measured(), 0) == {
        "method": "dense",
        "params ×": "1.00",
        "MACs ×": "1.00",
        "latency": "1.00 ms",
        "latency ÷ dense": "1",
        "verdict": "baseline",
        "marks": "",
    }
    row = cells(measured())
    assert (row["method"], row["params ×"], row["MACs ×"]) == ("csr_conv(T=4)", "0.130", "0.250")
    assert row["verdict"] == "slower"
    value, _, interval = row["latency ÷ dense"].partition(" ")
    assert float(value) == pytest.approx(2, abs=0.01)
    low, high = interval.strip("()").split("–")
    assert float(low) < 2 < float(high)


def test_the_same_names_its_band_and_what_cannot_be_told_its_resolution() -> None:
    assert cells(measured(1.0, 0.0001, measure=BY_THEMSELVES))["verdict"] == "same within 1 %"
    unknown = cells(measured(1.0, 0.05, measure=BY_THEMSELVES))["verdict"]
    assert unknown.startswith("cannot tell (±")
    assert unknown.endswith(" %)")


def test_cells_have_no_blank_that_a_search_would_miss() -> None:
    found = account(measured())
    assert not any(
        "\N{NO-BREAK SPACE}" in cell for group in found.groups for row in group.rows for cell in row
    )


def test_settings_that_vary_make_groups_of_their_own() -> None:
    cases = [replace(case, batch=batch) for batch in (1, 8) for case in (DENSE_CASE, CSR_CASE)]
    found = account(made_results(cases, [made_trial(case) for case in cases]))
    assert [group.title for group in found.groups] == ["resnet20 (batch 1)", "resnet20 (batch 8)"]


def test_a_failed_case_says_why_in_one_short_line() -> None:
    trials = [made_trial(DENSE_CASE), made_trial(CSR_CASE, error="no memory\n" + "x" * 500)]
    verdict = cells(made_results([DENSE_CASE, CSR_CASE], trials))["verdict"]
    assert verdict == "failed: RuntimeError in build: no memory"
    trials = [made_trial(DENSE_CASE), made_trial(CSR_CASE, error="x" * 500)]
    assert len(cells(made_results([DENSE_CASE, CSR_CASE], trials))["verdict"]) <= len("failed: ") + 100


def test_marks_stand_in_the_row_and_together_below() -> None:
    before, after = made_conditions(0, 0, 0), made_conditions(1, 0, 90)
    trials = [made_trial(DENSE_CASE, number) for number in range(5)]
    trials += [made_trial(CSR_CASE, number, 1e-3, before=before, after=after) for number in range(4)]
    trials.append(made_trial(CSR_CASE, 4, 9e-3, before=before, after=after))
    results = made_results([DENSE_CASE, CSR_CASE], trials)
    assert cells(results)["marks"] == "busy 5, far 1, left out 1"
    assert account(results).notes == (
        "marks on 10 trials: busy 5, far 1; left out of the estimates: 1",
        "measured on host-a",
    )


def test_instructions_have_a_column_where_a_core_was_emulated() -> None:
    dense, csr = (replace(case, target="cortex-a72") for case in (DENSE_CASE, CSR_CASE))
    targets = [{"name": "cortex-a72", "device": "cpu", "emulates": "cortex-a72"}]
    trials = [made_emulated(dense, 1000), made_emulated(csr, 500)]
    row = cells(made_results([dense, csr], trials, targets=targets))
    assert (row["instructions ×"], row["latency"], row["verdict"]) == ("0.500", "—", "not timed")


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        (measured(ends=[]), "unfinished: the run has no end; `bench run SUITE --resume` goes on"),
        (
            measured(ends=[made_end(status="interrupted")]),
            "interrupted: `bench run SUITE --resume` goes on where it stopped",
        ),
        (measured(), "complete: 5 rounds, as asked for"),
        (measured(measure=BY_THEMSELVES), "complete: every verdict is known, after 5 rounds"),
        (
            measured(1.0, 0.05, 7, measure=BY_THEMSELVES),
            "complete: after 7 rounds 1 verdict cannot be told",
        ),
    ],
    ids=["unfinished", "interrupted", "fixed rounds", "known", "cannot tell"],
)
def test_the_ending_says_why(results: Results, reason: str) -> None:
    assert account(results).ending[1] == reason


def test_totals_count_every_outcome() -> None:
    assert account(measured()).ending[0] == "2 cases: 1 baseline, 1 slower"
    none = made_results([DENSE_CASE, CSR_CASE], [])
    assert account(none).ending[0] == "2 cases: 2 not run"
    assert account(none).notes == ()


def test_machines_get_numbers_and_nothing_that_json_has_no_word_for() -> None:
    data = account(measured()).as_dict()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data["cases"][1]["case"] == CSR_CASE.id
    assert data["cases"][1]["macs_ratio"] == 0.25
    assert data["cases"][1]["verdict"] == "slower"
    assert data["cases"][1]["rounds"] == 5
    empty = account(made_results([CSR_CASE], [])).as_dict()
    assert json.loads(json.dumps(empty, allow_nan=False))["cases"][0]["ratio"] is None


def test_one_case_alone_and_two_arms_are_shown() -> None:
    chain = Case("resnet20", (MethodCall("csr_conv", {"T": 2}), MethodCall("magnitude", {"density": 0.5})))
    alone = account(made_results([chain], [made_trial(chain)]))
    assert alone.groups[0].rows[0][0] == "csr_conv(T=2)+magnitude(density=0.5)"
    arms = {"base": "a", "head": "b"}
    trials = [made_trial(DENSE_CASE, arm=arm) for arm in arms]
    counts = [made_count(DENSE_CASE, arm) for arm in arms]
    found = account(made_results([DENSE_CASE], trials, counts, arms=arms))
    assert [row[0] for group in found.groups for row in group.rows] == ["dense @base", "dense @head"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3.7e-3, "3.70 ms"), (0.1, "100 ms"), (0.5e-3, "500 µs"), (2.0, "2.00 s"), (1234.4, "1,234 s")],
)
def test_a_latency_has_three_digits_and_a_unit(seconds: float, text: str) -> None:
    assert cells(made_results([DENSE_CASE], [made_trial(DENSE_CASE, 0, seconds)]), 0)["latency"] == text


def test_weights_that_were_discarded_are_told_below_the_tables() -> None:
    results = measured()
    counts = {key: replace(count, discarded=("conv1",)) for key, count in results.counts.items()}
    (csr,) = [key for key in counts if "csr_conv" in key[1]]
    found = account(replace(results, counts={**results.counts, csr: counts[csr]}))
    assert "loaded weights discarded in 1 case, whose layers are fresh: csr_conv(T=4)" in found.notes
    assert [row["discarded"] for row in found.data] == [[], ["conv1"]]


def test_a_band_is_that_of_the_case_s_own_sweep() -> None:
    wide = {**BY_THEMSELVES, "resolution": 0.05}
    sweeps = [{"for": "a", "cases": [DENSE_CASE.id, CSR_CASE.id], "measure": wide}]
    found = cells(measured(1.0, 0.0001, measure=BY_THEMSELVES, sweeps=sweeps))
    assert found["verdict"] == "same within 5 %"
