"""bench ab"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.app import app
from bench.cli.screen import duration, run_progress
from bench.cli.verb_compare import parse_fail_on, show


@app.command(epilog="Example: bench ab main HEAD suites/asv.yaml --rounds 10")
def ab(
    rev_a: Annotated[str, typer.Argument(help="Revision of before.")],
    rev_b: Annotated[str, typer.Argument(help="Revision of after.")],
    suite: Annotated[Path, typer.Argument(help="Suite file (YAML).")],
    results: Annotated[Path, typer.Option(help="Folder for measured data.")] = Path("results"),
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds, instead of the suite's.")] = None,
    max_rounds: Annotated[
        int | None, typer.Option(min=1, help="Rounds that an unresolved case may take; the suite's, or 30.")
    ] = None,
    only: Annotated[str | None, typer.Option(help="Glob on case ids, or a part of one.")] = None,
    fail_on: Annotated[
        str, typer.Option(help="What counts as worse: slower, bigger, or both.")
    ] = "slower,bigger",
    resolution: Annotated[str, typer.Option(help="Differences up to this are called the same.")] = "3%",
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the rounds' order.")] = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Refuse instead of waiting while another run measures here.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Measure two revisions of this package in one interleaved run and compare them, case by case.

    A case goes on, beyond the suite's rounds, until its ratio is known to the resolution.

    Exit: 0 nothing got worse, 1 something did, 2 the input was wrong, 4 cannot tell, 130 interrupted.
    """
    from bench.analysis.compare import compare_arms
    from bench.analysis.resolution import parse_percent
    from bench.analysis.store import read_results
    from bench.plan.plan import make_plan
    from bench.plan.suite import load_suite
    from bench.run import arms as arms
    from bench.run import run as runs
    from bench.run.lock import HostLock

    wanted, band = parse_fail_on(fail_on), parse_percent(resolution)
    repository = arms.repository_of(Path.cwd())
    commits = {arms.BASE: arms.resolve(rev_a, repository), arms.HEAD: arms.resolve(rev_b, repository)}
    plan = make_plan(load_suite(suite), rounds, only, resolution=band, max_rounds=max_rounds)
    file, start = runs.begin(plan, results.resolve(), seed, commits)
    typer.echo(
        f"{rev_a} against {rev_b}: {len(plan.cases)} cases, {2 * plan.trials} trials, "
        f"about {duration(2 * plan.estimated_seconds)}",
        err=True,
    )
    with (
        arms.worktrees(repository, commits) as both,
        HostLock(not no_wait),
        run_progress() as progress,
    ):
        outcome = runs.execute(plan, file, start, progress, arms=both)
    typer.echo(f"results: {file}", err=True)
    if outcome.interrupted:
        raise typer.Exit(130)
    show(compare_arms(read_results(file), arms.BASE, arms.HEAD, band, wanted), as_json)
