"""The benchmarks that asv finds, and what they answer from a cache."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import bench.run.lock
from bench import api
from bench.plan.plan import make_plan
from bench.plan.suite import load_suite
from bench.run.session import Outcome
from bench.tracking import cases

FOLDER = Path(cases.__file__).parent
DENSE = "resnet20/dense/eager/cpu/b1/3x32x32"
PSCONV = "resnet20/psconv(variant=PSD2_P8)/eager/cpu/b1/3x32x32"
METRICS = {
    "Counts.track_stored_params": ("params", "parameters"),
    "Counts.track_logical_params": ("logical_params", "parameters"),
    "Counts.track_logical_macs": ("macs", "MACs"),
    "Counts.track_executed_macs": ("executed_macs", "MACs"),
    "Counts.track_disputed_layers": ("disputed_layers", "layers"),
    "Counts.track_witnessed_macs": ("witnessed_macs", "MACs"),
    "Counts.track_other_elements": ("other_elements", "elements"),
    "Memory.track_weight_bytes": ("weight_bytes", "bytes"),
    "Memory.track_live_peak": ("live_peak", "bytes"),
    "Memory.track_allocator_peak": ("allocator_peak", "bytes"),
    "Latency.track_latency": ("latency", "seconds"),
    "Latency.track_ratio": ("ratio", "x dense"),
}
EMULATED = "Emulated.track_instructions"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The benchmarks as asv's own discovery describes them, in a process of its own as asv does it."""
    folder = tmp_path_factory.mktemp("discover")
    script = (
        "import sys; from asv_runner.discovery import list_benchmarks;"
        "list_benchmarks(sys.argv[1], open(sys.argv[2], 'w'))"
    )
    answer = folder / "benchmarks.json"
    subprocess.run([sys.executable, "-c", script, str(FOLDER), str(answer)], cwd=folder, check=True)
    benchmarks: list[dict[str, Any]] = json.loads(answer.read_text(encoding="utf-8"))
    return benchmarks


def test_the_suite_is_small() -> None:
    plan = make_plan(load_suite(cases.SUITE))
    assert plan.suite == "asv"
    assert len(plan.cases) <= 12
    assert plan.measure.planned_rounds >= 7  # asv's own test of medians says nothing of six
    assert plan.trials <= 60
    assert plan.estimated_seconds <= 120


def test_every_case_has_its_baseline() -> None:
    ids = {case.id for case in cases.PLAN.cases}
    assert all(case.baseline().id in ids for case in cases.PLAN.cases)


def test_asv_finds_every_metric_and_nothing_else(found: list[dict[str, Any]]) -> None:
    assert {one["name"] for one in found} == {f"cases.{name}" for name in (*METRICS, EMULATED)}
    assert {one["type"] for one in found} == {"track"}


def test_units_and_versions_are_set_by_hand(found: list[dict[str, Any]]) -> None:
    assert {one["name"].removeprefix("cases."): one["unit"] for one in found} == {
        **{name: unit for name, (_, unit) in METRICS.items()},
        EMULATED: "instructions",
    }
    # asv's own version is a hash of the source, 64 letters long: an edited comment would drop the history.
    assert all(len(one["version"]) < 10 for one in found)


def test_parameters_are_the_case_ids(found: list[dict[str, Any]]) -> None:
    ids = [case.id for case in make_plan(load_suite(cases.SUITE)).cases]
    emulated = make_plan(load_suite(cases.EMULATED_SUITE), only=cases.EMULATED_ONLY)
    assert [case.id for case in emulated.cases] == list(cases.EMULATED_CASES)
    for one in found:
        expected = cases.EMULATED_CASES if one["name"].endswith(EMULATED) else ids
        assert one["param_names"] == ["case"]
        assert one["params"] == [[repr(case_id) for case_id in expected]]


def test_all_share_one_run_of_the_suite(found: list[dict[str, Any]]) -> None:
    keys = {one["setup_cache_key"] for one in found if not one["name"].endswith(EMULATED)}
    assert len(keys) == 1
    assert {one["setup_cache_timeout"] for one in found} == {cases.SETUP_TIMEOUT}


