"""The verbs together, and what becomes of an error."""

from __future__ import annotations

import importlib
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer
from typer.models import CommandInfo

import bench
from bench.cli.ending import INTERRUPTED, internal_error
from bench.cli.screen import ReaderGone, one_line, reader_gone, say
from bench.errors import InputError

app = typer.Typer(
    name="bench",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Measure what compressed convolutions deliver on this hardware.\n\nExample: bench run smoke",
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
    say(one_line(f"bench: {message}"), err=True)


def _verb(command: CommandInfo) -> str:
    return command.name or str(getattr(command.callback, "__name__", ""))


def main() -> None:
    """Runs the command line and leaves with its exit code; whatever goes wrong is one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal in Latin-1 shows what it has no letter for as \u2192
            stream.reconfigure(errors="backslashreplace")
    warnings.showwarning = _show_warning
    try:
        for verb in sorted(Path(__file__).parent.glob("verb_*.py")):
            importlib.import_module(f"bench.cli.{verb.stem}")
        app.registered_commands.sort(key=_verb)
        app()
    except SystemExit as end:
        if _came_from(end, KeyboardInterrupt):
            _interrupted()
        if isinstance(broken := end.__context__, BrokenPipeError):
            # typer ends with 1; but either the reader (head, less) has had enough, or a worker's pipe broke.
            sys.exit(0 if reader_gone() else internal_error(broken))
        raise
    except KeyboardInterrupt:
        _interrupted()
    except ReaderGone:
        sys.exit(0)
    except InputError as error:
        say(f"bench: {error}", err=True)
        sys.exit(2)
    except Exception as error:  # noqa: BLE001 - code 1 means "got worse", and a mistake of ours says no such thing
        sys.exit(_of_the_disk(error) or internal_error(error))


def _interrupted() -> None:
    say("bench: interrupted", err=True)
    sys.exit(INTERRUPTED)


def _came_from(end: BaseException, kind: type[BaseException]) -> bool:
    """True when ``end`` was raised while, or because, an exception of that kind was handled."""
    behind = end.__cause__ or end.__context__
    return behind is not None and (isinstance(behind, kind) or _came_from(behind, kind))


def _of_the_disk(error: Exception) -> int:
    """Says what is wrong with a file or the disk and returns 2; 0 for any other error."""
    from bench.analysis.disk import DISK_ERRORS

    if not isinstance(error, OSError) or error.strerror is None:
        return 0
    if error.filename is None and error.errno not in DISK_ERRORS:
        return 0
    name = "" if error.filename is None else f"{error.filename}: "
    say(one_line(f"bench: {name}{error.strerror}"), err=True)
    return 2
