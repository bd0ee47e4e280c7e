"""bench asv"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.app import app
from bench.cli.screen import say
from bench.errors import InputError

BENCHMARK_FOLDER = Path("bench/tracking")

asv_verbs = typer.Typer(
    name="asv",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="What asv itself cannot do with its results.\n\n"
    "Example: bench asv import results/pi.jsonl --machine pi5",
    short_help="Bring results of any machine onto asv's page.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(asv_verbs)


@asv_verbs.callback()
def _asv() -> None:
    """What asv itself cannot do with its results."""


@asv_verbs.command(
    name="import",
    short_help="Write results of `bench run` as results of asv.",
    epilog="Example: bench asv import results/pi.jsonl --machine pi5",
)
def import_(
    results: Annotated[list[Path], typer.Argument(help="Results files of `bench run`.")],
    machine: Annotated[
        str | None, typer.Option("--machine", help="Name of the machine that measured; else its host's name.")
    ] = None,
    asv: Annotated[Path, typer.Option("--asv", help="Folder with the results of asv.")] = Path("results/asv"),
    overwrite: Annotated[
        bool, typer.Option("--replace", help="Also over a run of more rounds that is there already.")
    ] = False,
) -> None:
    """Write results of `bench run`, of any machine, into the files that `asv publish` draws.

    Each run must be of a commit without changes. A case stands on its machine's line under the name that it
    has in suites/asv.yaml. The same file twice is the same as once.

    Exit: 0 written, 2 the input was wrong and nothing was written.
    """
    from bench.analysis.asv_import import Sheet, sheets_of, untracked_in_words, write_sheets
    from bench.analysis.disk import check_writable
    from bench.analysis.store import read_results
    from bench.run.asv_benchmarks import discover
    from bench.run.commits import committed_at, full_name, repository_of

    repository = repository_of(Path.cwd())
    runs = [read_results(file) for file in results]
    commits = []
    for run in runs:
        if run.start.arms:
            raise InputError(f"{run.file}: compares two revisions; a run of one is wanted")
        try:
            commits.append(full_name(run.start.revision, repository))
        except InputError as error:
            raise InputError(f"{run.file}: {error}") from None
    dates = committed_at(list(dict.fromkeys(commits)), repository)
    benchmarks = discover(repository / BENCHMARK_FOLDER)
    sheets: list[Sheet] = []
    strange: list[str] = []
    for run, commit in sorted(zip(runs, commits, strict=True), key=lambda pair: pair[0].start.started):
        made, left_out = sheets_of(run, commit, dates[commit], benchmarks, machine)
        sheets += made
        strange += left_out
    check_writable(asv / "benchmarks.json")
    for file in write_sheets(sheets, asv, benchmarks, overwrite):
        say(f"written: {file}")
    if words := untracked_in_words(strange):
        say(words, err=True)
