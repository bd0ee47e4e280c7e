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
    from collections.abc import Collection

    from bench.analysis.store import Results


@app.command(
    short_help="Write an HTML page from results files.",
    epilog="Example: bench report results/old.jsonl results/new.jsonl --open",
)
def report(
    results: Annotated[
        list[Path],
        typer.Argument(help="Results files of `bench run`.", autocompletion=completion.result_files),
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="HTML file to write; reports/RUN.html by default.")
    ] = None,
    history: Annotated[
        Path | None, typer.Option(help="Folder whose other runs make the history of each case: results.")
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Show the page in the browser.")] = False,
) -> None:
    """Write one self-contained HTML page from one or more results files.

    Of two files the first is the base and the second the head: the page compares them as `bench compare`
    does. Files of several hosts stand side by side. Each report writes reports/index.html anew.
    """
    from bench.analysis.store import read_results
    from bench.report import write_report

    measured = [read_results(file) for file in results]
    past = _past(history, {one.start.run for one in measured}) if history else []
    page = output or Path("reports") / f"{results[-1].stem}.html"
    write_report(measured, page, past)
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
