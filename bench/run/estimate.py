"""How long a run will take: from what this host has measured before, else from what a usual host needs."""

from __future__ import annotations

import statistics
import warnings
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bench.analysis.records import Trial
from bench.analysis.redaction import is_this_host
from bench.analysis.store import Results, list_results, read_results
from bench.case import Case
from bench.errors import InputError
from bench.plan.plan import Plan
from bench.plan.suite import Measure

if TYPE_CHECKING:
    from bench.run.dense import DenseTimes

ENOUGH = 3
"""Rounds of a stored run from which a case's scatter is taken."""

RUNS, LARGEST = 3, 8 * 2**20
"""Stored runs that are looked into, the newest first, and the bytes beyond which one is passed over."""

MORE_ROUNDS = 1.25
"""Trials of a run that ends by itself over those of its first look: 342 and 356 of cifar.yaml's 280."""

USUAL_DEVIATION = 0.0053
"""Standard deviation of a round's log ratio that is expected of a case never measured here: the one of the
noise table in docs/measurement.md, quiet host."""


def expected_rounds(plan: Plan, folder: Path) -> dict[str, int]:
    """Case id -> rounds that it will take until its verdict is known; the planned ones where they are fixed.

    Ratios and their scatter are those of the runs in ``folder`` measured on this machine; a case without one
    is taken to be equal to its baseline. A baseline sits as long as those that are compared with it.
    """
    # Imported here: they bring scipy, which a plan without a resolution does not wait for.
    from bench.analysis.pairing import round_logs
    from bench.analysis.sequential import looks, rounds_needed

    if all(plan.measure_of(case).rounds is not None for case in plan.cases):
        return {case.id: plan.rounds_of(case) for case in plan.cases}
    runs = _runs_here(folder)
    needed: dict[str, int] = {}
    bases: dict[str, int] = {}
    for case in plan.cases:
        base, measure = case.baseline().id, plan.measure_of(case)
        if measure.rounds is None and case.id != base:
            schedule = looks(measure.planned_rounds, measure.max_rounds)
            pairs = ((_trials(results, base), _trials(results, case.id)) for results in runs)
            logs = next((found for pair in pairs if len(found := round_logs(*pair)) >= ENOUGH), {}).values()
            mean = statistics.fmean(logs) if logs else 0.0
            deviation = statistics.stdev(logs) if logs else USUAL_DEVIATION
            needed[case.id] = rounds_needed(mean, deviation, measure.resolution, schedule)
            bases[base] = max(bases.get(base, 0), needed[case.id])
    return {
        case.id: 1
        if plan.is_emulated(case)
        else needed.get(case.id) or bases.get(case.id, plan.measure_of(case).planned_rounds)
        for case in plan.cases
    }


@dataclass(frozen=True)
class Stored:
    """What runs on this machine took: a trial, by case id, and for each case what comes before all rounds."""

    seconds: Mapping[str, float]
    before: float | None


def stored(folder: Path) -> Stored:
    """What the newest runs in ``folder`` that this machine measured took."""
    seen: dict[str, float] = {}
    before: list[float] = []
    for results in _runs_here(folder):
        took: dict[str, list[float]] = defaultdict(list)
        for trial in results.trials:
            if trial.status == "ok" and trial.sitting:
                took[trial.case].append(trial.wall_seconds)
        for case, values in took.items():
            seen.setdefault(case, statistics.fmean(values))
        if (seconds := _before_the_first_round(results)) is not None:
            before.append(seconds / len(results.start.cases))
    return Stored(seen, statistics.fmean(before) if before else None)


def stored_seconds(plan: Plan, folder: Path) -> float | None:
    """Seconds that a run of ``plan`` will take, by stored runs alone; None where no case of it is in them."""
    runs = stored(folder)
    if not any(case.id in runs.seconds for case in plan.cases):
        return None
    return _estimated(plan, runs)


def estimated_seconds(
    plan: Plan,
    folder: Path,
    rounds: Mapping[str, int] | None = None,
    dense: DenseTimes | None = None,
) -> float:
    """Seconds that a run of ``plan`` will take, counting and probing included, with ``rounds`` of cases.

    A case takes what it took in the runs stored in ``folder``; else what its dense network tells (``dense``);
    else what the others took, or what a usual case takes (``Plan.seconds_of``).
    """
    return _estimated(plan, stored(folder), rounds, dense)


def _estimated(
    plan: Plan,
    runs: Stored,
    rounds: Mapping[str, int] | None = None,
    dense: DenseTimes | None = None,
) -> float:
    if rounds is None:
        usual_rounds = statistics.fmean(_usual_rounds(plan.measure_of(case)) for case in plan.cases)
    else:
        usual_rounds = statistics.fmean(rounds.values())
    each, seen = rounds or {}, dict(runs.seconds)
    before: dict[str, float] = {}
    for case in plan.cases:
        if dense is not None and (told := dense.trial(case, plan)) is not None:
            seen.setdefault(case.id, told)
            before[case.id] = dense.before(case) or plan.seconds_before
    if not seen:
        return plan.seconds_of(usual_rounds)
    usual = statistics.fmean(seen.values())
    sampling = sum(
        each.get(case.id, _rounds_of(plan, case)) * seen.get(case.id, usual) for case in plan.cases
    )
    usually = plan.seconds_before if runs.before is None else runs.before
    return sampling + sum(before.get(case.id, usually) for case in plan.cases)


def _rounds_of(plan: Plan, case: Case) -> float:
    return 1.0 if plan.is_emulated(case) else _usual_rounds(plan.measure_of(case))


def _usual_rounds(measure: Measure) -> float:
    return measure.planned_rounds * (MORE_ROUNDS if measure.rounds is None else 1.0)


def _trials(results: Results, case: str) -> list[Trial]:
    return [trial for trial in results.trials if trial.case == case and trial.status == "ok"]


def _runs_here(folder: Path) -> list[Results]:
    """The newest runs of this machine that measured one revision."""
    found: list[Results] = []
    for file in list(reversed(list(list_results(folder)))):
        if len(found) == RUNS:
            break
        try:
            if file.stat().st_size > LARGEST:
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                results = read_results(file)
        except (InputError, OSError):
            continue
        names = {trial.host.get("name") for trial in results.trials if trial.host}
        if not results.start.arms and names and all(map(is_this_host, names)):
            found.append(results)
    return found


def _before_the_first_round(results: Results) -> float | None:
    """Seconds from the run's beginning to its first trial: counting and probing."""
    starts = [trial.started for trial in results.trials if trial.started]
    if not starts or not results.start.cases:
        return None
    try:
        first = min(map(datetime.fromisoformat, starts))
        return max(0.0, (first - datetime.fromisoformat(results.start.started)).total_seconds())
    except (ValueError, TypeError):
        return None
