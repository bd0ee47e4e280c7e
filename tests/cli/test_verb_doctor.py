"""bench doctor: what it found, the code that follows from it, and peaks that cannot be kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.run import doctor
from bench.run.doctor import NothingMeasuredError, SelfTest

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
    assert said.out.endswith(
        "this host can gate at 2%, 5%, 10% with 5 rounds; a change of 1.5% is found with 95 %\n"
    )


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
    assert stored == {"host": answer["host"], "peaks": [PEAK], "doctor": {"verdict": verdict}}


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
