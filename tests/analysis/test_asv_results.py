"""asv's files: read without asv, refused by name where they are something else."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from made_history import CASE, DENSE, asv_result, write_asv

from bench.analysis.asv_results import BENCHMARKS, METRIC_OF, Listed, disagreements, read_asv, read_page
from bench.analysis.commit_history import Reading, make_commit_history
from bench.errors import InputError
from bench.tracking import cases

PARAMS, RATIO = BENCHMARKS["params"], BENCHMARKS["ratio"]
A, B, C = (letter * 40 for letter in "abc")


def test_every_benchmark_of_asv_has_its_metric_and_every_metric_its_benchmark() -> None:
    found = {
        f"cases.{name}.{function}"
        for name, group in vars(cases).items()
        if isinstance(group, type)
        for function in vars(group)
        if function.startswith("track_")
    }
    assert found == set(METRIC_OF)


def test_values_are_read_with_their_case_machine_and_commit(tmp_path: Path) -> None:
    write_asv(tmp_path, [asv_result(A, {PARAMS: {DENSE: 5, CASE: None}, RATIO: {CASE: math.nan}})])
    readings, notes = read_asv(tmp_path)
    assert notes == []
    assert [(one.metric, one.case, one.commit) for one in readings] == [
        ("params", DENSE, A),
        ("params", CASE, A),
        ("ratio", CASE, A),
    ]
    assert readings[0].value == 5
    assert math.isnan(readings[1].value)
    assert readings[0].line == "m (Linux, c, Python 3.11, torch 2.13.0)"
    assert readings[0].when == 1_700_000_000


def test_an_interval_is_read(tmp_path: Path) -> None:
    data = asv_result(A, {RATIO: {CASE: 1.5}})
    data["results"][RATIO] += [[1.4], [1.6], [1.45], [1.55], [1], [7], [[1.5] * 7]]
    write_asv(tmp_path, [data])
    (one,) = read_asv(tmp_path)[0]
    assert (one.value, one.low, one.high) == (1.5, 1.4, 1.6)


def test_numbers_of_an_older_version_of_a_benchmark_are_left_out_and_named(tmp_path: Path) -> None:
    results = [asv_result(A, {RATIO: {CASE: 9}}, version="1"), asv_result(B, {RATIO: {CASE: 1}}, version="2")]
    write_asv(tmp_path, results, {RATIO: "2"})
    readings, notes = read_asv(tmp_path)
    assert [one.value for one in readings] == [1]
    assert notes == [f"left out: numbers of an older version of {RATIO}"]


def test_benchmarks_of_others_are_not_read(tmp_path: Path) -> None:
    write_asv(tmp_path, [asv_result(A, {"theirs.track_x": {"x": 1}, PARAMS: {CASE: 5}})])
    assert [one.metric for one in read_asv(tmp_path)[0]] == ["params"]


def test_another_schema_is_refused_by_name(tmp_path: Path) -> None:
    write_asv(tmp_path, [asv_result(A, {PARAMS: {CASE: 5}}, schema=1)])
    with pytest.raises(InputError, match=r"aaaaaaaa-e.json: asv's schema 1, .*`asv update`"):
        read_asv(tmp_path)


@pytest.mark.parametrize("text", ["", '{"version": 2', "[]", '{"version": 2}'])
def test_what_an_interrupted_run_left_is_refused_by_name(tmp_path: Path, text: str) -> None:
    write_asv(tmp_path, [asv_result(A, {PARAMS: {CASE: 5}})])
    torn = tmp_path / "m" / "torn.json"
    torn.write_text(text)
    with pytest.raises(InputError, match=r"torn\.json"):
        read_asv(tmp_path)


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no results of asv"):
        read_asv(tmp_path)


def page(folder: Path, *listed: tuple[str, int | None, int]) -> None:
    entries = [[name, "", {}, 0, 0, 0, [[before, at, 1, 2]]] for name, before, at in listed]
    (folder / "regressions.json").write_text(json.dumps({"regressions": entries}))
    (folder / "index.json").write_text(json.dumps({"revision_to_hash": {"1": A, "2": B, "3": C}}))


def test_what_asvs_page_lists_is_read(tmp_path: Path) -> None:
    assert read_page(tmp_path) is None
    page(tmp_path, (f"{PARAMS}('{CASE}')", None, 2), (f"{PARAMS}('{DENSE}')", 1, 3))
    assert read_page(tmp_path) == [Listed(PARAMS, CASE, "", B), Listed(PARAMS, DENSE, A, C)]


def test_where_the_page_and_the_history_differ_is_said() -> None:
    values = {A: 5.0, B: 6.0, C: 6.0}
    history = make_commit_history(
        [Reading("m", CASE, "params", commit, v) for commit, v in values.items()], [A, B, C]
    )
    assert disagreements(history, []) == [f"{B[:12]}: asv's page does not list the rise of params of {CASE}"]
    assert disagreements(history, [Listed(PARAMS, CASE, "", B)]) == []
    assert disagreements(history, [Listed(PARAMS, CASE, A, C)]) == []
    assert disagreements(history, [Listed(PARAMS, CASE, "", B), Listed(PARAMS, DENSE, "", C)]) == [
        f"{C[:12]}: asv's page lists a rise of params of {DENSE}, and here there is none"
    ]
