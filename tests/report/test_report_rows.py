"""Rows of several hosts: kept apart, and named as a reader knows them."""

from __future__ import annotations

from dataclasses import replace

from report_lab import HOST, Net, around, rows, run

from bench.analysis.frame import make_frame
from bench.report.page import render
from bench.report.rows import baselines, records, to_dense, varying

NETS = (Net(), Net("csr_conv", around(2e-3), {"T": 4}))
PI = {**HOST, "id": "p1", "name": "pi"}


def test_one_host_needs_no_column() -> None:
    found = rows(run(*NETS))
    assert {row["machine"] for row in found} == {"board"}
    assert varying(found) == ()


def test_hosts_of_several_files_stand_side_by_side() -> None:
    found = rows(run(*NETS), run(*NETS, name="run-2", host=PI))
    assert [row["machine"] for row in found] == ["board", "board", "pi", "pi"]
    assert varying(found) == ("run", "machine")


def test_hosts_that_share_a_name_have_their_ids_beside_it() -> None:
    found = rows(run(*NETS), run(*NETS, name="run-2", host={**HOST, "id": "other"}))
    assert [row["machine"] for row in found] == ["board (h0st)"] * 2 + ["board (other)"] * 2


def test_a_case_that_failed_stands_with_the_host_of_its_baseline() -> None:
    found = rows(run(Net(), Net("csr_conv", error="no", knobs={"T": 4})), run(*NETS, name="run-2", host=PI))
    assert [row["machine"] for row in found] == ["board", "board", "pi", "pi"]


def test_nothing_measured_is_no_host() -> None:
    found = rows(run(Net(error="no")))
    assert {row["machine"] for row in found} == {""}
    assert varying(found) == ()


def test_a_case_of_two_hosts_in_one_run_is_compared_on_each() -> None:
    """As after a machine of a cluster was lost and another went on."""
    one, other = run(*NETS), run(*NETS, host=PI)
    for trial in other.trials:
        one.trials.append(replace(trial, round=trial.round + 5))
    found = records(make_frame([one]))
    assert [(row["method"], row["machine"]) for row in found] == [
        ("dense", "board"),
        ("dense", "pi"),
        ("csr_conv", "board"),
        ("csr_conv", "pi"),
    ]
    index = baselines(found)
    assert [to_dense(row, "latency", index) > 1.5 for row in found] == [False, False, True, True]
    page = render(make_frame([one]), [one])
    assert ">pi<" in page
    assert "board" in page
