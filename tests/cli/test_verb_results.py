"""bench results and bench report: what is there is listed and shown, what is not is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_trials import DENSE_CASE, made_end, made_start, made_trial

from bench.analysis.store import Store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, status in (("20260102-b", "complete"), ("20260101-a", "interrupted")):
        with Store(tmp_path / "results" / f"{name}.jsonl") as store:
            store.append(made_start([DENSE_CASE], run=name, measure={"rounds": 1}, revision="abc"))
            store.append(made_trial(DENSE_CASE, error="m", run=name))
            store.append(made_end(name, status))
    return tmp_path / "results"


def test_runs_are_listed_oldest_first(bench: Callable[..., Any], folder: Path) -> None:
    said = bench("results")
    assert said.code == 0
    assert [line.split("\t") for line in said.out.splitlines()] == [
        ["results/20260101-a.jsonl", "s", "2026", "1", "1", "1", "unfinished", "abc"],
        ["results/20260102-b.jsonl", "s", "2026", "1", "1", "1", "complete", "abc"],
    ]
    assert "\x1b" not in said.out


def test_runs_for_machines(bench: Callable[..., Any], folder: Path) -> None:
    rows = json.loads(bench("results", str(folder), "--json").out)
    assert [row["state"] for row in rows] == ["unfinished", "complete"]
    assert rows[0]["cases"] == rows[0]["trials"] == rows[0]["failed"] == 1


def test_a_file_that_cannot_be_read_is_named_and_left_out(bench: Callable[..., Any], folder: Path) -> None:
    (folder / "20250101-x.jsonl").write_text('{"schema": 99}\n')
    said = bench("results")
    assert said.code == 0
    assert len(said.out.splitlines()) == 2
    assert said.err.startswith("left out: results/20250101-x.jsonl:1: schema 99")


def test_an_empty_folder_lists_nothing(bench: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    assert bench("results").out == ""
    assert json.loads(bench("results", "--json").out) == []


def test_a_folder_that_is_not_there_is_code_2(bench: Callable[..., Any]) -> None:
    said = bench("results")
    assert (said.code, said.err) == (2, "bench: results: no such folder; `bench run` makes it\n")


def test_a_report_is_written_from_results(bench: Callable[..., Any], folder: Path, tmp_path: Path) -> None:
    files = sorted(folder.glob("*.jsonl"))
    said = bench("report", *files, "-o", "out/page.html")
    assert (said.code, said.out) == (0, "report: out/page.html\n")
    assert "resnet20" in (tmp_path / "out/page.html").read_text()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no.jsonl", "bench: no.jsonl: no such file; `bench results` lists those there are\n"),
        (
            "garbage.jsonl",
            "bench: garbage.jsonl: holds no run; a results file of `bench run` begins with one\n",
        ),
        (
            "newer.jsonl",
            "bench: newer.jsonl:1: schema 99, this csr-bench reads schema 1; update csr-bench to read it\n",
        ),
    ],
)
def test_a_report_of_what_cannot_be_read_is_code_2_and_no_page(
    bench: Callable[..., Any], tmp_path: Path, name: str, words: str
) -> None:
    (tmp_path / "garbage.jsonl").write_bytes(b"\x89PNG\n\xff")
    (tmp_path / "newer.jsonl").write_text('{"schema": 99}\n')
    said = bench("report", name, "-o", "page.html")
    assert (said.code, said.out, said.err) == (2, "", words)
    assert not (tmp_path / "page.html").exists()
