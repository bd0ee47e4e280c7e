"""bench ab"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.app import app
from bench.cli.options import (
    AsJson,
    FailOn,
    Header,
    Identify,
    MaxRounds,
    NoWait,
    Only,
    OrderSeed,
    ResultsFolder,
    Rounds,
    SameWithin,
    SuiteFile,
    Trust,
    Verbose,
)
from bench.cli.planning import solved_plan
from bench.cli.screen import duration
from bench.cli.verb_compare import parse_fail_on, show


@app.command(
    short_help="Measure two revisions and compare them.",
    epilog="Example: bench ab main HEAD suites/asv.yaml --rounds 10",
)
def ab(
    rev_a: Annotated[str, typer.Argument(help="Revision before the change.")],
    rev_b: Annotated[str, typer.Argument(help="Revision after the change.")],
    suite: SuiteFile,
    results: ResultsFolder = Path("results"),
    rounds: Rounds = None,
    max_rounds: MaxRounds = None,
    only: Only = None,
    fail_on: FailOn = "slower,bigger",
    resolution: SameWithin = "1%",
    seed: OrderSeed = None,
    trust: Trust = False,
    no_wait: NoWait = False,
    header: Header = False,
    identify: Identify = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Measure two revisions of this package in one interleaved run and compare them, case by case.

    After the suite's rounds a case is measured again until its ratio is known to the resolution, in
    `--max-rounds` rounds at most. With `--fail-on bigger` counts and memory are compared and nothing is
    timed.

    Exit: 0 nothing got worse, 1 something did, 2 the input was wrong, 4 cannot tell, 130 interrupted.
    """
    from bench.analysis.compare import compare_arms
    from bench.analysis.resolution import parse_percent
    from bench.cli.two_revisions import Both, measure
    from bench.plan.suite import load_suite
    from bench.run import arms, commits
    from bench.run.estimate import stored_seconds

    wanted, band = parse_fail_on(fail_on), parse_percent(resolution)
    repository = commits.repository_of(Path.cwd())
    base, head = commits.resolve(rev_a, repository), commits.resolve(rev_b, repository)
    loaded = load_suite(suite, trust=trust)
    plan = solved_plan(loaded, rounds=rounds, max_rounds=max_rounds, resolution=band, only=only)
    plan.require_trust(trust)
    timed = "slower" in wanted
    seconds = stored_seconds(plan, results)
    time = f"{2 * plan.trials} trials" + ("" if seconds is None else f", about {duration(2 * seconds)}")
    found = measure(
        Both(plan, repository, base, head, results, seed, not no_wait, timed, identify, verbose),
        f"{rev_a} against {rev_b}: {len(plan.cases)} cases, {time if timed else 'not timed'}",
    )
    show(compare_arms(found, arms.BASE, arms.HEAD, band, wanted), as_json, header)
