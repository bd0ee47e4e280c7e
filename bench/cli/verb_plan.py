"""bench plan"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.app import app
from bench.cli.screen import duration


@app.command(epilog="Example: bench plan suites/cifar.yaml --only 'resnet56*'")
def plan(
    suite: Annotated[Path, typer.Argument(help="Suite file (YAML).")],
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Trials per case, instead of the suite's.")
    ] = None,
    only: Annotated[str | None, typer.Option(help="Glob on case ids, or a part of one.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Two short rounds.")] = False,
    plugin: Annotated[list[Path] | None, typer.Option(help="Python file with methods of your own.")] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Import the plugins that the suite names.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show what a run would do: its cases, trials and time. Nothing is measured or written.

    Commands that the suite's own targets would start are shown first, and not started.
    """
    from bench.plan.plan import make_plan
    from bench.plan.suite import load_suite

    planned = make_plan(load_suite(suite, map(str, plugin or ()), trust), rounds, only, quick)
    for command in planned.untrusted:
        typer.echo(f"would run: {command}", err=True)
    if as_json:
        typer.echo(json.dumps(planned.as_dict(), indent=1))
        return
    for case in planned.cases:
        typer.echo(case.id)
    for solved in planned.solved:
        typer.echo(f"solved: {solved.in_words()}", err=True)
    typer.echo(
        f"{len(planned.cases)} cases, {planned.measure.rounds} rounds, {planned.trials} trials, "
        f"about {duration(planned.estimated_seconds)}",
        err=True,
    )
