"""Two revisions of this package measured in one run: their trials interleave, so drift falls on both."""

from __future__ import annotations

import math
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.analysis import stats
from bench.analysis.quality import medians
from bench.analysis.records import Count, RunStart, Trial
from bench.analysis.store import Store
from bench.errors import InputError
from bench.plan.plan import Plan
from bench.run.rounds import round_order
from bench.run.run import GIVE_UP_AFTER, Listener, Outcome, count_networks, measure, note_end, note_failure

BASE, HEAD = "base", "head"


def resolve(revision: str, repository: Path) -> str:
    """The full commit of a revision. Raises InputError when there is none of that name."""
    answer = _git(repository, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if answer.returncode:
        raise InputError(f"'{revision}' is no revision of {repository}; `git log --oneline` lists them")
    return answer.stdout.strip()


def repository_of(folder: Path) -> Path:
    """The top of the git checkout around ``folder``. Raises InputError outside one."""
    answer = _git(folder, "rev-parse", "--show-toplevel")
    if answer.returncode:
        raise InputError(f"{folder} is in no git checkout; `bench ab` compares two revisions of one")
    return Path(answer.stdout.strip())


@contextmanager
def worktrees(repository: Path, commits: dict[str, str]) -> Iterator[dict[str, Path]]:
    """One checkout per arm in a temporary folder, removed at the end; the caller's own is left alone."""
    with TemporaryDirectory(prefix="bench-ab-") as folder:
        paths: dict[str, Path] = {}
        try:
            for arm, commit in commits.items():
                path = Path(folder) / arm
                answer = _git(repository, "worktree", "add", "--detach", "--quiet", str(path), commit)
                if answer.returncode:
                    raise InputError(f"cannot check out {commit[:12]}: {answer.stderr.strip()}")
                paths[arm] = path
            yield paths
        finally:
            for path in paths.values():
                _git(repository, "worktree", "remove", "--force", str(path))


def execute_ab(
    plan: Plan,
    checkouts: dict[str, Path],
    file: Path,
    start: RunStart,
    listener: Listener,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Measures the plan's cases with every arm's package into ``file``.

    A round visits the cases in random order and, of each case, the arms next to each other in random
    order. Cases go on until half the interval of their ratio is at most the measure's resolution, or for
    ``max_rounds``. An arm that does not even build fails its own trials; the other's are measured and kept.
    """
    outcome = Outcome(file)
    with Store(file) as store:
        store.append(start)
        try:
            counts = {
                arm: count_networks(plan, start.run, store, listener, arm=arm, checkout=path)
                for arm, path in checkouts.items()
            }
            _rounds(plan, checkouts, counts, start, store, listener, outcome, clock)
        except KeyboardInterrupt:
            outcome.interrupted = True
        store.append(note_end(start.run, outcome))
    return outcome


def _rounds(
    plan: Plan,
    checkouts: dict[str, Path],
    counts: dict[str, dict[str, Count]],
    start: RunStart,
    store: Store,
    listener: Listener,
    outcome: Outcome,
    clock: Callable[[], float],
) -> None:
    failures: dict[str, int] = {}
    trials: list[Trial] = []
    total, done = plan.trials * len(checkouts), 0
    listener.trial(0, total, None)
    for number in range(max(plan.measure.rounds, plan.measure.max_rounds)):
        coin = random.Random(f"{start.seed}/{number}/arms")
        going_on = {case.id for case in plan.cases}
        if number >= plan.measure.rounds:
            going_on = {
                id_ for id_ in going_on if _unresolved(id_, trials, failures, plan.measure.resolution)
            }
            if not going_on:
                break
            total += len(going_on) * len(checkouts)
        for position, case in enumerate(round_order(list(plan.cases), start.seed, number)):
            if case.id not in going_on:
                continue
            arms = list(checkouts)
            coin.shuffle(arms)
            for arm in arms:
                done += 1
                if failures.get(f"{arm}@{case.id}", 0) >= GIVE_UP_AFTER:
                    continue
                trial = measure(
                    plan,
                    case,
                    counts[arm][case.count_id],
                    start.run,
                    number,
                    position,
                    clock,
                    arm,
                    checkouts[arm],
                )
                store.append(trial)
                trials.append(trial)
                note_failure(trial, failures, outcome)
                listener.trial(done, total, trial)


def _unresolved(
    case_id: str, trials: list[Trial], failures: dict[str, int], resolution: float | None
) -> bool:
    """True while half the interval of the case's head/base is above the resolution, and both arms work."""
    if resolution is None or any(
        failures.get(f"{arm}@{case_id}", 0) >= GIVE_UP_AFTER for arm in (BASE, HEAD)
    ):
        return False
    base, head = (medians([t for t in trials if (t.case, t.arm) == (case_id, arm)]) for arm in (BASE, HEAD))
    if not base.keys() & head.keys():
        return True
    interval = stats.ratio(base, head)
    return not interval.known or interval.half_width > math.log1p(resolution)


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=120, check=False
        )
    except OSError as error:
        raise InputError(f"git: {error.strerror}; `bench ab` needs it") from None
