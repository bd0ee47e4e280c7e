"""bench run"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.app import app
from bench.cli.ending import INTERRUPTED, interrupt_when_asked_to_end
from bench.cli.locking import host_lock
from bench.cli.options import (
    AsJson,
    Header,
    Identify,
    MaxRounds,
    Methods,
    NoWait,
    Only,
    OrderSeed,
    Plugins,
    ResultsFolder,
    Rounds,
    SuiteFile,
    TlsCaFile,
    TlsCert,
    TlsKey,
    Trust,
    Verbose,
)
from bench.cli.planning import solved_plan
from bench.cli.screen import (
    ReaderGone,
    duration,
    leaving,
    one_line,
    print_account,
    run_progress,
    say,
    say_log,
)
from bench.errors import InputError

if TYPE_CHECKING:
    from bench.case import Case
    from bench.plan.plan import Plan
    from bench.run.session import Hosts, Outcome


@app.command(
    short_help="Measure a suite and write a report.",
    epilog="Example: bench run suites/cifar.yaml --only 'resnet56*' --rounds 3",
)
def run(
    suite: SuiteFile,
    results: ResultsFolder = Path("results"),
    report: Annotated[Path | None, typer.Option(help="HTML report; reports/RUN.html by default.")] = None,
    rounds: Rounds = None,
    only: Only = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the newest unfinished run.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Two short rounds, for a first look.")] = False,
    resolution: Annotated[
        str | None, typer.Option(help="Go on until each ratio to dense is known that well: 2%.")
    ] = None,
    max_rounds: MaxRounds = None,
    no_wait: NoWait = False,
    seed: OrderSeed = None,
    plugin: Plugins = None,
    method: Methods = None,
    trust: Trust = False,
    cluster: Annotated[
        str | None,
        typer.Option(help="Measure on other machines: tcp://host:8786, slurm, pbs, … or local, to try it."),
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", min=1, max=1000, help="Machines that a queueing system is asked for.")
    ] = 1,
    tls_ca_file: TlsCaFile = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile",
            help="After the rounds, show in the report where the time of these cases goes; may be repeated.",
        ),
    ] = None,
    header: Header = False,
    identify: Identify = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Measure every case of a suite, in rounds of fresh processes; print tables and write a report.

    The tables are those of `bench show`.

    Plugins, imports and programs that the suite names run only with --trust; `bench plan` shows the programs.

    With --cluster, cases run on the workers of a dask scheduler that offer their targets (`bench worker`),
    e.g. bench run suites/smoke.yaml --cluster tcp://host:8786

    Exit: 0 all measured, 3 some cases failed, 2 the input was wrong or the report cannot be written,
    130 interrupted.
    """
    from bench.analysis.disk import check_writable, naming
    from bench.analysis.resolution import parse_percent
    from bench.plan.suite import load_suite
    from bench.run import run as runs
    from bench.run.estimate import stored_seconds
    from bench.run.reach import require_targets

    wanted = None if resolution is None else parse_percent(resolution)
    loaded = load_suite(suite, map(str, plugin or ()), trust, method or ())
    plan = solved_plan(
        loaded, rounds=rounds, max_rounds=max_rounds, resolution=wanted, only=only, quick=quick
    )
    plan.require_trust(trust)
    profiled = _to_profile(plan, profile or (), cluster)
    _announce_code(plan, cluster)
    file, start = runs.begin(plan, results, seed, command=sys.argv[1:])
    check_writable(file)
    check_writable(report or Path("reports") / file.name)
    interrupt_when_asked_to_end()
    if cluster is None:
        require_targets(plan.targets[name] for name in dict.fromkeys(case.target for case in plan.cases))
    tls = (tls_ca_file, tls_cert, tls_key)
    with _machines(plan, cluster, jobs, tls) as hosts, host_lock(no_wait) as lock:
        # Only now: a run that is still alive would look unfinished.
        resumed = runs.unfinished(plan, results) if resume else None
        if resumed is not None:
            file, start = resumed.file, resumed.start
        _announce(plan, stored_seconds(plan, results))
        kept = "what was measured before is in it, and `--resume` goes on"
        with naming(file, kept), run_progress() as progress:
            # Where others measure, this host only counts: one of them may be a worker on it.
            counted = None if hosts is None else lock.release
            outcome = runs.execute(
                plan,
                file,
                start,
                progress,
                resumed,
                hosts=hosts,
                counted=counted,
                profiled=profiled,
                identify=identify,
                tell=say_log if verbose else None,
            )
    _conclude(outcome, report or Path("reports") / f"{start.run}.html", len(plan.cases), as_json, header)


