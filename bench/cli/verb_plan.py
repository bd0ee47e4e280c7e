"""bench plan"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.app import app
from bench.cli.locking import host_lock
from bench.cli.options import (
    AsJson,
    MaxRounds,
    Methods,
    NoWait,
    Only,
    Plugins,
    ResultsFolder,
    Rounds,
    SuiteFile,
    Trust,
)
from bench.cli.planning import solved_plan
from bench.cli.screen import duration, run_progress, say
from bench.errors import InputError

if TYPE_CHECKING:
    from bench.plan.plan import Plan
    from bench.run.dense import DenseTimes


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
    guess: Annotated[
        bool, typer.Option("--guess", help="Tell a usual host's time at once, and call nothing here.")
    ] = False,
    no_wait: NoWait = False,
    plugin: Plugins = None,
    method: Methods = None,
    trust: Trust = False,
    results: ResultsFolder = Path("results"),
    as_json: AsJson = False,
) -> None:
    """Show what a run would do: its cases, trials and time. Nothing is measured or written.

    The time is that of earlier runs on this machine; of cases that it never measured, the dense network is
    called a few times here (some seconds; with --guess, or beside a run, it is a usual host's time). With
    --probe every network is counted and called, which takes about a tenth of the run and is nearer.
    With --resolution it is the time until each verdict is known, by the scatter of earlier runs.

    Commands that the suite's own targets would start are shown first, and not started. Code that the suite
    names (plugins, imports) is refused without --trust.
    """
    from bench.analysis.resolution import parse_percent
    from bench.plan.suite import load_suite
    from bench.run.estimate import estimated_seconds, expected_rounds

    band = None if resolution is None else parse_percent(resolution)
    loaded = load_suite(suite, map(str, plugin or ()), trust, method or ())
    planned = solved_plan(
        loaded, rounds=rounds, max_rounds=max_rounds, resolution=band, only=only, quick=quick
    )
    for command in planned.untrusted:
        say(f"would run: {command}", err=True)
    for words in planned.imports_in_words():
        say(words, err=True)
    if by_sweep and not as_json:
        _by_sweep(planned)
    elif not as_json:
        for case in planned.cases:
            say(case.id)
    each = None if band is None else expected_rounds(planned, results)
    if probe:
        from bench.run.run import probed_seconds

        planned.require_trust(trust)
        with host_lock(no_wait), run_progress() as progress:
            seconds = probed_seconds(planned, progress)
    else:
        dense = None if guess else _dense_times(planned, results)
        seconds = estimated_seconds(planned, results, each, dense)
    if as_json:
        say(json.dumps({**planned.as_dict(), "estimated_seconds": round(seconds, 1)}, indent=1))
        return
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


def _dense_times(planned: Plan, results: Path) -> DenseTimes | None:
    """What dense networks of cases that no stored run has cost here; None while another run measures."""
    from bench.run.dense import call_dense
    from bench.run.estimate import stored
    from bench.run.lock import HostLock

    known = stored(results).seconds
    if all(case.id in known for case in planned.cases):
        return None
    try:
        with HostLock(wait=False), run_progress() as progress:
            return call_dense(planned, known, progress.calling)
    except InputError as busy:
        say(f"the time is a usual host's: {busy}", err=True)
        return None
