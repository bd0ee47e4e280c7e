"""bench report"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.app import app
from bench.cli.screen import one_line, say
from bench.errors import InputError

if TYPE_CHECKING:
    from bench.report.history import Past


@app.command(
    short_help="Write an HTML page from results files.",
    epilog="Example: bench report results/*.jsonl -o reports/all.html",
)
def report(
    output: Annotated[Path, typer.Option("-o", "--output", help="HTML file to write.")],
    results: Annotated[list[Path] | None, typer.Argument(help="Results files of `bench run`.")] = None,
    history: Annotated[
        Path | None,
        typer.Option(
            "--history", help="Folder with results of asv (results/asv): adds a chart for each case."
        ),
    ] = None,
) -> None:
    """Write one self-contained HTML page from one or more results files.

    `--history results/asv` adds how each case went from commit to commit, by the commits of this checkout.
    """
    from bench.analysis.store import read_results
    from bench.report import write_report

    if not results and history is None:
        raise InputError(
            "no results file was given, and no --history; `bench results` lists the files there are"
        )
    runs = [read_results(file) for file in results or ()]
    write_report(runs, output, None if history is None else _past(history))
    say(f"report: {output}")


def _past(folder: Path) -> Past:
    """The history under a folder of asv, with the subjects of its commits."""
    from bench.analysis.asv_results import read_asv
    from bench.analysis.history import make_history
    from bench.report.history import Past
    from bench.run import commits

    if not folder.is_dir():
        raise InputError(f"--history {folder}: no such folder; `asv run` writes results/asv")
    readings, notes = read_asv(folder)
    line = commits.line_of(commits.repository_of(Path.cwd()))
    found = make_history(readings, [commit.id for commit in line])
    for note in (*notes, *found.notes):
        say(one_line(note), err=True)
    return Past(found, {commit.id: commit.subject for commit in line})
