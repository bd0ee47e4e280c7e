"""A case over runs of one host: where its ratio to dense took a step.

Ratios and not latencies: what drifts between two runs drifts for the baseline too. A step stands between two
runs that follow each other where their intervals do not touch and the ratios differ by more than STEP. Two
95 % intervals of equal width that only just do not touch differ at p < 0.006 (Schenker and Gentleman 2001),
so that few steps are chance.

The rule has to tell of two runs, which is what a page of a few results files has, and each run brings an
interval over its own processes. ``bench.analysis.commit_history`` looks for lasting changes of level in many
commits (``bench.analysis.levels``): it estimates the scatter from commit to commit, and says nothing of fewer
than five.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.analysis.hosts import SAME_CASE
from bench.analysis.records import RunStart
from bench.analysis.stats import Interval

STEP = 0.03
"""Ratios nearer than this are one level: runs of one host differ by that much on their own."""


@dataclass(frozen=True)
class RunPoint:
    """A case in one run. ``step``: log of the change since the run before, 0 where there is no step."""

    run: str
    ratio: Interval
    step: float = 0.0


@dataclass(frozen=True)
class CaseOverRuns:
    """A case on one host over its runs, the oldest first."""

    row: Mapping[str, Any]
    points: tuple[RunPoint, ...]

    @property
    def steps(self) -> tuple[RunPoint, ...]:
        """The points at which the ratio took a step."""
        return tuple(point for point in self.points if point.step)


@dataclass(frozen=True)
class RunHistory:
    """Runs in order of time, and the cases that several of them measured."""

    runs: tuple[RunStart, ...] = ()
    lines: tuple[CaseOverRuns, ...] = ()


def run_history(rows: Sequence[Mapping[str, Any]], starts: Sequence[RunStart]) -> RunHistory:
    """The cases that two or more runs of a host measured; ``rows`` are the frame's."""
    order = sorted(
        {start.run: start for start in starts}.values(), key=lambda start: (start.started, start.run)
    )
    place = {start.run: at for at, start in enumerate(order)}
    cases: dict[tuple[Any, ...], dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        if row["status"] == "ok" and not row["is_baseline"] and row["run"] in place and row["ratio_rounds"]:
            key = (row["host"], row["target"], *(row[column] for column in SAME_CASE))
            cases.setdefault(key, {})[row["run"]] = row
    lines = []
    for by_run in cases.values():
        runs = sorted(by_run, key=place.__getitem__)
        if len(runs) > 1:
            lines.append(CaseOverRuns(by_run[runs[-1]], _points([(run, by_run[run]) for run in runs])))
    used = {point.run for line in lines for point in line.points}
    return RunHistory(tuple(start for start in order if start.run in used), tuple(lines))


def step_between(before: Interval, after: Interval) -> float:
    """Log of the change where it is a step, else 0."""
    if not (before.known and after.known) or (before.low <= after.high and after.low <= before.high):
        return 0.0
    change = math.log(after.value / before.value)
    return change if abs(change) > math.log1p(STEP) else 0.0


def _points(runs: Sequence[tuple[str, Mapping[str, Any]]]) -> tuple[RunPoint, ...]:
    found: list[RunPoint] = []
    for run, row in runs:
        ratio = Interval(row["ratio"], row["ratio_low"], row["ratio_high"], row["ratio_rounds"])
        step = step_between(found[-1].ratio, ratio) if found else 0.0
        found.append(RunPoint(run, ratio, step))
    return tuple(found)
