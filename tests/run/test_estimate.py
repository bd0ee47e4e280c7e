"""The time a run will take, from what this machine has measured before."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path

from made_trials import made_count, made_end, made_host, made_start, made_trial

from bench.analysis.records import Record
from bench.analysis.store import Store
from bench.case import Case
from bench.plan.plan import Plan, make_plan
from bench.plan.suite import load_suite
from bench.run.estimate import estimated_seconds, expected_rounds

SUITE = "name: s\nbackbones: [resnet20]\nmethods: [dense, csr_conv: {T: [2, 4]}]\nmeasure: {rounds: 4}\n"


def planned(suite_file: Callable[[str], Path]) -> Plan:
    return make_plan(load_suite(suite_file(SUITE)))


def stored(folder: Path, cases: list[Case], seconds: float, name: str) -> None:
    """A run whose first round began 30 s after it, and whose trials took that long."""
    with Store(folder / "20260101-s.jsonl") as store:
        records: list[Record] = [made_start(cases, started="2026-01-01T00:00:00+00:00")]
        records += [made_count(case) for case in cases]
        for number in range(3):
            records += [
                made_trial(
                    case,
                    number,
                    host=made_host("h", name=name),
                    started="2026-01-01T00:00:30+00:00",
                    wall_seconds=seconds,
                    sitting=f"{number}",
                )
                for case in cases
            ]
        for record in [*records, made_end()]:
            store.append(record)


def test_stored_runs_of_this_machine_tell_the_time(suite_file: Callable[[str], Path], tmp_path: Path) -> None:
    plan = planned(suite_file)
    stored(tmp_path / "results", list(plan.cases), 0.5, platform.node())
    # 4 rounds of 3 cases of half a second, and half a minute before the first.
    assert estimated_seconds(plan, tmp_path / "results") == 4 * 3 * 0.5 + 30


def test_a_case_that_was_never_measured_takes_what_the_others_took(
    suite_file: Callable[[str], Path], tmp_path: Path
) -> None:
    plan = planned(suite_file)
    stored(tmp_path / "results", list(plan.cases[:2]), 2.0, platform.node())
    assert estimated_seconds(plan, tmp_path / "results") == 4 * 3 * 2.0 + 3 * 15


def test_another_machines_runs_say_nothing(suite_file: Callable[[str], Path], tmp_path: Path) -> None:
    plan = planned(suite_file)
    stored(tmp_path / "results", list(plan.cases), 500.0, "elsewhere")
    assert estimated_seconds(plan, tmp_path / "results") == plan.estimated_seconds
    assert estimated_seconds(plan, tmp_path / "nothing") == plan.estimated_seconds


def test_a_finer_resolution_takes_longer(suite_file: Callable[[str], Path], tmp_path: Path) -> None:
    suite = load_suite(suite_file(SUITE.replace("measure: {rounds: 4}\n", "")))
    coarse, fine = (make_plan(suite, resolution=r) for r in (0.02, 0.004))
    rounds = expected_rounds(fine, tmp_path / "none")
    assert set(rounds.values()) == {max(rounds.values())}
    assert max(rounds.values()) > fine.measure.planned_rounds
    short, long = (
        estimated_seconds(p, tmp_path / "none", expected_rounds(p, tmp_path / "none")) for p in (coarse, fine)
    )
    assert short < long


def test_stored_ratios_tell_how_many_rounds(suite_file: Callable[[str], Path], tmp_path: Path) -> None:
    suite = load_suite(suite_file(SUITE.replace("measure: {rounds: 4}\n", "")))
    plan = make_plan(suite, resolution=0.004)
    stored(tmp_path / "results", list(plan.cases), 0.5, platform.node())
    # The stored ratios do not scatter at all, so the first look decides.
    assert set(expected_rounds(plan, tmp_path / "results").values()) == {plan.measure.planned_rounds}
