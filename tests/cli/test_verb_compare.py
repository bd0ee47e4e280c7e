"""bench compare: its exit code is that of the comparison, whatever becomes of what it prints."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_trials import CSR_CASE, DENSE_CASE, made_results, made_trial

from bench.analysis.records import Record
from bench.analysis.store import Store
from bench.case import Case

Seconds = list[tuple[Case, float]]

BASE: Seconds = [(DENSE_CASE, 1e-3), (CSR_CASE, 1e-3)]
HEADS: dict[int, Seconds] = {
    0: BASE,
    1: [(DENSE_CASE, 1e-3), (CSR_CASE, 2e-3)],
    4: [(DENSE_CASE, 1e-3)],
}
"""Exit code -> seconds of each case after the change."""


def write(file: Path, seconds: Seconds) -> Path:
    """A results file with five quiet rounds."""
    trials = [
        made_trial(case, number, centre * (1 + number / 1000))
        for case, centre in seconds
        for number in range(5)
    ]
    made = made_results([case for case, _ in seconds], trials)
    with Store(file) as store:
        records: list[Record] = [made.start, *made.counts.values(), *made.trials]
        for record in records:
            store.append(record)
    return file


@pytest.mark.parametrize("code", HEADS)
@pytest.mark.parametrize("json", [False, True])
def test_each_outcome_has_its_code(bench: Callable[..., Any], tmp_path: Path, code: int, json: bool) -> None:
    base, head = write(tmp_path / "a.jsonl", BASE), write(tmp_path / "b.jsonl", HEADS[code])
    said = bench("compare", base, head, *(["--json"] if json else []))
    assert said.code == code
    assert said.out


@pytest.mark.parametrize("code", HEADS)
def test_a_reader_that_has_gone_does_not_change_the_code(tmp_path: Path, code: int) -> None:
    base, head = write(tmp_path / "a.jsonl", BASE), write(tmp_path / "b.jsonl", HEADS[code])
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", "compare", str(base), str(head)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate()
    assert process.returncode == code
    assert b"Traceback" not in errors
    assert b"Broken" not in errors


def test_a_stdout_in_latin_1_gets_spelled_out_what_it_has_no_letter_for(tmp_path: Path) -> None:
    base, head = write(tmp_path / "a.jsonl", BASE), write(tmp_path / "b.jsonl", HEADS[1])
    done = subprocess.run(
        [sys.executable, "-m", "bench", "compare", str(base), str(head)],
        env={**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"\\u2026" in done.stdout  # the dots between an interval's ends


def test_bug_counts_of_an_absent_case_were_called_equal(bench: Callable[..., Any], tmp_path: Path) -> None:
    base, head = write(tmp_path / "a.jsonl", BASE), write(tmp_path / "b.jsonl", HEADS[4])
    said = bench("compare", base, head)
    rows = [line.split("\t") for line in said.out.splitlines()]
    assert [row[4] for row in rows] == ["counts equal", "counts unknown"]
    assert [row[1] for row in rows] == ["same within 3 %", "cannot tell"]
    assert said.err.splitlines()[-2:] == [
        "2 cases: 1 same, 1 cannot tell; counts: 1 equal, 1 unknown",
        "cannot tell for at least one case",
    ]


def test_a_comparison_has_names_of_columns_on_request(bench: Callable[..., Any], tmp_path: Path) -> None:
    base, head = write(tmp_path / "a.jsonl", BASE), write(tmp_path / "b.jsonl", HEADS[0])
    said = bench("compare", base, head, "--header")
    assert said.out.splitlines()[0].split("\t") == ["case", "time", "head/base", "interval", "counts", "note"]
