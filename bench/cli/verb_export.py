"""bench export"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.app import app
from bench.cli.screen import ReaderGone, say
from bench.errors import InputError, nearest


@app.command(
    short_help="Write the table of cases as CSV, Markdown or LaTeX.",
    epilog="Example: bench export results/RUN.jsonl --format latex --columns method,params_ratio,ratio",
)
def export(
    results: Annotated[list[Path], typer.Argument(help="Results files of `bench run`.")],
    form: Annotated[str, typer.Option("--format", help="csv, markdown or latex.")] = "csv",
    columns: Annotated[
        str | None, typer.Option(help="Columns by name and in order, separated by commas; `list` names them.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File instead of stdout.")] = None,
) -> None:
    """Write the table of cases: the same bytes as the copy buttons of the page.

    CSV has every number with all its digits and a column for each knob. Markdown and LaTeX (booktabs,
    siunitx) have the columns and digits of the page.
    """
    from bench.analysis.disk import write_whole
    from bench.analysis.frame import make_frame
    from bench.analysis.store import read_results
    from bench.report.export import FORMATS, column_names
    from bench.report.export import export as text_of
    from bench.report.rows import records

    if form not in FORMATS:
        raise InputError(f"--format: '{form}' is not known{nearest(form, FORMATS)}")
    rows = records(make_frame([read_results(file) for file in results]))
    if columns == "list":
        say("\n".join(column_names(rows, form)))
        return
    chosen = None if columns is None else [word.strip() for word in columns.split(",") if word.strip()]
    if chosen == []:
        raise InputError("--columns: no column is named; `--columns list` names them")
    text = text_of(rows, form, chosen)
    if output is None:
        _print(text)
    else:
        write_whole(output, text)
        say(f"table: {output}")


def _print(text: str) -> None:
    """The bytes as they are: a file made by ``>`` is the one that ``-o`` writes."""
    stream = typer.get_binary_stream("stdout")
    try:
        stream.write(text.encode("utf-8", "backslashreplace"))
        stream.flush()
    except BrokenPipeError:
        raise ReaderGone from None
