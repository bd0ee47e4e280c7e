"""Which cases still need rounds: those whose ratio is not yet known as well as asked."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from bench.analysis import stats
from bench.analysis.stats import Interval
from bench.case import Case
from bench.errors import InputError

Medians = Mapping[str, Mapping[str, Mapping[int, float]]]
"""Arm -> case id -> round -> median latency; a run of one revision has the arm ``""``."""


def parse_percent(text: str) -> float:
    """``2%`` or ``0.02`` as 0.02. Raises InputError for anything outside (0, 1)."""
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(%?)\s*", text)
    value = float(match[1]) / (100 if match[2] else 1) if match else math.nan
    if not 0 < value < 1:
        raise InputError(f"'{text}' is no resolution; 2% or 0.02 is one")
    return value


def unresolved(cases: Sequence[Case], medians: Medians, resolution: float) -> set[str]:
    """Ids of the cases that need more rounds, with the baselines they are compared to.

    With two arms a case is resolved when half the interval of its ratio between them is at most
    ``resolution`` on the log scale; with one, when that holds for its ratio to its baseline, or, without a
    baseline among the cases, for its own latency.
    """
    arms = list(medians)
    if len(arms) == 2:
        base, head = (medians[arm] for arm in arms)
        return {c.id for c in cases if _wide(_ratio(base.get(c.id), head.get(c.id)), resolution)}
    (known,) = medians.values()
    ids = {case.id for case in cases}
    compared_to = {case.baseline().id for case in cases if case.baseline().id != case.id}
    wanted: set[str] = set()
    for case in cases:
        baseline = case.baseline().id
        if case.id == baseline and case.id in compared_to:
            continue  # a baseline goes on for the sake of those compared to it
        if baseline in ids and baseline != case.id:
            interval = _ratio(known.get(baseline), known.get(case.id))
        else:
            interval = stats.estimate(list(known.get(case.id, {}).values()))
        if _wide(interval, resolution):
            wanted |= {case.id, baseline} & ids
    return wanted


def _ratio(base: Mapping[int, float] | None, other: Mapping[int, float] | None) -> Interval:
    if not base or not other or not base.keys() & other.keys():
        return stats.estimate([])
    return stats.ratio(base, other)


def _wide(interval: Interval, resolution: float) -> bool:
    return not interval.known or interval.half_width > math.log1p(resolution)
