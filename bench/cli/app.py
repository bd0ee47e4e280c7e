"""The verbs together, and what becomes of an error."""

from __future__ import annotations

import importlib
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

import bench
from bench.errors import InputError

app = typer.Typer(
    name="bench",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Measure what compressed convolutions deliver on this hardware.\n\n"
    "Example: bench run suites/smoke.yaml",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bench {bench.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    del version


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """A warning is one line for a person, without the place in our source."""
    typer.echo(f"bench: {message}", err=True)


def main() -> None:
    """Runs the command line: exit 2 with one line on stderr for wrong input, no traceback."""
    warnings.showwarning = _show_warning
    for verb in sorted(Path(__file__).parent.glob("verb_*.py")):
        importlib.import_module(f"bench.cli.{verb.stem}")
    try:
        app()
    except InputError as error:
        typer.echo(f"bench: {error}", err=True)
        sys.exit(2)
    except SystemExit as end:
        # The reader (head, less) has gone: click ends with 1, but nothing went wrong.
        if isinstance(end.__context__, BrokenPipeError):
            sys.exit(0)
        raise
