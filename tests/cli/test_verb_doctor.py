"""bench doctor: what it found, the code that follows from it, and peaks that cannot be kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_trials import made_conditions, made_host, made_trial

from bench.analysis.records import Trial
from bench.analysis.redaction import shown_host
from bench.plan import target_file
from bench.plan.targets import Target
from bench.run import doctor
from bench.run.doctor import NothingMeasuredError, SelfTest
from bench.run.reach import Reached
from bench.worker.protocol import Facts, Failure

SELF_TEST = doctor.self_test

PEAK = {"threads": 1, "flops": {"float32": 2e9}, "bandwidth": 3e9}


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> None:
    """A self-test that takes no time: this host can gate at 5 %, not at 1 %."""
    found = SelfTest(20, 1, 0.04, 0.01, 0.02, {"busy": 2}, 0.006, 0.015)
    monkeypatch.setattr(doctor, "self_test", lambda *_: (found, []))
    monkeypatch.setattr(doctor, "neighbours", lambda: AROUND)
    monkeypatch.setattr(doctor, "gpu_users", lambda: "unknown")
    monkeypatch.setattr(doctor, "measure_peaks", lambda: ([PEAK], ("peaks with 9 threads: no",)))


AROUND = doctor.Neighbours((0.5, 0.25, 0.1), 2**31, 2**30, (("comp[/b]iler", 0.75),))


@pytest.mark.parametrize(("gate", "code"), [("5%", 0), ("1%", 1)])
def test_the_code_says_whether_the_host_can_gate(
    bench: Callable[..., Any], examined: None, gate: str, code: int
) -> None:
    said = bench("doctor", "--gate", gate)
    assert (said.code, said.err) == (code, "")
    rows = dict(line.split("\t", 1) for line in said.out.splitlines() if "\t" in line)
    assert rows["load over 1, 5 and 15 minutes"] == "0.5, 0.25, 0.1"
    assert rows["memory available"] == "1.0 of 2.0 GiB"
    assert rows["busiest other processes"] == "comp[/b]iler 0.75 cores"
    assert rows["A/A processes"] == "20, 1 failed"
    fit = "fit" if code == 0 else "not fit"
    assert said.out.splitlines()[0] == (
        f"{fit} to judge changes of {gate.replace('%', ' %')}: this host can gate at 2%, 5%, 10% with 5 "
        "rounds; a change of 1.5% is found with 95 %"
    )


def test_bug_raw_dictionaries_and_bytes_stood_in_the_examination(
    bench: Callable[..., Any], examined: None
) -> None:
    rows = dict(line.split("\t", 1) for line in bench("doctor").out.splitlines() if "\t" in line)
    assert not [value for value in rows.values() if value[:1] in "{["]
    assert not {"busy_jiffies", "memory_bytes", "affinity", "cpu_pressure_10s"} & set(rows)
    assert rows["memory"].endswith(" GiB")
    assert rows["oneDNN"] in ("yes", "no")
    assert rows["cores that this process may use"].split(", ")[0].isdecimal()
    assert rows["A/A difference between processes"] == "0.6 % (standard deviation)"
    assert bench("doctor", "--header").out.splitlines()[1] == "fact\tvalue"


def test_the_examination_for_machines_with_peaks_that_are_kept(
    bench: Callable[..., Any], examined: None, tmp_path: Path
) -> None:
    said = bench("doctor", "--json", "--peaks")
    assert (said.code, said.err) == (0, "peaks with 9 threads: no\n")
    answer = json.loads(said.out)
    assert answer["fit"] is True
    assert answer["can_gate"] == {"1%": False, "2%": True, "5%": True, "10%": True}
    assert answer["neighbours"]["busiest"] == [["comp[/b]iler", 0.75]]
    assert answer["peaks"] == [PEAK]
    assert answer["peaks_file"] == "results/peaks.json"
    stored = json.loads((tmp_path / "results" / "peaks.json").read_text())
    verdict = "this host can gate at 2%, 5%, 10% with 5 rounds; a change of 1.5% is found with 95 %"
    told = {**answer["host"], "name": shown_host(answer["host"]["name"])}
    assert stored == {"host": told, "peaks": [PEAK], "doctor": {"verdict": verdict}}


def test_peaks_that_cannot_be_kept_are_told_before_anything_is_measured(
    bench: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "measure_peaks", lambda: pytest.fail("measured"))
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "peaks.json").mkdir()
    said = bench("doctor", "--peaks")
    assert (said.code, said.out) == (2, "")
    assert said.err == "bench: results/peaks.json: cannot be written: Is a directory\n"


def test_a_host_that_measures_nothing_is_one_line_and_code_1(
    bench: Callable[..., Any], examined: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: object) -> None:
        raise NothingMeasuredError("only 0 of 20 pairs could be measured: no memory")

    monkeypatch.setattr(doctor, "self_test", nothing)
    said = bench("doctor")
    assert (said.code, said.out) == (1, "")
    assert said.err == "bench: only 0 of 20 pairs could be measured: no memory\n"


@pytest.fixture
def board(examined: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A target ``pi`` of the user's own that answers, and one ``off`` that does not."""
    file = tmp_path / "targets.yaml"
    file.write_text("pi: {launch: ssh pi, threads: 4, cores: big}\n'off': {launch: ssh off}\n")
    monkeypatch.setattr(target_file, "targets_file", lambda: file)

    def reach(target: Target, timeout: float) -> Reached:
        error = (
            Failure("launch", "ConnectionLost", "ssh ended with code 255") if target.name == "off" else None
        )
        return Reached(target, Facts(error=error), 1.0)

    def sitting(target: Target, jobs: Any, measure: Any, coin: Any) -> list[Trial]:
        assert (target.name, jobs[0].cores, jobs[0].case.threads) == ("pi", "big", 4)
        host = made_host("board", cpu="Cortex-A76")
        return [made_trial(jobs[0].case, host=host, before=made_conditions()) for _ in jobs]

    monkeypatch.setattr(doctor, "reach", reach)
    monkeypatch.setattr(doctor, "_sitting", sitting)
    monkeypatch.setattr(doctor, "self_test", SELF_TEST)


def test_a_board_is_examined_through_its_target(bench: Callable[..., Any], board: None) -> None:
    said = bench("doctor", "--target", "pi", "--pairs", "6")
    assert said.code == 0, said.err
    assert "Cortex-A76" in said.out
    assert "busiest other processes" not in said.out
    assert "target pi can gate at 1%, 2%, 5%, 10% with 5 rounds" in said.out
    answer = json.loads(bench("doctor", "--target", "pi", "--pairs", "6", "--json").out)
    assert (answer["target"], answer["host"]["id"], answer["neighbours"]) == ("pi", "board", None)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--target", "off"), "target off does not answer: ssh ended with code 255"),
        (("--target", "pj"), "unknown target 'pj'; did you mean 'pi'?"),
        (("--target", "pi", "--peaks"), "--peaks measures this host: leave --target out"),
        (("--target", "cortex-a72"), "target cortex-a72: an emulated core has no clock worth reading"),
    ],
)
def test_a_target_that_cannot_be_examined_is_code_2(
    bench: Callable[..., Any], board: None, words: tuple[str, ...], problem: str
) -> None:
    said = bench("doctor", *words)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"bench: {problem}")
