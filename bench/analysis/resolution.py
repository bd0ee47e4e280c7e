"""Which cases still need rounds: those whose ratio to the baseline is not yet known as well as asked."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from bench.analysis import stats
from bench.analysis.quality import medians
from bench.analysis.records import Trial
from bench.case import Case
from bench.errors import InputError


def parse_percent(text: str) -> float:
    """``2%`` or ``0.02`` as 0.02. Raises InputError for anything outside (0, 1)."""
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(%?)\s*", text)
    value = float(match[1]) / (100 if match[2] else 1) if match else math.nan
    if not 0 < value < 1:
        raise InputError(f"'{text}' is no resolution; 2% or 0.02 is one")
    return value


def unresolved(cases: Sequence[Case], trials: Iterable[Trial], resolution: float) -> set[str]:
    """Ids of the cases that need more rounds, with the baselines they are compared to.

    A case is resolved when half the interval of its ratio to its baseline is at most ``resolution``
    on the log scale; one without a baseline among the cases, when that holds for its own latency.
    """
    by_case: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        by_case[trial.case].append(trial)
    known = {case.id: medians(by_case[case.id]) for case in cases}
    compared_to = {case.baseline().id for case in cases if case.baseline().id != case.id}
    wanted: set[str] = set()
    for case in cases:
        baseline = case.baseline().id
        if case.id == baseline and case.id in compared_to:
            continue  # a baseline goes on for the sake of those compared to it
        if baseline in known and baseline != case.id:
            common = known[baseline].keys() & known[case.id].keys()
            interval = stats.ratio(known[baseline], known[case.id]) if common else stats.estimate([])
        else:
            interval = stats.estimate(list(known[case.id].values()))
        if not interval.known or interval.half_width > math.log1p(resolution):
            wanted |= {case.id, baseline} & known.keys()
    return wanted
