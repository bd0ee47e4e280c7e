"""The verdicts of one run's cases, by the rule that the run was measured under."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bench.analysis import stats
from bench.analysis.power import detectable
from bench.analysis.sequential import (
    ALPHA,
    MAX_ROUNDS,
    MIN_ROUNDS,
    Decision,
    Schedule,
    decide,
    looks,
    nominal_levels,
)
from bench.analysis.verdict import verdicts

RESOLUTION = 0.03
"""Differences up to this were called the same in runs that looked once and asked for no resolution."""

Logs = Mapping[str, Mapping[int, float]]
"""Case id -> round -> log ratio of the case to what it is compared with."""


def schedule_of(measure: Mapping[str, Any]) -> Schedule | None:
    """The looks of a run with this ``measure``; None for one from before runs ended by themselves."""
    if "min_rounds" not in measure:
        return None
    rounds = measure.get("rounds")
    if isinstance(rounds, int):
        return (max(2, rounds),)
    last = _whole(measure.get("max_rounds"), MAX_ROUNDS)
    return looks(max(2, min(_whole(measure.get("min_rounds"), MIN_ROUNDS), last)), max(2, last))


def judge_cases(
    logs: Logs, measure: Mapping[str, Any], over: bool, resolution: float | None = None
) -> dict[str, Decision]:
    """The verdict on every case of a family, judged together. ``over``: the run came to its end.

    ``resolution`` is the run's own where none is given. A run that looked once, from before runs ended by
    themselves, is judged as it was then: a signed-rank interval beside Student's p-value.
    """
    schedule = schedule_of(measure)
    within = resolution or resolution_asked(measure)
    if schedule is None:
        return _judged_once(logs, within)
    values = {case: list(by_round.values()) for case, by_round in logs.items()}
    return decide(values, within, schedule, over=over)


def resolution_asked(measure: Mapping[str, Any]) -> float:
    """Differences up to this are called the same in a run with this ``measure``: 0.01 is ±1 %."""
    usual = RESOLUTION if schedule_of(measure) is None else 0.01
    return float(measure.get("resolution") or usual)


def smallest_found(logs: Mapping[int, float], measure: Mapping[str, Any], cases: int) -> float:
    """The smallest slow-down that this comparison would have called different with a chance of 95 %.

    As one of ``cases`` judged together, at the level of the look that its rounds have reached. nan where
    nothing can be said: fewer than two rounds, or a run from before runs ended by themselves.
    """
    schedule = schedule_of(measure)
    reached = [at for at, look in enumerate(schedule or ()) if look <= len(logs)]
    if schedule is None or not reached:
        return math.nan
    at = reached[-1]
    level = nominal_levels(schedule, ALPHA / max(1, cases))[at]
    return detectable(list(logs.values())[: schedule[at]], level).change


def _judged_once(logs: Logs, resolution: float) -> dict[str, Decision]:
    ratios = {case: stats.of_logs(list(of.values())) for case, of in logs.items()}
    p_values = {case: stats.p_value(list(of.values())) for case, of in logs.items()}
    words = verdicts(list(ratios.values()), list(p_values.values()), resolution)
    return {
        case: Decision(word, ratios[case], p_values[case]) for case, word in zip(logs, words, strict=True)
    }


def _whole(value: Any, usual: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else usual
