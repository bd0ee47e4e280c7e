"""bench history"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.app import app
from bench.cli.bisecting import Asking, bisect_history
from bench.cli.options import AsJson, ResultsFolder, Rounds
from bench.cli.screen import leaving, one_line, print_table, say
from bench.errors import InputError, nearest

if TYPE_CHECKING:
    from bench.analysis.commit_history import CommitHistory, Reading
    from bench.run.commits import Commit

CANNOT_TELL = 4

ASV_RESULTS, ASV_PAGE = Path("results/asv"), Path("reports/asv")


@app.command(
    short_help="What changed from commit to commit.",
    epilog="Example: bench history 'resnet20/csr_conv*' --metric ratio",
)
def history(
    case: Annotated[
        str | None, typer.Argument(help="Only cases whose id fits this glob or has this part.")
    ] = None,
    metric: Annotated[
        str | None, typer.Option("--metric", help="Only this metric, such as params or ratio.")
    ] = None,
    results: ResultsFolder = Path("results"),
    asv: Annotated[Path, typer.Option("--asv", help="Folder with the results of asv.")] = ASV_RESULTS,
    revision: Annotated[
        str, typer.Option("--of", help="Revision whose first parents are followed.")
    ] = "HEAD",
    bisect: Annotated[
        str | None, typer.Option("--bisect", help="Find the commit that changed this case (see --metric).")
    ] = None,
    suite: Annotated[Path, typer.Option("--suite", help="Suite that --bisect measures.")] = Path(
        "suites/asv.yaml"
    ),
    rounds: Rounds = None,
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
) -> None:
    """Name every commit that raised or lowered a number, from the results of asv and of `bench run`.

    Counts are compared exactly, commit by commit. Of times, changes of level are named whose interval leaves
    out 1; where several commits may be it, all of them, with the `bench ab` that would tell. `--bisect CASE`
    runs it.

    Exit: 0 told, 2 the input was wrong, 4 something cannot be told (one commit alone, or no number at the
    newest one), 130 interrupted.
    """
    from bench.analysis.asv_results import disagreements, read_page
    from bench.analysis.commit_history import make_commit_history
    from bench.report.commit_history_text import (
        COLUMNS,
        doubts_in_words,
        history_in_markdown,
        resolutions,
        settling,
        step_rows,
    )
    from bench.run import commits

    repository = commits.repository_of(Path.cwd())
    line = commits.line_of(repository, revision)
    readings, notes = read_all(results, asv, repository)
    found = make_commit_history(_wanted(readings, bisect or case, metric), [commit.id for commit in line])
    _check(found, notes, line, repository)
    if bisect is not None:
        asking = Asking(suite, rounds, results, repository)
        if not bisect_history(found, line, bisect, metric or "ratio", asking):
            raise typer.Exit(CANNOT_TELL)
        return
    notes += [*found.notes, *settling(found, str(suite)), *resolutions(found)]
    page = read_page(ASV_PAGE)
    notes += disagreements(found, page) if page is not None else []
    notes += doubts_in_words(found)
    subjects = {commit.id: commit.subject for commit in line}
    with leaving(0 if found.told else CANNOT_TELL):
        if as_json:
            named = {"subjects": {c: subjects[c] for step in found.steps for c in step.candidates}}
            say(json.dumps({**found.as_dict(), **named, "notes": notes}, indent=1))
            return
        if markdown:
            say(history_in_markdown(found, subjects, notes))
            return
        if found.steps:
            print_table(COLUMNS, step_rows(found, subjects), right=(3, 4), whole=(0, 1))
        else:
            measured = len({point.commit for one in found.series for point in one.points})
            say(f"nothing rose and nothing fell in {measured} commits")
        for note in notes:
            say(one_line(note), err=True)


def read_all(results: Path, asv: Path, repository: Path) -> tuple[list[Reading], list[str]]:
    """Readings of asv and of all runs of a commit in a folder, with notes on what was left out.

    Raises InputError where there is nothing to read, and for files of asv that are none.
    """
    from bench.analysis.asv_results import read_asv
    from bench.analysis.run_readings import readings_of
    from bench.analysis.store import list_results, read_results
    from bench.run.commits import full_name

    readings: list[Reading] = []
    notes: list[str] = []
    if asv.is_dir():
        readings, notes = read_asv(asv)
    elif asv != ASV_RESULTS:
        raise InputError(f"{asv}: no such folder; `asv run` writes results/asv")
    left_out: dict[str, list[str]] = {}
    for file in list_results(results) if results.is_dir() else ():
        try:
            run = read_results(file)
            if not run.start.arms:
                readings += readings_of(run, full_name(run.start.revision, repository))
        except InputError as error:
            reason = str(error).removeprefix(f"{file}: ").partition("; ")[0]
            left_out.setdefault(reason, []).append(file.name)
    for reason, files in left_out.items():
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        notes.append(f"left out: {files[0]}{more}: {reason}")
    if not readings:
        for note in notes:
            warnings.warn(note, stacklevel=2)
        raise InputError(
            f"no results of a commit in {asv} or {results}; `asv run` measures, or `bench run` at one"
        )
    return readings, notes


def _wanted(readings: Iterable[Reading], case: str | None, metric: str | None) -> list[Reading]:
    """The readings that were asked for. Raises InputError where nothing fits."""
    from bench.analysis.commit_history import METRICS
    from bench.plan.plan import means

    if metric is not None and metric not in METRICS:
        raise InputError(
            f"--metric: '{metric}' is not known{nearest(metric, METRICS) or '; ' + ', '.join(METRICS)}"
        )
    every = list(readings)
    of_case = [one for one in every if one.case == case] or [
        one for one in every if case is None or means(one.case, case)
    ]
    if not of_case:
        known = {one.case for one in every}
        raise InputError(
            f"no case fits '{case}'{nearest(str(case), known)}; {len(known)} cases were measured"
        )
    found = [one for one in of_case if metric is None or one.metric == metric]
    if not found:
        raise InputError(f"--metric {metric}: no commit has this number of such a case")
    return found


def _check(found: CommitHistory, notes: list[str], line: tuple[Commit, ...], repository: Path) -> None:
    """Raises InputError where no commit that was measured is on the line of commits."""
    from bench.run.commits import is_shallow

    if found.series:
        return
    for note in (*notes, *found.notes):
        warnings.warn(note, stacklevel=2)
    mend = (
        "; this clone is shallow: `git fetch --unshallow` brings the rest" if is_shallow(repository) else ""
    )
    raise InputError(f"none of the {len(line)} commits up to {line[-1].short} has a number{mend}")
