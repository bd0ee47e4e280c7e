"""bench run"""

from __future__ import annotations

import json
import signal
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from bench.cli.app import app
from bench.cli.screen import duration, run_progress


@app.command(epilog="Example: bench run suites/cifar.yaml --only 'resnet56*' --rounds 3")
def run(
    suite: Annotated[Path, typer.Argument(help="Suite file (YAML).")],
    results: Annotated[Path, typer.Option(help="Folder for measured data.")] = Path("results"),
    report: Annotated[Path | None, typer.Option(help="HTML report; reports/RUN.html by default.")] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Trials per case, instead of the suite's.")
    ] = None,
    only: Annotated[str | None, typer.Option(help="Glob on case ids, or a part of one.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the newest unfinished run.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Two short rounds, for a first look.")] = False,
    resolution: Annotated[
        str | None, typer.Option(help="Go on until each ratio to dense is known that well: 2%.")
    ] = None,
    max_rounds: Annotated[int | None, typer.Option(min=1, help="Rounds that a resolution may take.")] = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Refuse instead of waiting while another run measures here.")
    ] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the rounds' order.")] = None,
    plugin: Annotated[list[Path] | None, typer.Option(help="Python file with methods of your own.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout at the end.")] = False,
) -> None:
    """Measure every case of a suite, in rounds, one fresh process per trial, and write a report.

    Exit: 0 all measured, 3 some cases failed, 2 the input was wrong, 130 interrupted.
    """
    from bench.analysis.resolution import parse_percent
    from bench.analysis.store import read_results
    from bench.plan.plan import make_plan
    from bench.plan.suite import load_suite
    from bench.report import write_report
    from bench.run import run as runs
    from bench.run.lock import HostLock

    wanted = None if resolution is None else parse_percent(resolution)
    plan = make_plan(load_suite(suite, map(str, plugin or ())), rounds, only, quick, wanted, max_rounds)
    resumed = runs.unfinished(plan, results) if resume else None
    file, start = (resumed.file, resumed.start) if resumed else runs.begin(plan, results, seed)
    typer.echo(
        f"{plan.suite}: {len(plan.cases)} cases, {plan.measure.rounds} rounds, {plan.trials} trials, "
        f"about {duration(plan.estimated_seconds)}",
        err=True,
    )
    for solved in plan.solved:
        typer.echo(f"solved: {solved.in_words()}", err=True)
    signal.signal(signal.SIGTERM, _as_interrupt)
    with HostLock(not no_wait, _say_waiting), run_progress() as progress:
        outcome = runs.execute(plan, file, start, progress, resumed)
    page = report or Path("reports") / f"{start.run}.html"
    measured = read_results(file)
    if measured.trials or not outcome.interrupted:
        write_report([measured], page)
    code = 130 if outcome.interrupted else 3 if outcome.failed else 0
    for case_id, why in outcome.failed.items():
        typer.echo(f"failed: {case_id}: {why}", err=True)
    if outcome.interrupted:
        typer.echo("interrupted; `--resume` goes on where it stopped", err=True)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "results": str(file),
                    "report": str(page) if page.exists() else None,
                    "cases": len(plan.cases),
                    "failed": outcome.failed,
                    "interrupted": outcome.interrupted,
                }
            )
        )
    else:
        typer.echo(f"results: {file}")
        if page.exists():
            typer.echo(f"report:  {page}")
    raise typer.Exit(code)


def _say_waiting(pid: str) -> None:
    typer.echo(f"waiting: another run (pid {pid}) is measuring on this host", err=True)


def _as_interrupt(signum: int, frame: FrameType | None) -> None:
    """A request to end is answered like Ctrl-C: cleanly."""
    del signum, frame
    raise KeyboardInterrupt
