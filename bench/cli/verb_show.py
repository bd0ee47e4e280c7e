"""bench show"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import completion
from bench.cli.app import app
from bench.cli.options import AsJson, Header
from bench.cli.screen import print_account, say
from bench.errors import InputError


@app.command(
    short_help="Print the tables of a run.",
    epilog="Example: bench show results/20260101-120000-smoke-1a2b.jsonl",
)
def show(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="Results file of `bench run`; the newest in results/ by default.",
            autocompletion=completion.result_files,
        ),
    ] = None,
    header: Header = False,
    as_json: AsJson = False,
) -> None:
    """Print what `bench run` printed at its end: a table per backbone, marks, and why the run ended.

    Parameters and MACs are those of dense times the number shown; zeros count nothing. In a pipe every line
    begins with the backbone, and the cells are separated by tabs.

    Exit: 0 printed, 2 the file cannot be read.
    """
    from bench.analysis.store import read_results
    from bench.report.terminal import account

    chosen = _newest(Path("results")) if file is None else file
    results = read_results(chosen)
    found = account(results)
    if as_json:
        run = {"file": str(chosen), "run": results.start.run, "suite": results.start.suite}
        say(json.dumps({**run, **found.as_dict()}, indent=1))
        return
    if file is None:
        say(str(chosen), err=True)
    print_account(found, header)


def _newest(folder: Path) -> Path:
    """The newest results file of the folder. Raises InputError where there is none."""
    from bench.analysis.store import list_results

    found = list(list_results(folder)) if folder.is_dir() else []
    if not found:
        raise InputError(f"{folder}: holds no results file; `bench run SUITE` writes one")
    return found[-1]
