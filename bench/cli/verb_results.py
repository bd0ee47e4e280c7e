"""bench results"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.app import app
from bench.cli.screen import print_table
from bench.errors import InputError


@app.command(epilog="Example: bench results --json")
def results(
    folder: Annotated[Path, typer.Argument(help="Folder with results files.")] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """List the runs of a folder, oldest first."""
    from bench.analysis.store import list_results, read_results

    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; `bench run` makes it")
    rows = []
    for file in list_results(folder):
        try:
            run = read_results(file)
        except InputError as error:
            typer.echo(f"left out: {error}", err=True)
            continue
        failed = len({t.case for t in run.trials if t.status != "ok"})
        failed += sum(1 for count in run.counts.values() if count.status != "ok")
        rows.append(
            {
                "file": str(file),
                "suite": run.start.suite,
                "started": run.start.started,
                "cases": len(run.start.cases),
                "trials": len(run.trials),
                "failed": failed,
                "state": "complete" if run.complete else "unfinished",
                "revision": run.start.revision,
            }
        )
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    columns = ["file", "suite", "started", "cases", "trials", "failed", "state", "revision"]
    print_table(columns, [[str(row[c]) for c in columns] for row in rows], right=(3, 4, 5))
