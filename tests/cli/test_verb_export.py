"""bench export and bench report: the same table as text, pages where they belong, and their index."""

from __future__ import annotations

import csv
import io
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from golden import after, before, board

from bench.analysis.records import Record
from bench.analysis.redaction import shown_host
from bench.analysis.store import Results, Store
from bench.report import index


def stored(results: Results, folder: Path) -> Path:
    file = folder / f"{results.start.run}.jsonl"
    with Store(file) as store:
        store.append(results.start)
        records: list[Record] = [*results.counts.values(), *results.trials]
        for record in (*records, *results.profiles.values(), *results.ends):
            store.append(record)
    return file.relative_to(folder.parent)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [stored(one, tmp_path / "results") for one in (before(), after(), board())]


def test_csv_on_stdout_is_read_back(bench: Callable[..., Any], files: list[Path]) -> None:
    said = bench("export", files[1])
    assert (said.code, said.err) == (0, "")
    found = list(csv.DictReader(io.StringIO(said.out)))
    assert len(found) == 11
    assert {"knob.T", "ratio_low", "delivered_low", "verdict"} <= set(found[0])


def test_a_file_has_the_same_bytes_as_stdout(
    bench: Callable[..., Any], files: list[Path], tmp_path: Path
) -> None:
    for form in ("csv", "markdown", "latex"):
        printed = bench("export", *files, "--format", form)
        said = bench("export", *files, "--format", form, "-o", "out/table")
        assert (said.code, said.out) == (0, "table: out/table\n")
        assert (tmp_path / "out/table").read_text(encoding="utf-8") == printed.out


def test_columns_are_chosen_and_listed(bench: Callable[..., Any], files: list[Path]) -> None:
    said = bench("export", files[1], "--format", "latex", "--columns", "method, ratio")
    assert said.out.splitlines()[1].startswith("\\begin{tabular}{lS[")
    listed = bench("export", files[1], "--format", "latex", "--columns", "list").out.splitlines()
    assert listed[:2] == ["backbone", "method"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--format", "cvs"), "bench: --format: 'cvs' is not known; did you mean 'csv'?\n"),
        (("--columns", "rato"), "bench: --columns: 'rato' is no column here; did you mean 'ratio'?\n"),
        (("--columns", " ,"), "bench: --columns: no column is named; `--columns list` names them\n"),
    ],
)
def test_wrong_input_is_code_2(
    bench: Callable[..., Any], files: list[Path], options: tuple[str, ...], words: str
) -> None:
    said = bench("export", files[0], *options)
    assert (said.code, said.out, said.err) == (2, "", words)


def test_a_report_goes_to_reports_under_the_runs_name_and_is_listed(
    bench: Callable[..., Any], files: list[Path], tmp_path: Path
) -> None:
    assert bench("report", files[0]).out == "report: reports/20260101-a.html\n"
    said = bench("report", files[1])
    assert (said.code, said.out) == (0, "report: reports/20260201-b.html\n")
    found = index.entries(tmp_path / "reports")
    assert [entry.file for entry in found] == ["20260201-b.html", "20260101-a.html"]
    assert (found[0].suites, found[0].hosts, found[0].cases) == ("golden", shown_host("rack"), 11)
    assert found[0].headline
    text = (tmp_path / "reports/index.html").read_text(encoding="utf-8")
    assert 'href="20260201-b.html"' in text


def test_a_page_elsewhere_stands_alone(bench: Callable[..., Any], files: list[Path], tmp_path: Path) -> None:
    assert bench("report", files[0], "-o", "mine/page.html").code == 0
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["page.html"]
    assert not (tmp_path / "reports").exists()


def test_two_files_are_base_and_head(bench: Callable[..., Any], files: list[Path], tmp_path: Path) -> None:
    bench("report", files[0], files[1])
    text = (tmp_path / "reports/20260201-b.html").read_text(encoding="utf-8")
    assert "Base against head: 20260101-a and 20260201-b" in text
    assert "params 500 → 501" in text
    bench("report", files[1], files[2])
    text = (tmp_path / "reports/20260202-c.html").read_text(encoding="utf-8")
    assert "Times are not compared: the hosts differ" in text
    assert "Host beside host" in text


def test_history_comes_from_the_other_runs_of_a_folder(
    bench: Callable[..., Any], files: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "results" / "odd.jsonl").write_text("{}\n")
    said = bench("report", files[1], "--history", "results")
    assert said.code == 0
    assert said.err.startswith("left out: results/odd.jsonl")
    text = (tmp_path / "reports/20260201-b.html").read_text(encoding="utf-8")
    assert "1 step in" in text
    assert "Base against head" not in text
    said = bench("report", files[1], "--history", "nowhere")
    assert (said.code, said.out) == (2, "")


def test_the_page_is_opened_where_asked(
    bench: Callable[..., Any], files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def shown(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", shown)
    bench("report", files[0])
    assert opened == []
    bench("report", files[0], "--open")
    assert opened == [(tmp_path / "reports/20260101-a.html").as_uri()]
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    assert "no browser was found" in bench("report", files[0], "--open").err


def test_an_index_lists_what_says_nothing_of_itself_by_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "old <b>.html").write_text("<title>x</title>")
    (folder / "odd.html").write_text('<meta name="csr-bench" content="[1">')
    (folder / "list.html").write_text('<meta name="csr-bench" content="[1]">')
    (folder / "asv").mkdir()
    text = index.write_index(folder).read_text(encoding="utf-8")
    assert "old &lt;b&gt;.html" in text
    assert 'href="old%20%3Cb%3E.html"' in text
    assert {entry.started for entry in index.entries(folder)} == {""}
    assert "No page is here yet" in index.index_page([])
