"""bench plan"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.app import app
from bench.cli.options import AsJson, Only, Plugins, ResultsFolder, Rounds, SuiteFile, Trust
from bench.cli.screen import duration, say


@app.command(
    short_help="Show what a run would do.", epilog="Example: bench plan suites/cifar.yaml --only 'resnet56*'"
)
def plan(
    suite: SuiteFile,
    rounds: Rounds = None,
    only: Only = None,
    quick: Annotated[bool, typer.Option("--quick", help="Two short rounds.")] = False,
    plugin: Plugins = None,
    trust: Trust = False,
    results: ResultsFolder = Path("results"),
    as_json: AsJson = False,
) -> None:
    """Show what a run would do: its cases, trials and time. Nothing is measured or written.

    Commands that the suite's own targets would start are shown first, and not started.
    """
    from bench.plan.plan import make_plan
    from bench.plan.suite import load_suite
    from bench.run.estimate import estimated_seconds

    planned = make_plan(load_suite(suite, map(str, plugin or ()), trust), rounds, only, quick)
    for command in planned.untrusted:
        say(f"would run: {command}", err=True)
    seconds = estimated_seconds(planned, results)
    if as_json:
        say(json.dumps({**planned.as_dict(), "estimated_seconds": round(seconds, 1)}, indent=1))
        return
    for case in planned.cases:
        say(case.id)
    for solved in planned.solved:
        say(f"solved: {solved.in_words()}", err=True)
    say(
        f"{len(planned.cases)} cases, {planned.measure.planned_rounds} rounds, {planned.trials} trials, "
        f"about {duration(seconds)}",
        err=True,
    )