def _to_profile(plan: Plan, asked: Iterable[str], cluster: str | None) -> list[Case]:
    """The cases that ``--profile`` means, each refused now rather than after an hour of measuring."""
    from bench.plan.plan import named
    from bench.run.profiling import refuse_profile

    found = [case for words in asked for case in named(plan.cases, words, "--profile")]
    for case in found:
        if cluster is not None:
            raise InputError(f"--profile {case.id}: layers are timed on this host; leave --cluster out")
        refuse_profile(case)
    return found


@contextmanager
def _machines(
    plan: Plan, where: str | None, jobs: int, tls: tuple[Path | None, Path | None, Path | None]
) -> Iterator[Hosts | None]:
    """The machines that measure; None for this host."""
    if where is None:
        for flag, file in zip(("--tls-ca-file", "--tls-cert", "--tls-key"), tls, strict=True):
            if file is not None:
                raise InputError(f"{flag} {file}: goes with --cluster")
        yield None
        return
    from bench.run.dask_setup import Tls
    from bench.run.scheduler import Way, connected

    way = Way(where, Tls(*tls), jobs, lambda line: say(one_line(line), err=True))
    with connected(way, {case.target for case in plan.cases}) as hosts:
        yield hosts


def _announce_code(plan: Plan, cluster: str | None) -> None:
    """The programs that the suite would start and the networks of the user's own, before any of them runs."""
    for command in plan.untrusted:
        say(one_line(f"runs: {command}"), err=True)
    for words in plan.imports_in_words(elsewhere=cluster not in (None, "local")):
        say(one_line(words), err=True)


def _announce(plan: Plan, seconds: float | None) -> None:
    """What will be done, before anything is. ``seconds`` None: told once every network was called."""
    trials = f"{len(plan.cases)} cases, {plan.rounds_in_words}, {plan.trials} trials"
    say(f"{plan.suite}: {trials}" + ("" if seconds is None else f", about {duration(seconds)}"), err=True)
    for solved in plan.solved:
        say(f"solved: {solved.in_words()}", err=True)
    for words in plan.not_installed:
        say(words, err=True)


def _conclude(outcome: Outcome, page: Path, cases: int, as_json: bool, header: bool) -> None:
    """Prints the tables, writes the report, says how the run went, and leaves with its exit code."""
    file = outcome.file
    with contextlib.suppress(ReaderGone):  # nobody may read it, but the report is still to be written
        say(f"results: {file}", err=as_json)
    problem, written = "", False
    try:
        written = _show_and_write(file, page, outcome, None if as_json else header)
    except InputError as error:
        problem = f"{error}; the measured data are in {file}: `bench report {file} -o PAGE` makes the report"
    code = _exit_code(outcome, problem)
    with leaving(code):
        _tell(outcome, code, cases, problem)
        if as_json:
            answer = {
                "results": str(file),
                "report": str(page) if written else None,
                "cases": cases,
                "failed": outcome.failed,
                "interrupted": outcome.interrupted,
            }
            say(json.dumps(answer))
        elif written:
            say(f"report:  {page}")


def _show_and_write(file: Path, page: Path, outcome: Outcome, header: bool | None) -> bool:
    """False where there is nothing to show: it ended before the first trial. ``header`` None: no tables."""
    from bench.analysis.store import read_results
    from bench.report import write_report
    from bench.report.terminal import account

    measured = read_results(file)
    if outcome.interrupted and not measured.trials:
        return False
    if header is not None:
        with contextlib.suppress(ReaderGone):
            print_account(account(measured), header)
    write_report([measured], page)
    return True


def _exit_code(outcome: Outcome, problem: str) -> int:
    if outcome.interrupted:
        return INTERRUPTED
    if problem:
        return 2
    return 3 if outcome.failed else 0


def _tell(outcome: Outcome, code: int, cases: int, problem: str) -> None:
    """What failed, and why the run leaves with that code."""
    for case_id, why in outcome.failed.items():
        say(one_line(f"failed: {case_id}: {why}"), err=True)
    reasons = {
        0: f"all {cases} cases were measured" if cases > 1 else "the case was measured",
        3: f"{len(outcome.failed)} of {cases} cases failed",
        INTERRUPTED: "interrupted; `--resume` goes on where it stopped",
    }
    if code in reasons:
        say(f"exit {code}: {reasons[code]}", err=True)
    if problem:
        say(one_line(f"bench: {problem}"), err=True)