def row(status: str = "ok", error: str = "", **values: float) -> cases.Row:
    none = {"latency": [], "ratio": [], "disturbed": 0, "trials": 0, "trusted": True}
    return {**full(math.nan), **values, "rounds": none, "status": status, "error": error}


def full(value: float) -> dict[str, Any]:
    """Every column with that value."""
    return dict.fromkeys(cases.COLUMNS, value)


def ask(name: str, rows: cases.Rows, case: str) -> float:
    group, method = name.split(".")
    value: float = getattr(getattr(cases, group)(), method)(rows, case)
    return value


@pytest.mark.parametrize("name", METRICS)
def test_each_metric_reads_its_own_column(name: str) -> None:
    values: dict[str, Any] = {column: 10.0 + number for number, column in enumerate(cases.COLUMNS)}
    rows = {DENSE: row(**full(1.0)), PSCONV: row(**values)}
    assert ask(name, rows, PSCONV) == values[METRICS[name][0]]


def test_whole_numbers_stay_whole() -> None:
    value = ask("Counts.track_stored_params", {DENSE: row(params=269722.0)}, DENSE)
    assert json.dumps(value) == "269722"
    assert ask("Latency.track_latency", {DENSE: row(latency=0.0025)}, DENSE) == 0.0025


ROUNDS = {"latency": [2.0, 2.1, 2.2], "ratio": [1.5, 1.4, 1.6], "disturbed": 0, "trials": 3, "trusted": True}


@pytest.mark.parametrize("column", ["latency", "ratio"])
def test_a_time_gives_one_sample_a_round_as_asvs_own_timings_do(column: str) -> None:
    rows: cases.Rows = {PSCONV: {**row(latency=2.1, ratio=1.5), "rounds": ROUNDS}}
    assert look_up(f"Latency.track_{column}", rows) == {"samples": ROUNDS[column], "number": 1}


def look_up(name: str, rows: cases.Rows) -> Any:
    return ask(name, rows, PSCONV)


def test_a_time_of_a_commit_that_tells_no_rounds_is_one_number() -> None:
    assert (
        look_up("Latency.track_latency", {PSCONV: {**row(latency=2.1), "rounds": {**ROUNDS, "latency": []}}})
        == 2.1
    )


def test_a_baselines_ratio_has_no_rounds() -> None:
    rows: cases.Rows = {PSCONV: {**row(ratio=1.0), "rounds": {**ROUNDS, "ratio": []}}}
    assert look_up("Latency.track_ratio", rows) == 1


@pytest.mark.parametrize("column", ["latency", "ratio"])
def test_bug_a_busy_host_read_one_commit_as_1_77_and_as_4_45_times_dense(
    column: str, capsys: pytest.CaptureFixture[str]
) -> None:
    disturbed = {**ROUNDS, "disturbed": 2, "trusted": False}
    rows: cases.Rows = {PSCONV: {**row(latency=2.1, ratio=4.45, params=5.0), "rounds": disturbed}}
    assert math.isnan(look_up(f"Latency.track_{column}", rows))
    said = capsys.readouterr()
    assert f"{PSCONV}: 2 of 3 trials were taken while others used the processor" in said.err
    assert said.out == ""
    assert look_up("Counts.track_stored_params", rows) == 5  # a count does not depend on the moment


def test_a_failed_case_raises_its_own_error() -> None:
    rows = {DENSE: row(status="failed", error="Timeout in launch: no answer within 120 s")}
    with pytest.raises(RuntimeError, match=f"{DENSE}: Timeout in launch: no answer within 120 s"):
        ask("Latency.track_latency", rows, DENSE)


def test_a_failed_case_keeps_what_was_known_before_it_failed() -> None:
    rows = {DENSE: row(status="failed", error="Crash in launch: …", params=5.0)}
    assert ask("Counts.track_stored_params", rows, DENSE) == 5


def test_what_a_good_case_lacks_is_not_a_failure() -> None:
    rows = {DENSE: row(params=5.0, weight_bytes=20.0)}  # latency refused, as under emulation
    assert math.isnan(ask("Latency.track_latency", rows, DENSE))


