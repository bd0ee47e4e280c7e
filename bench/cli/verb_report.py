"""bench report"""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import completion
from bench.cli.app import app
from bench.cli.screen import one_line, say
from bench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from bench.analysis.store import Results
    from bench.report.commit_charts import CommitsToDraw


@app.command(
    short_help="Write an HTML page from results files.",
    epilog="Example: bench report results/old.jsonl results/new.jsonl --open",
)
def report(
    results: Annotated[
        list[Path] | None,
        typer.Argument(help="Results files of `bench run`.", autocompletion=completion.result_files),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="HTML file to write; reports/RUN.html by default.")
    ] = None,
    history: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder whose other runs make the history of each case (results), or that of asv's results "
            "(results/asv) for each case from commit to commit; may be repeated."
        ),
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Show the page in the browser.")] = False,
) -> None:
    """Write one self-contained HTML page from one or more results files.

    Of two files the first is the base and the second the head: the page compares them as `bench compare`
    does. Files of several hosts stand side by side. Each report writes reports/index.html anew.
    """
    from bench.analysis.asv_results import is_asv_folder
    from bench.analysis.store import read_results
    from bench.report import write_report

    folders = [folder for folder in history or () if not is_asv_folder(folder)]
    of_asv = [folder for folder in history or () if is_asv_folder(folder)]
    if not results and not of_asv:
        raise InputError("no results file was given; `bench results` lists those there are")
    measured = [read_results(file) for file in results or ()]
    shown = {one.start.run for one in measured}
    past = [one for folder in folders for one in _past(folder, shown)]
    page = output or Path("reports") / f"{results[-1].stem if results else 'history'}.html"
    write_report(measured, page, past, _commits(of_asv) if of_asv else None)
    say(f"report: {page}")
    if open_page and not webbrowser.open(page.resolve().as_uri()):
        say(f"bench: no browser was found; open {page} yourself", err=True)


def _past(folder: Path, shown: Collection[str]) -> list[Results]:
    """The folder's other runs; a file that cannot be read is named and left out."""
    from bench.analysis.store import list_results, read_results

    if not folder.is_dir():
        raise InputError(f"--history {folder}: no such folder; `bench run` makes one with the first run")
    found = []
    for file in list_results(folder):
        try:
            one = read_results(file)
        except InputError as error:
            say(one_line(f"left out: {error}"), err=True)
            continue
        if one.start.run not in shown:
            found.append(one)
    return found


def _commits(folders: Sequence[Path]) -> CommitsToDraw:
    """The histories under folders of asv, with the subjects of this checkout's commits."""
    from bench.analysis.asv_results import read_asv
    from bench.analysis.commit_history import make_commit_history
    from bench.report.commit_charts import CommitsToDraw
    from bench.run import commits

    read = [read_asv(folder) for folder in folders]
    line = commits.line_of(commits.repository_of(Path.cwd()))
    found = make_commit_history(
        (one for readings, _ in read for one in readings), [commit.id for commit in line]
    )
    for note in (*(note for _, notes in read for note in notes), *found.notes):
        say(one_line(note), err=True)
    return CommitsToDraw(found, {commit.id: commit.subject for commit in line})
