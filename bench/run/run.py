"""One run: counts first, then rounds of trials, every record on the disk before the next begins."""

from __future__ import annotations

import importlib.metadata
import os
import secrets
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import bench
from bench.analysis.records import Count, RunEnd, RunStart, Trial, count_key
from bench.analysis.resolution import unresolved
from bench.analysis.roofline import read_peaks
from bench.analysis.store import Results, Store, list_results, read_results
from bench.case import Case
from bench.errors import InputError
from bench.methods import METHODS
from bench.plan.plan import Plan
from bench.run.launch import Answer, CountingPool, run_worker
from bench.run.rounds import remaining, round_order

GIVE_UP_AFTER = 2
"""Failed trials of a case after which its other rounds are not tried: each may cost a whole time-out."""

COUNTING_PROCESSES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1

VERSIONS_OF = ("torch", "torchvision", "timm", "fvcore", "torch-pruning", "numpy", "csr-bench")


class Listener(Protocol):
    """What a person is told while a run goes on."""

    def counting(self, done: int, total: int) -> None:
        """So many networks are counted."""

    def trial(self, done: int, total: int, trial: Trial | None) -> None:
        """So many trials are done; the last of them, or None at the beginning."""


@dataclass
class Outcome:
    """How a run went. ``failed``: case id -> what went wrong, in one line."""

    file: Path
    interrupted: bool = False
    failed: dict[str, str] = field(default_factory=dict)


def begin(
    plan: Plan, folder: Path, seed: int | None, arms: dict[str, str] | None = None
) -> tuple[Path, RunStart]:
    """The file and first record of a new run; nothing is written yet. ``arms``: name -> revision."""
    now = datetime.now(UTC)
    run_id = f"{now:%Y%m%d-%H%M%S}-{plan.suite}-{secrets.token_hex(2)}"
    start = RunStart(
        run=run_id,
        suite=plan.suite,
        description=plan.description,
        suite_digest=plan.digest(),
        started=now.isoformat(timespec="seconds"),
        seed=secrets.randbits(32) if seed is None else seed,
        measure={**plan.measure.model_dump(), "quick": plan.quick},
        cases=[{**case.as_dict(), "baseline": case.baseline().id} for case in plan.cases],
        targets=[asdict(target) for target in plan.targets.values()],
        plugins=list(plan.plugins),
        versions=versions(),
        revision=revision(),
        arms=arms or {},
        peaks=read_peaks(folder),
        solved=[solved.as_dict() for solved in plan.solved],
    )
    return folder / f"{run_id}.jsonl", start


def unfinished(plan: Plan, folder: Path) -> Results:
    """The newest run of this very plan that did not come to its end. Raises InputError when there is none."""
    for file in reversed(list(list_results(folder))):
        if f"-{plan.suite}-" not in file.name:
            continue
        try:
            results = read_results(file)
        except InputError:
            continue  # another schema, or ended before its first record: not what is looked for
        if results.start.arms:
            continue  # two revisions compared: another kind of run
        if results.start.suite_digest == plan.digest() and not results.complete:
            return results
    raise InputError(f"--resume: {folder} holds no unfinished run of suite {plan.suite} with these cases")


