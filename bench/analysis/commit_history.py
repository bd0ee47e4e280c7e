"""What changed from commit to commit: counts by exact comparison of neighbours, times by changes of level.

Neighbours say little of times: of many commits, each measured for itself, some lie apart by chance, and one
commit is no level. So times go to ``bench.analysis.levels``, which judges all commits of a line together. A
few runs of one host, side by side on a page, have a rule of their own: ``bench.analysis.run_history``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

from bench.analysis.compare import EXACT, INSTRUCTIONS, ON_ONE_HOST, REPEATS
from bench.analysis.levels import ALPHA, LONGEST, Levels, find_levels

COUNTS = (*EXACT, *ON_ONE_HOST, INSTRUCTIONS)
"""Metrics that are compared exactly (instructions: to the few parts in ten thousand to which they repeat)."""

TIMES = ("latency", "ratio")
"""Metrics in which changes of level are looked for."""

METRICS = (*COUNTS, *TIMES)

ANYWHERE = ""
"""The line of a number that belongs to the network, whatever the machine."""


@dataclass(frozen=True)
class Reading:
    """One number of one case at one commit.

    ``line``: the machine and what else must stay the same for times to be compared. ``commit``: in full.
    ``value`` is nan where it was asked for and is not known; ``low`` and ``high`` are its interval, nan where
    there is none. ``when`` (seconds since 1970): of two readings of one commit the later one counts.
    """

    line: str
    case: str
    metric: str
    commit: str
    value: float
    low: float = math.nan
    high: float = math.nan
    when: float = 0.0


@dataclass(frozen=True)
class Point:
    """A reading at its place: ``at`` is the number of its commit in the order of commits."""

    at: int
    commit: str
    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class Step:
    """One rise or fall.

    ``base`` is the last commit measured before it. It lies in one of ``candidates``, oldest first: one where
    the history can tell, several where commits between were not measured, or where noise hides the place.
    ``before`` and ``after``: the numbers, of times the levels. ``ratio`` with its interval for times.
    """

    line: str
    case: str
    metric: str
    base: str
    candidates: tuple[str, ...]
    before: float
    after: float
    ratio: float = math.nan
    low: float = math.nan
    high: float = math.nan

    @property
    def rise(self) -> bool:
        """True where the number became larger, which is worse in all of them."""
        return self.after > self.before

    @property
    def exact(self) -> bool:
        """True for a count, false for a time."""
        return self.metric in COUNTS


@dataclass(frozen=True)
class Series:
    """One metric of one case on one line: its points, its steps, and what could not be told.

    ``resolution``: the smallest lasting change of a time that would be found once ``behind`` commits follow.
    ``gaps``: commits between the first and the last one measured that have no number. ``doubts``: in words.
    """

    line: str
    case: str
    metric: str
    points: tuple[Point, ...]
    steps: tuple[Step, ...] = ()
    resolution: float = math.nan
    behind: int = 0
    gaps: int = 0
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class CommitHistory:
    """All series in the order of their cases. ``notes``: what was left out, in words."""

    order: tuple[str, ...]
    series: tuple[Series, ...]
    notes: tuple[str, ...] = ()

    @property
    def steps(self) -> list[Step]:
        """Every rise and fall, the newest first."""
        places = {commit: at for at, commit in enumerate(self.order)}
        found = [step for one in self.series for step in one.steps]
        return sorted(found, key=lambda step: -places[step.candidates[-1]])

    @property
    def told(self) -> bool:
        """False where something that was asked cannot be told."""
        return bool(self.series) and not any(one.doubts for one in self.series)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for ``--json``: what is not known is null."""
        return {
            "steps": [_plain(asdict(step)) | {"rise": step.rise} for step in self.steps],
            "series": [_plain({k: v for k, v in asdict(one).items() if k != "steps"}) for one in self.series],
            "notes": list(self.notes),
        }


def make_commit_history(readings: Iterable[Reading], order: Sequence[str]) -> CommitHistory:
    """The history of all readings along ``order``, full commits, oldest first.

    Counts of one commit are one number, whatever machine read them; the allocator's peak and times stay on
    the line that they were measured on. Readings of commits that are not in ``order`` are left out and
    counted. Times of all cases of a line are judged together: of neutral histories no more than ALPHA are
    said to have changed.
    """
    places = {commit: at for at, commit in enumerate(order)}
    known: dict[tuple[str, str, str], dict[int, Reading]] = {}
    strange: set[str] = set()
    notes: list[str] = []
    for reading in sorted(readings, key=lambda one: one.when):
        at = places.get(reading.commit)
        if at is None:
            strange.add(reading.commit)
            continue
        line = ANYWHERE if reading.metric in EXACT else reading.line
        kept = known.setdefault((reading.case, reading.metric, line), {})
        told = kept.get(at)
        if told is not None and _contradict(told, reading):
            notes.append(
                f"{reading.commit[:12]}: {reading.case} {reading.metric} was read as {told.value:.0f} and as "
                f"{reading.value:.0f}; the later reading counts"
            )
        if told is None or not math.isnan(reading.value):
            kept[at] = reading
    if strange:
        named = ", ".join(sorted(commit[:12] for commit in strange)[:5])
        notes.append(
            f"left out: readings of {len(strange)} commits that are not on this line of commits ({named})"
        )
    times: dict[str, int] = {}
    for _, metric, line in known:
        times[line] = times.get(line, 0) + (metric in TIMES)
    series = [_series(key, by_place, order, ALPHA / max(1, times[key[2]])) for key, by_place in known.items()]
    rank = {metric: at for at, metric in enumerate(METRICS)}
    cases = {case: at for at, case in enumerate(dict.fromkeys(key[0] for key in known))}
    series = _without_echoes([one for one in series if one.points and not _is_baseline(one)])
    series.sort(key=lambda one: (cases[one.case], rank.get(one.metric, len(rank)), one.line))
    return CommitHistory(tuple(order), tuple(series), tuple(notes))


