"""bench report"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.app import app
from bench.cli.screen import say


@app.command(
    short_help="Write an HTML page from results files.",
    epilog="Example: bench report results/*.jsonl -o reports/all.html",
)
def report(
    results: Annotated[list[Path], typer.Argument(help="Results files of `bench run`.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="HTML file to write.")],
) -> None:
    """Write one self-contained HTML page from one or more results files."""
    from bench.analysis.store import read_results
    from bench.report import write_report

    write_report([read_results(file) for file in results], output)
    say(f"report: {output}")
