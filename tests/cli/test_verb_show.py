"""bench show: the tables of a stored run, in a pipe, for machines, and for a file that is none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

STORED = Path(__file__).parents[2] / "results" / "reference" / "amd-epyc-zen5.jsonl"


@pytest.fixture(autouse=True)
def stored(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    shutil.copy(STORED, tmp_path / "results" / "20260101-run.jsonl")


def test_a_stored_run_is_printed_with_its_ending(bench: Callable[..., Any]) -> None:
    said = bench("show", "results/20260101-run.jsonl")
    assert said.code == 0
    rows = [line.split("\t") for line in said.out.splitlines()]
    assert len(rows) == 12
    assert {len(row) for row in rows} == {8}
    assert [row[0] for row in rows] == ["vgg16_bn"] * 4 + ["resnet56"] * 4 + ["mobilenet_v2"] * 4
    assert [row[1] for row in rows[:2]] == ["dense", "csr_conv(T=4)"]
    assert said.err.splitlines()[-1] == "complete: 5 rounds, as asked for"


def test_the_newest_run_is_shown_where_none_is_named(bench: Callable[..., Any], tmp_path: Path) -> None:
    named = bench("show", "results/20260101-run.jsonl", "--header")
    said = bench("show", "--header")
    assert said.out == named.out
    assert said.out.startswith("network\tmethod\tparams ×\t")
    assert said.err.splitlines()[0] == "results/20260101-run.jsonl"


def test_the_same_for_machines(bench: Callable[..., Any]) -> None:
    answer = json.loads(bench("show", "--json").out)
    assert answer["suite"] == "reference"
    assert len(answer["cases"]) == 12
    assert answer["ending"][1] == "complete: 5 rounds, as asked for"


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("no.jsonl", "bench: no.jsonl: no such file; `bench results` lists those there are\n"),
        ("odd.jsonl", "bench: odd.jsonl:1: not a csr-bench result\n"),
    ],
)
def test_what_is_no_results_file_is_code_2(
    bench: Callable[..., Any], tmp_path: Path, file: str, words: str
) -> None:
    (tmp_path / "odd.jsonl").write_text("[]\n")
    said = bench("show", file)
    assert (said.code, said.out, said.err) == (2, "", words)


def test_no_run_at_all_is_code_2(bench: Callable[..., Any], tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "results")
    said = bench("show")
    assert (said.code, said.err) == (
        2,
        "bench: results: holds no results file; `bench run SUITE` writes one\n",
    )
