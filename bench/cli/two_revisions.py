"""Two revisions measured in one run, as `bench ab`, `bench gate` and `bench history --bisect` do."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bench.cli.ending import INTERRUPTED, interrupt_when_asked_to_end
from bench.cli.locking import host_lock
from bench.cli.screen import one_line, run_progress, say, say_log

if TYPE_CHECKING:
    from bench.analysis.store import Results
    from bench.plan.plan import Plan


@dataclass(frozen=True)
class Both:
    """What is to be measured of which commits. ``timed`` False: counts and memory alone, which need no quiet
    host."""

    plan: Plan
    repository: Path
    base: str
    head: str
    results: Path
    seed: int | None = None
    wait: bool = True
    timed: bool = True
    identify: bool = False
    verbose: bool = False


def measure(both: Both, introduction: str = "") -> Results:
    """Measures both commits into a new results file and reads it.

    The checkouts are temporary and go whatever ends the run. Leaves with INTERRUPTED where somebody asked for
    the end. Raises InputError for commits that cannot be checked out, and where nothing can be written.
    """
    from contextlib import nullcontext

    from bench.analysis.disk import check_writable, naming
    from bench.analysis.store import read_results
    from bench.run import arms
    from bench.run import run as runs
    from bench.run.reach import require_targets

    plan = both.plan
    for words in (*(f"runs: {command}" for command in plan.untrusted), *plan.imports_in_words()):
        say(one_line(words), err=True)
    revisions = {arms.BASE: both.base, arms.HEAD: both.head}
    file, start = runs.begin(
        plan, both.results.resolve(), both.seed, revisions, sys.argv[1:], timed=both.timed
    )
    check_writable(file)
    interrupt_when_asked_to_end()
    require_targets(plan.targets[name] for name in dict.fromkeys(case.target for case in plan.cases))
    if introduction:
        say(introduction, err=True)
    with (
        naming(file, "what was measured before is in it"),
        arms.worktrees(both.repository, revisions) as checkouts,
        host_lock(not both.wait) if both.timed else nullcontext(),
        run_progress() as progress,
    ):
        tell = say_log if both.verbose else None
        outcome = runs.execute(plan, file, start, progress, arms=checkouts, identify=both.identify, tell=tell)
    say(f"results: {file}", err=True)
    if outcome.interrupted:
        say("interrupted: nothing is said about what was measured so far", err=True)
        raise typer.Exit(INTERRUPTED)
    return read_results(file)