def _is_baseline(series: Series) -> bool:
    """A baseline's ratio to itself says nothing."""
    return series.metric == "ratio" and all(point.value == 1 for point in series.points)


def _without_echoes(series: Sequence[Series]) -> list[Series]:
    """The series without steps of witnessed MACs that all witnesses saw: those are the executed ones."""
    executed = {
        (one.case, step.base, step.candidates, step.before, step.after)
        for one in series
        if one.metric == "executed_macs"
        for step in one.steps
    }
    found = []
    for one in series:
        if one.metric == "witnessed_macs":
            own = (
                s for s in one.steps if (one.case, s.base, s.candidates, s.before, s.after) not in executed
            )
            one = replace(one, steps=tuple(own))
        found.append(one)
    return found


def _contradict(one: Reading, other: Reading) -> bool:
    return one.metric in EXACT and one.value != other.value and not math.isnan(one.value + other.value)


def _series(
    key: tuple[str, str, str], by_place: Mapping[int, Reading], order: Sequence[str], alpha: float
) -> Series:
    case, metric, line = key
    points = tuple(
        Point(at, one.commit, one.value, one.low, one.high)
        for at, one in sorted(by_place.items())
        if math.isfinite(one.value)
    )
    span = points[-1].at - points[0].at + 1 if points else 0
    made = Series(line, case, metric, points, gaps=span - len(points))
    made = replace(made, doubts=tuple(_doubts(made, by_place)))
    if metric in TIMES:
        return _with_levels(made, order, alpha)
    steps = tuple(
        Step(line, case, metric, a.commit, tuple(order[a.at + 1 : b.at + 1]), a.value, b.value)
        for a, b in pairwise(points)
        if _differ(metric, a.value, b.value)
    )
    return replace(made, steps=steps)


def _doubts(series: Series, by_place: Mapping[int, Reading]) -> list[str]:
    """What keeps this series from being told, if anything."""
    if not series.points:
        return []
    if len(series.points) == 1:
        return [f"one commit alone was measured ({series.points[0].commit[:12]}): nothing to compare it with"]
    newest = by_place[max(by_place)]
    if not math.isfinite(newest.value):
        return [f"the newest commit that was measured, {newest.commit[:12]}, has no number"]
    return []


def _differ(metric: str, before: float, after: float) -> bool:
    return abs(after - before) > (REPEATS * before if metric == INSTRUCTIONS else 0)


def _with_levels(series: Series, order: Sequence[str], alpha: float) -> Series:
    points = [point for point in series.points if point.value > 0][-LONGEST:]
    levels = find_levels([math.log(point.value) for point in points], alpha)
    steps = []
    for number, change in enumerate(levels.changes, start=1):
        base, last = points[change.first - 1], points[change.last]
        before, after = (_level(points, levels, at) for at in (number - 1, number))
        steps.append(
            Step(
                series.line,
                series.case,
                series.metric,
                base.commit,
                tuple(order[base.at + 1 : last.at + 1]),
                before,
                after,
                change.ratio,
                change.low,
                change.high,
            )
        )
    doubts = list(series.doubts)
    if levels.odd_tip:
        doubts.append(
            f"the newest commit, {points[-1].commit[:12]}, lies outside of what its history explains, and "
            f"one commit is no level: `bench ab {points[-2].commit[:12]} {points[-1].commit[:12]}` would tell"
        )
    return replace(
        series, steps=tuple(steps), resolution=levels.resolution, behind=levels.behind, doubts=tuple(doubts)
    )


def _level(points: Sequence[Point], levels: Levels, number: int) -> float:
    within = [math.log(p.value) for p in points[levels.bounds[number] : levels.bounds[number + 1]]]
    return math.exp(math.fsum(within) / len(within))


def _plain(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_plain(value) for value in data]
    if isinstance(data, float):
        if not math.isfinite(data):
            return None
        return int(data) if data.is_integer() else data
    return data
