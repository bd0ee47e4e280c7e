"""Runs as results of asv: read back by asv itself, the same twice, and never over a better one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asv.results import Results as AsvResults
from asv.results import iter_results
from made_trials import CSR_CASE, DENSE_CASE, made_host, made_results, made_trial

from bench.analysis.asv_import import sheets_of, untracked_in_words, write_sheets
from bench.analysis.asv_results import BENCHMARKS, read_asv
from bench.analysis.store import Results
from bench.case import Case
from bench.errors import InputError

COMMIT, DATE = "a" * 40, 1_700_000_000
CASES = (DENSE_CASE, CSR_CASE)


def benchmark(name: str, version: str = "1") -> dict[str, Any]:
    params = [[repr(case.id) for case in CASES]]
    return {
        "name": name,
        "version": version,
        "params": params,
        "param_names": ["case"],
        "type": "track",
        "unit": "u",
    }


KNOWN = {name: benchmark(name) for name in BENCHMARKS.values() if "Emulated" not in name}


def run(rounds: int = 7, cases: tuple[Case, ...] = CASES, host: str = "pi5", **changes: Any) -> Results:
    facts = made_host(
        host, machine="aarch64", python="3.11.7", torch="2.13.0+cpu", system="Linux", logical_cpus=4
    )
    trials = [
        made_trial(case, n, (2.0 if case.methods == CSR_CASE.methods else 1.0) * (1 + n / 1000), host=facts)
        for case in cases
        for n in range(rounds)
    ]
    versions = {"torch": "2.13.0", "torchvision": "0.28.0"}
    made = {"started": "2026-01-02T03:04:05+00:00", "versions": versions, **changes}
    return made_results(cases, trials, **made)


def imported(
    folder: Path, results: Results, machine: str | None = None, overwrite: bool = False
) -> list[Path]:
    sheets, _ = sheets_of(results, COMMIT, DATE, KNOWN, machine)
    return write_sheets(sheets, folder, KNOWN, overwrite)


def test_asv_reads_back_what_was_written(tmp_path: Path) -> None:
    (file,) = imported(tmp_path, run())
    assert file == tmp_path / "pi5" / "aaaaaaaa-virtualenv-py3.11-torch2.13.0-torchvision0.28.0.json"
    (found,) = iter_results(str(tmp_path))
    assert (found.commit_hash, found.date) == (COMMIT, 1000 * DATE)
    assert found.params["machine"] == "pi5"
    assert found.params["torch"] == "2.13.0"
    ratio = BENCHMARKS["ratio"]
    assert found.get_result_value(ratio, KNOWN[ratio]["params"]) == pytest.approx([1.0, 2.0])
    assert found.get_result_stats(ratio, KNOWN[ratio]["params"])[1]["repeat"] == 7
    assert found.get_result_value(BENCHMARKS["params"], KNOWN[ratio]["params"]) == [100, 100]
    assert found.get_result_keys({**KNOWN}) == set(KNOWN)


def test_a_history_reads_what_was_written(tmp_path: Path) -> None:
    imported(tmp_path, run())
    readings, notes = read_asv(tmp_path)
    assert notes == []
    found = {(one.metric, one.case): one.value for one in readings}
    assert found["ratio", CSR_CASE.id] == pytest.approx(2)
    assert found["weight_bytes", CSR_CASE.id] == 400


def test_twice_is_the_same_as_once(tmp_path: Path) -> None:
    (file,) = imported(tmp_path, run())
    before = file.read_bytes()
    imported(tmp_path, run())
    assert file.read_bytes() == before
    assert sorted(path.name for path in tmp_path.rglob("*.json")) == sorted(
        [file.name, "benchmarks.json", "machine.json"]
    )


def test_never_over_a_better_run_unless_asked(tmp_path: Path) -> None:
    (file,) = imported(tmp_path, run(7))
    before = file.read_bytes()
    with pytest.raises(InputError, match=r"from 7 rounds, and r\.jsonl has 5; --replace"):
        imported(tmp_path, run(5))
    assert file.read_bytes() == before
    imported(tmp_path, run(5), overwrite=True)
    assert file.read_bytes() != before
    imported(tmp_path, run(9))
    assert (
        AsvResults.load(str(file)).get_result_stats(
            BENCHMARKS["latency"], KNOWN[BENCHMARKS["latency"]]["params"]
        )[0]["repeat"]
        == 9
    )


def test_what_stood_there_of_other_cases_stays(tmp_path: Path) -> None:
    imported(tmp_path, run(cases=(DENSE_CASE, CSR_CASE)))
    imported(tmp_path, run(9, cases=(DENSE_CASE,)))
    (found,) = iter_results(str(tmp_path))
    latency = BENCHMARKS["latency"]
    assert [s["repeat"] for s in found.get_result_stats(latency, KNOWN[latency]["params"])] == [9, 7]


def test_a_description_of_the_machine_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "pi5").mkdir()
    mine = '{"machine": "pi5", "os": "mine", "version": 1}'
    (tmp_path / "pi5" / "machine.json").write_text(mine)
    imported(tmp_path, run())
    assert (tmp_path / "pi5" / "machine.json").read_text() == mine
    (found,) = iter_results(str(tmp_path))
    assert found.params["os"] == "mine"


def test_another_target_is_another_line_with_the_same_cases(tmp_path: Path) -> None:
    on_pi = tuple(replace(case, target="pi") for case in CASES)
    imported(tmp_path, run(cases=on_pi), machine="pi5")
    on_gpu = tuple(replace(case, target="cuda") for case in CASES)
    imported(tmp_path, run(cases=on_gpu, host="tower"))
    found = {one.params["machine"]: one for one in iter_results(str(tmp_path))}
    assert set(found) == {"pi5", "tower-cuda"}
    ratio = BENCHMARKS["ratio"]
    for one in found.values():
        assert one.get_result_value(ratio, KNOWN[ratio]["params"]) == pytest.approx([1.0, 2.0])


def test_counts_alone_are_imported_for_a_machine_that_is_named(tmp_path: Path) -> None:
    counted = made_results(CASES, [])
    with pytest.raises(InputError, match="name it with --machine"):
        imported(tmp_path, counted)
    imported(tmp_path, counted, machine="counter")
    assert {one.metric for one in read_asv(tmp_path)[0]} >= {"params", "macs", "disputed_layers"}
    assert "latency" not in {one.metric for one in read_asv(tmp_path)[0]}


def test_cases_that_asv_does_not_track_are_left_out_by_name(tmp_path: Path) -> None:
    other = replace(CSR_CASE, seed=5)
    _, strange = sheets_of(run(cases=(DENSE_CASE, other)), COMMIT, DATE, KNOWN)
    assert strange == [other.id]
    assert untracked_in_words(strange) == f"not tracked, and left out: {other.id}"
    assert untracked_in_words([]) == ""
    with pytest.raises(InputError, match="none of its 1 cases is tracked"):
        sheets_of(run(cases=(other,)), COMMIT, DATE, KNOWN)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden"])
def test_a_machine_has_a_name_that_a_folder_can_have(name: str) -> None:
    with pytest.raises(InputError, match="--machine"):
        sheets_of(run(host=name), COMMIT, DATE, KNOWN)


def test_one_name_for_several_machines_is_refused() -> None:
    both = run()
    both.trials.extend(run(host="other").trials)
    with pytest.raises(InputError, match=r"several machines measured \(other, pi5\)"):
        sheets_of(both, COMMIT, DATE, KNOWN, "pi5")


def test_what_is_not_asvs_is_not_overwritten(tmp_path: Path) -> None:
    (file,) = imported(tmp_path, run())
    file.write_text("{")
    with pytest.raises(InputError, match=file.name):
        imported(tmp_path, run())