def execute(
    plan: Plan,
    file: Path,
    start: RunStart,
    listener: Listener,
    resumed: Results | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Measures the plan into ``file``. Ctrl-C ends it cleanly; what was measured is on the disk."""
    outcome = Outcome(file)
    with Store(file) as store:
        if resumed is None:
            store.append(start)
        try:
            counts = count_networks(plan, start.run, store, listener, resumed)
            _rounds(plan, start, store, listener, resumed, counts, outcome, clock)
        except KeyboardInterrupt:
            outcome.interrupted = True
        store.append(note_end(start.run, outcome))
    return outcome


def count_networks(
    plan: Plan,
    run_id: str,
    store: Store,
    listener: Listener,
    resumed: Results | None = None,
    arm: str = "",
    checkout: Path | None = None,
) -> dict[str, Count]:
    """Counts every network of the plan before anything is timed; returns count id -> record.

    Counts do not depend on the moment, so as many processes count as there are cores; methods whose
    recipe comes from times of their own (``Method.times``) are counted after them, one by one.
    """
    counts = {k: c for k, c in (resumed.counts if resumed else {}).items() if c.status == "ok"}
    todo: dict[str, Case] = {case.count_id: case for case in plan.cases if case.count_id not in counts}
    alone = {k: c for k, c in todo.items() if any(METHODS.get(call.name).times for call in c.methods)}
    together = {k: c for k, c in todo.items() if k not in alone}
    done = 0
    for group, processes in ((together, min(COUNTING_PROCESSES, len(together))), (alone, min(1, len(alone)))):
        if not group:
            continue
        with CountingPool(processes, list(plan.plugins), checkout) as pool:
            for count_id, answer in zip(
                group, pool.count([c.as_dict() for c in group.values()]), strict=True
            ):
                listener.counting(done, len(todo))
                done += 1
                counts[count_id] = _count_record(run_id, count_id, answer, arm)
                store.append(counts[count_id])
    listener.counting(len(todo), len(todo))
    return counts


def _count_record(run_id: str, count_id: str, answer: Answer, arm: str) -> Count:
    return Count(
        run=run_id,
        count_id=count_id,
        status=answer["status"],
        error=answer["error"],
        counts=answer.get("counts"),
        replaced=answer.get("replaced", []),
        left=answer.get("left", []),
        recipes=answer.get("recipes", []),
        arm=arm,
    )


def _rounds(
    plan: Plan,
    start: RunStart,
    store: Store,
    listener: Listener,
    resumed: Results | None,
    counts: dict[str, Count],
    outcome: Outcome,
    clock: Callable[[], float],
) -> None:
    trials = list(resumed.trials) if resumed else []
    finished = {(trial.case, trial.round) for trial in trials}
    failures: dict[str, int] = {}
    for trial in trials:
        note_failure(trial, failures, outcome)
    cases: dict[str, Case] = {}
    for case in plan.cases:
        count = counts[case.count_id]
        if count.status == "ok":
            cases[case.id] = case
        else:
            outcome.failed[case.id] = _in_words(count.error)
    total = len(cases) * plan.measure.rounds
    done = sum(1 for trial in trials if trial.case in cases)
    listener.trial(done, total, None)
    number = 0
    while True:
        # Every round's order is drawn over all cases, so a resumed run repeats the orders of its beginning.
        order = round_order(list(cases), start.seed, number)
        todo = set(remaining(order, number, finished))
        if number >= plan.measure.rounds:
            if plan.measure.resolution is None or number >= plan.measure.max_rounds:
                break
            going_on = [case for case in cases.values() if failures.get(case.id, 0) < GIVE_UP_AFTER]
            todo &= unresolved(going_on, trials, plan.measure.resolution)
            if not todo:
                break
            total += len(todo)
        for position, case_id in enumerate(order):
            if case_id not in todo:
                continue
            done += 1
            if failures.get(case_id, 0) >= GIVE_UP_AFTER:
                continue
            case = cases[case_id]
            trial = measure(plan, case, counts[case.count_id], start.run, number, position, clock)
            store.append(trial)
            trials.append(trial)
            note_failure(trial, failures, outcome)
            listener.trial(done, total, trial)
        number += 1


def measure(
    plan: Plan,
    case: Case,
    count: Count,
    run_id: str,
    number: int,
    position: int,
    clock: Callable[[], float],
    arm: str = "",
    checkout: Path | None = None,
) -> Trial:
    """One trial of a case in a fresh process, of another checkout's package where one is given."""
    target = plan.targets[case.target]
    job: Answer = {
        "case": case.as_dict(),
        "device": target.device,
        "recipes": count.recipes,
        "protocol": plan.measure.protocol(),
        "plugins": list(plan.plugins),
        "orders": number == 0,
        "heap": plan.measure.heap,
    }
    started, since = _now(), clock()
    answer = run_worker(target, job, plan.measure.timeout, checkout)
    return as_trial(answer, run_id, case.id, number, position, started, clock() - since, arm)


def as_trial(
    answer: Answer,
    run_id: str,
    case_id: str,
    number: int,
    position: int,
    started: str,
    wall: float,
    arm: str = "",
) -> Trial:
    """The record of a worker's answer."""
    known = {name for name in Trial.__dataclass_fields__ if name != "kind"}
    fields: dict[str, Any] = {k: v for k, v in answer.items() if k in known}
    return Trial(
        run=run_id,
        case=case_id,
        round=number,
        position=position,
        started=started,
        wall_seconds=round(wall, 4),
        arm=arm,
        **fields,
    )


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    found = {"csr-bench": bench.__version__}
    for name in VERSIONS_OF:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found.setdefault(name, "not installed")
    return found


def revision() -> str:
    """The commit of the checkout that this package runs from, with ``-dirty`` where it was changed."""
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except OSError:
        return "unknown"
    return answer.stdout.strip() or "unknown"


def note_failure(trial: Trial, failures: dict[str, int], outcome: Outcome) -> None:
    """Counts a failed trial of its case (and arm) and keeps its reason."""
    if trial.status != "ok":
        key = count_key(trial.arm, trial.case)
        failures[key] = failures.get(key, 0) + 1
        outcome.failed[key] = _in_words(trial.error)


def note_end(run_id: str, outcome: Outcome) -> RunEnd:
    """The last record of a run."""
    return RunEnd(run_id, "interrupted" if outcome.interrupted else "complete", _now())


def _in_words(error: dict[str, Any] | None) -> str:
    if error is None:
        return "failed without a word"
    first_line = str(error.get("message", "")).strip().partition("\n")[0]
    return f"{error.get('type')} in {error.get('stage')}: {first_line}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
