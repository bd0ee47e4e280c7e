"""Exits of a dynamic network as the frame tells them: shares, costs, times by input."""

from __future__ import annotations

import math

import pytest
from made_trials import made_count, made_results, made_trial

from bench.analysis.compare import compare_runs
from bench.analysis.exits import exit_rows, left_elsewhere, quantiles
from bench.analysis.frame import make_frame
from bench.analysis.records import Trial, from_line, to_line
from bench.case import DENSE, Case, MethodCall

CASE = Case("resnet20", (MethodCall("early_exit", {"threshold": 0.5}),))
EXITS = [
    {"name": "stage1", "inputs": 2, "macs": 100, "executed_macs": 100, "other_elements": 1},
    {"name": "end", "inputs": 2, "macs": 300, "executed_macs": 300, "other_elements": 3},
]
COUNT = made_count(CASE, macs=200, executed_macs=200, exits=EXITS)


def trial(number: int, factor: float = 1.0, left_at: tuple[int, ...] = (0, 1, 1, 0), calls: int = 3) -> Trial:
    seconds = [[factor * (1.0 + 3 * at)] * calls for at in left_at]
    inputs = {"left_at": left_at, "in_round": 2, "seconds": seconds}
    return made_trial(CASE, number, 2.5 * factor, inputs=inputs)


def test_an_exit_has_its_share_its_macs_and_the_median_of_its_inputs() -> None:
    rows = exit_rows(COUNT.counts, [trial(0), trial(1, 1.1), trial(2, 0.9)])
    assert [(row.exit, row.inputs, row.share, row.seen, row.macs) for row in rows] == [
        ("stage1", 2, 0.5, 0.5, 100),
        ("end", 2, 0.5, 0.5, 300),
    ]
    assert [row.latency for row in rows] == pytest.approx([1.0, 4.0])


def test_what_no_trial_told_is_unknown() -> None:
    rows = exit_rows(COUNT.counts, [made_trial(CASE)])
    assert [row.exit for row in rows] == ["stage1", "end"]
    assert all(math.isnan(row.latency) and math.isnan(row.seen) for row in rows)
    assert exit_rows(made_count(CASE).counts, []) == []
    assert exit_rows(None, []) == []


def test_percentiles_need_calls_enough() -> None:
    assert quantiles([trial(0)]) == {}
    found = quantiles([trial(0, calls=16), trial(1, 3.0, calls=16), trial(2, 2.0, calls=16)])
    assert found == pytest.approx({"10": 2.0, "50": 5.0, "90": 8.0})


def test_a_record_with_inputs_comes_back_as_it_was_and_older_ones_have_none() -> None:
    line = to_line(trial(0))
    assert from_line(line) == trial(0)
    del line["inputs"]
    old = from_line(line)
    assert isinstance(old, Trial)
    assert old.inputs is None
    counted = to_line(COUNT)
    del counted["counts"]["exits"]
    assert from_line(counted) != COUNT


def test_the_frame_has_the_exits_and_static_networks_have_none() -> None:
    dense = Case("resnet20", DENSE)
    results = made_results(
        [dense, CASE], [made_trial(dense), trial(0, calls=16)], [made_count(dense, macs=400), COUNT]
    )
    frame = make_frame([results])
    static, dynamic = frame.to_dict("records")
    assert (static["exits"], static["input_quantiles"]) == ([], {})
    assert [exit["exit"] for exit in dynamic["exits"]] == ["stage1", "end"]
    assert dynamic["exits"][1]["latency"] == 4.0
    assert dynamic["macs_ratio"] == 0.5
    assert dynamic["input_quantiles"]["50"] == 2.5
    assert not left_elsewhere(dynamic["exits"])


def test_inputs_that_left_elsewhere_are_noticed() -> None:
    frame = make_frame([made_results([CASE], [trial(0, left_at=(0, 0, 0, 1))], [COUNT])])
    assert left_elsewhere(frame.to_dict("records")[0]["exits"])


def test_expected_macs_are_compared_exactly() -> None:
    one = made_results([CASE], [trial(0), trial(1)], [COUNT])
    more = made_count(CASE, macs=201, executed_macs=201, exits=EXITS)
    other = made_results([CASE], [trial(0), trial(1)], [more])
    (change,) = compare_runs(one, other, 0.03).cases
    assert change.bigger == ["macs", "executed_macs"]
