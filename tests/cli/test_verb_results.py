"""bench results and bench report: what is there is listed and shown, what is not is said."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_trials import DENSE_CASE, made_end, made_start, made_trial

from bench.analysis import glance
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


def test_whatever_lies_in_the_folder_the_runs_are_listed_and_the_code_is_0(
    bench: Callable[..., Any], folder: Path
) -> None:
    good = (folder / "20260101-a.jsonl").read_text()
    first = good.splitlines()[0]
    (folder / "20250101-torn.jsonl").write_text(good + '{"schema": 1, "ki')
    (folder / "20250102-cases.jsonl").write_text(first.replace('"cases":[', '"cases":3,"_":['))
    (folder / "20250103-list.jsonl").write_text(good.replace(f'"case":"{DENSE_CASE.id}"', '"case":["a"]'))
    (folder / "20250104-binary.jsonl").write_bytes(bytes(range(256)))
    (folder / "20250105-empty.jsonl").touch()
    (folder / "20250106-folder.jsonl").mkdir()
    (folder / "20250107-broken-link.jsonl").symlink_to("nowhere")
    os.mkfifo(folder / "20250108-pipe.jsonl")
    said = bench("results")
    assert said.code == 0
    listed = [line.split("\t")[0] for line in said.out.splitlines()]
    assert listed == [f"results/{n}.jsonl" for n in ("20250101-torn", "20260101-a", "20260102-b")]
    assert "bench: results/20250101-torn.jsonl: line 4 is cut off and was left out" in said.err
    for number in range(2, 9):
        assert f"left out: results/2025010{number}-" in said.err
    assert len(said.err.splitlines()) == 8
    assert json.loads(bench("results", "--json").out)[1]["file"] == "results/20260101-a.jsonl"


def test_a_reader_that_raises_anything_costs_its_own_file_alone(
    bench: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = glance.glance

    def read(file: Path) -> Any:
        if file.name.startswith("20260101"):
            raise KeyError("methods")
        return whole(file)

    monkeypatch.setattr(glance, "glance", read)
    said = bench("results")
    assert (said.code, len(said.out.splitlines())) == (0, 1)
    assert said.err == ("left out: results/20260101-a.jsonl: not a csr-bench result (KeyError: 'methods')\n")


@pytest.mark.parametrize(
    ("name", "words"),
    [("file", "file: is a file; name the folder that it is in"), ("n" * 300, "n: File name too long")],
)
def test_a_folder_that_cannot_be_listed_is_one_line_and_code_2(
    bench: Callable[..., Any], tmp_path: Path, name: str, words: str
) -> None:
    (tmp_path / "file").touch()
    said = bench("results", name)
    assert (said.code, said.out) == (2, "")
    assert said.err.endswith(f"{words}\n")
    assert len(said.err.splitlines()) == 1


def test_a_report_that_cannot_be_written_is_one_line_and_code_2(
    bench: Callable[..., Any], folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    said = bench("report", *folder.glob("*.jsonl"), "-o", "file/page.html")
    assert (said.code, said.out) == (2, "")
    assert said.err == "bench: file/page.html: cannot be written: file is a file, not a folder\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "results"]


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
            "bench: newer.jsonl:1: schema 99, this csr-bench reads schema 3; update csr-bench to read it\n",
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