def test_an_unknown_case_is_an_error() -> None:
    with pytest.raises(KeyError):
        ask("Counts.track_stored_params", {DENSE: row()}, PSCONV)


@pytest.mark.slow
def test_measuring_fills_every_column(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bench.run.lock, "default_path", lambda: tmp_path / "lock")
    plan = make_plan(load_suite(cases.SUITE), rounds=1, only="layer/64-64-k3/csr_conv", quick=True)
    rows = cases.measure(plan)
    assert list(rows) == [case.id for case in plan.cases]
    for measured in rows.values():
        assert measured["status"] == "ok", measured["error"]
        assert all(
            measured[column] > 0 for column in set(cases.COLUMNS) - {"disputed_layers", "other_elements"}
        )
        assert measured["disputed_layers"] == 0
        assert len(measured["rounds"]["latency"]) == 1
    dense, compressed = rows.values()
    assert dense["other_elements"] == 0 < compressed["other_elements"]
    assert compressed["params"] < dense["params"] == 64 * 64 * 9
    assert dense["ratio"] == 1


def test_a_commit_that_knew_one_peak_told_the_allocators(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {name: [7.0] for name in cases.COLUMNS if name != "allocator_peak"}
    frame = pd.DataFrame({"case": ["c"], **columns, "status": ["ok"], "error": [""]})
    monkeypatch.setattr(api, "run", lambda plan, folder: None)
    monkeypatch.setattr(api, "make_frame", lambda results: frame)
    monkeypatch.delattr(api, "round_values")
    row = cases.measure(cases.PLAN)["c"]
    assert (row["allocator_peak"], math.isnan(row["live_peak"])) == (7.0, True)
    assert row["rounds"] == {"latency": [], "ratio": [], "disturbed": 0, "trials": 0, "trusted": True}


def test_a_commit_that_tells_no_rounds_tells_its_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {name: [7.0] for name in cases.COLUMNS}
    marks = {"marks": [{"busy": 3, "stolen": 1}], "trials": [5]}
    frame = pd.DataFrame({"case": ["c"], **columns, **marks, "status": ["ok"], "error": [""]})
    monkeypatch.setattr(api, "run", lambda plan, folder: None)
    monkeypatch.setattr(api, "make_frame", lambda results: frame)
    monkeypatch.delattr(api, "round_values")
    rows = cases.measure(cases.PLAN)
    assert math.isnan(ask("Latency.track_latency", rows, "c"))
    assert ask("Memory.track_live_peak", rows, "c") == 7


def test_a_commit_that_knew_no_disputes_has_none_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {name: [7.0] for name in cases.COLUMNS if name != "disputed_layers"}
    frame = pd.DataFrame({"case": ["c"], **columns, "status": ["ok"], "error": [""]})
    monkeypatch.setattr(api, "run", lambda plan, folder: None)
    monkeypatch.setattr(api, "make_frame", lambda results: frame)
    monkeypatch.delattr(api, "round_values")
    assert math.isnan(ask("Counts.track_disputed_layers", cases.measure(cases.PLAN), "c"))


def test_where_no_core_is_set_up_nothing_is_tracked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    rows = cases.Emulated().setup_cache()
    assert rows == {}
    assert math.isnan(ask(EMULATED, rows, cases.EMULATED_CASES[0]))


def test_a_commit_that_knows_no_emulated_core_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(api, "is_set_up")
    assert cases.emulated_plan() is None


def test_instructions_are_read_where_they_were_counted() -> None:
    case = cases.EMULATED_CASES[0]
    rows: cases.Rows = {case: {"instructions": 3_120_000.0, "status": "ok", "error": ""}}
    assert ask(EMULATED, rows, case) == 3_120_000


def test_an_interrupted_run_is_not_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(plan: Any, file: Path, *_: Any, **_options: Any) -> Any:
        return Outcome(file, interrupted=True)

    monkeypatch.setattr(bench.run.lock, "default_path", lambda: tmp_path / "lock")
    monkeypatch.setattr("bench.run.run.execute", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cases.measure(cases.PLAN)
