"""bench results"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.app import app
from bench.cli.options import AsJson, Header
from bench.cli.screen import one_line, print_table, say
from bench.errors import InputError

if TYPE_CHECKING:
    from bench.analysis.glance import Glance

COLUMNS = ("file", "suite", "started", "cases", "trials", "failed", "state", "revision")


@app.command(short_help="List the runs of a folder.", epilog="Example: bench results --json")
def results(
    folder: Annotated[Path, typer.Argument(help="Folder with results files.")] = Path("results"),
    header: Header = False,
    as_json: AsJson = False,
) -> None:
    """List the runs of a folder, oldest first; a file that holds none is named on stderr and left out."""
    from bench.analysis.store import list_results

    _check(folder)
    rows = []
    for file in list_results(folder):
        row, problem = _row_or_problem(file)
        if problem:
            say(one_line(f"left out: {problem}"), err=True)
        else:
            rows.append(row)
    if as_json:
        say(json.dumps(rows, indent=1))
    else:
        print_table(
            list(COLUMNS), [[str(row[c]) for c in COLUMNS] for row in rows], right=(3, 4, 5), header=header
        )


def _check(folder: Path) -> None:
    try:
        os.scandir(folder).close()
    except FileNotFoundError:
        raise InputError(f"{folder}: no such folder; `bench run` makes it") from None
    except NotADirectoryError:
        raise InputError(f"{folder}: is a file; name the folder that it is in") from None
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}") from None


def _row_or_problem(file: Path) -> tuple[dict[str, Any], str]:
    """What the listing says of a file, or why it says nothing."""
    from bench.analysis.glance import glance

    try:
        if not file.is_file():
            return {}, f"{file}: not a regular file"
        return _row(file, glance(file)), ""
    except InputError as error:
        return {}, str(error)
    except Exception as error:  # noqa: BLE001 - any file may lie in the folder; the others are still to be listed
        return {}, f"{file}: not a csr-bench result ({type(error).__name__}: {error})"


def _row(file: Path, run: Glance) -> dict[str, Any]:
    return {
        "file": str(file),
        "suite": run.start.suite,
        "started": run.start.started,
        "cases": len(run.start.cases),
        "trials": run.trials,
        "failed": run.failed,
        "state": "complete" if run.complete else "unfinished",
        "revision": run.start.revision,
    }
