"""How long a run will take: from what this host has measured before, else from what a usual host needs."""

from __future__ import annotations

import platform
import statistics
import warnings
from collections import defaultdict
from datetime import datetime
from pathlib import Path

from bench.analysis.store import Results, list_results, read_results
from bench.errors import InputError
from bench.plan.plan import Plan

RUNS, LARGEST = 3, 8 * 2**20
"""Stored runs that are looked into, the newest first, and the bytes beyond which one is passed over."""

MORE_ROUNDS = 1.15
"""Rounds beyond the first look that runs of the shipped suites took on the whole, as a factor."""


def estimated_seconds(plan: Plan, folder: Path) -> float:
    """Seconds that a run of ``plan`` will take, counting and probing included.

    Where runs in ``folder`` measured on this machine have some of its cases, those take what they took then,
    and the others what a usual case takes (``Plan.estimated_seconds``).
    """
    runs = _runs_here(folder)
    seen: dict[str, float] = {}
    before: list[float] = []
    for results in runs:
        took: dict[str, list[float]] = defaultdict(list)
        for trial in results.trials:
            if trial.status == "ok" and trial.sitting:
                took[trial.case].append(trial.wall_seconds)
        for case, values in took.items():
            seen.setdefault(case, statistics.fmean(values))
        if (seconds := _before_the_first_round(results)) is not None:
            before.append(seconds / len(results.start.cases))
    if not seen:
        return plan.estimated_seconds
    usual = statistics.fmean(seen.values())
    rounds = plan.measure.planned_rounds * (MORE_ROUNDS if plan.measure.rounds is None else 1.0)
    sampling = rounds * sum(seen.get(case.id, usual) for case in plan.cases)
    return sampling + len(plan.cases) * (statistics.fmean(before) if before else plan.seconds_before)


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
        if not results.start.arms and names == {platform.node()}:
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
