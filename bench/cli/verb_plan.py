"""bench plan"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.app import app
from bench.cli.options import (
    AsJson,
    MaxRounds,
    NoWait,
    Only,
    Plugins,
    ResultsFolder,
    Rounds,
    SuiteFile,
    Trust,
)
from bench.cli.screen import duration, run_progress, say, say_waiting
from bench.errors import InputError

if TYPE_CHECKING:
    from bench.plan.plan import Plan


@app.command(
    short_help="Show what a run would do.", epilog="Example: bench plan suites/cifar.yaml --only 'resnet56*'"
)
def plan(
    suite: SuiteFile,
    rounds: Rounds = None,
    only: Only = None,
    quick: Annotated[bool, typer.Option("--quick", help="Two short rounds.")] = False,
    resolution: Annotated[
        str | None, typer.Option(help="Time it for ratios that are known that well: 1%.")
    ] = None,
    max_rounds: MaxRounds = None,
    by_sweep: Annotated[
        bool, typer.Option("--by-sweep", help="Sort the cases by the suite's sweeps; say what is left out.")
    ] = False,
    probe: Annotated[
        bool, typer.Option("--probe", help="Build each network here and tell the time by that.")
    ] = False,
    no_wait: NoWait = False,
    plugin: Plugins = None,
    trust: Trust = False,
    results: ResultsFolder = Path("results"),
    as_json: AsJson = False,
) -> None:
    """Show what a run would do: its cases, trials and time. Nothing is measured or written.

    The time is that of earlier runs on this machine, else of a usual one; with --probe every network is
    counted and called a few times here, which takes about a tenth of the run. With --resolution it is the
    time until each verdict is known, by the scatter of earlier runs.

    Commands that the suite's own targets would start are shown first, and not started. Code that the suite
    names (plugins, imports) is refused without --trust.
    """
    from bench.analysis.resolution import parse_percent
    from bench.plan.plan import make_plan
    from bench.plan.suite import load_suite
    from bench.run.estimate import estimated_seconds, expected_rounds

    band = None if resolution is None else parse_percent(resolution)
    loaded = load_suite(suite, map(str, plugin or ()), trust)
    planned = make_plan(loaded, rounds, only, quick, resolution=band, max_rounds=max_rounds)
    for command in planned.untrusted:
        say(f"would run: {command}", err=True)
    for words in planned.imports_in_words():
        say(words, err=True)
    each = None if band is None else expected_rounds(planned, results)
    if probe:
        from bench.run.lock import HostLock
        from bench.run.run import probed_seconds

        planned.require_trust(trust)
        with HostLock(not no_wait, say_waiting), run_progress() as progress:
            seconds = probed_seconds(planned, progress)
    else:
        seconds = estimated_seconds(planned, results, each)
    if as_json:
        say(json.dumps({**planned.as_dict(), "estimated_seconds": round(seconds, 1)}, indent=1))
        return
    if by_sweep:
        _by_sweep(planned)
    else:
        for case in planned.cases:
            say(case.id)
    for solved in planned.solved:
        say(f"solved: {solved.in_words()}", err=True)
    for words in planned.not_installed:
        say(words, err=True)
    measures = [measure for measure, _ in planned.alike(planned.cases)]
    measure = next((one for one in measures if one.rounds is None), planned.measure)
    if each is not None and measure.rounds is None:
        words = (
            f"{measure.planned_rounds} to {measure.max_rounds} rounds, until each verdict at "
            f"±{100 * measure.resolution:.3g} % is known; about {sum(each.values())} trials"
        )
    else:
        least = "" if measure.rounds is not None else " at least"
        words = f"{planned.rounds_in_words}, {planned.trials} trials{least}"
    say(f"{len(planned.cases)} cases, {words}, about {duration(seconds)}", err=True)


def _by_sweep(planned: Plan) -> None:
    """The ids under the sweep that asks for them first, and how many cases were left out, and why."""
    if not planned.sweeps:
        raise InputError(f"--by-sweep: suite {planned.suite} has no sweeps")
    shown: set[str] = set()
    for sweep in planned.sweeps:
        new = [id_ for id_ in sweep.cases if id_ not in shown]
        shown |= set(new)
        again = len(sweep.cases) - len(new)
        own = {
            key: value
            for key, value in sweep.measure.model_dump().items()
            if value != getattr(planned.measure, key)
        }
        say(
            f"{sweep.name}: {_cases(len(new))}"
            + (f", and {again} from above" if again else "")
            + (f"; measure: {', '.join(f'{key} {value}' for key, value in own.items())}" if own else "")
        )
        for id_ in new:
            say(f"  {id_}")
    for left_out in planned.left_out:
        say(f"left out: {_cases(left_out.cases)}: {left_out.because}")


def _cases(number: int) -> str:
    return f"{number} case" if number == 1 else f"{number} cases"
