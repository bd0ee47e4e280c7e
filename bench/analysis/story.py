"""What happened to a case round by round: its trials with their marks, and the ratios that they gave."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from bench.analysis import stats
from bench.analysis.pairing import kept_logs
from bench.analysis.proof import standing
from bench.analysis.quality import CaseTrials
from bench.analysis.records import Trial
from bench.analysis.store import Results

Name = tuple[str, str, str]
"""Arm, case id and host; the host is "" where the run measured the case on no more than one."""


@dataclass(frozen=True)
class TrialFact:
    """One trial: its round, its median in seconds (nan without one), and why it may be distrusted.

    ``error``: the first line of why it failed; ``left_out``: no estimate is made of it.
    """

    round: int
    seconds: float
    marks: tuple[str, ...] = ()
    left_out: bool = False
    error: str = ""


@dataclass(frozen=True)
class Story:
    """The trials of a case in order of their rounds; ``ratios`` to the baseline by round."""

    trials: tuple[TrialFact, ...]
    ratios: Mapping[int, float]


def stories(results: Results, names: Collection[tuple[str, str, str, str]]) -> dict[Name, Story]:
    """The stories of the cases with these names: arm, case id, host of the row ("" for any), baseline id."""
    found: dict[Name, Story] = {}
    for arm in dict.fromkeys(name[0] for name in names):
        by_case, _ = standing(results, arm)
        judged: dict[tuple[str, str], CaseTrials] = {}
        for of_arm, case, host, baseline in names:
            if of_arm != arm:
                continue
            for one in (case, baseline):
                if (one, host) not in judged:
                    judged[one, host] = CaseTrials.of(_on(host, by_case.get(one, [])))
            found[arm, case, host] = _story(judged[case, host], judged[baseline, host])
    return found


def _on(host: str, trials: Sequence[Trial]) -> list[Trial]:
    """The trials of that host, and those that failed before they could tell theirs."""
    hosts = {str(trial.host["id"]) for trial in trials if trial.host}
    if not host or host not in hosts:
        return list(trials)
    return [trial for trial in trials if not trial.host or str(trial.host["id"]) == host]


def _story(trials: CaseTrials, baseline: CaseTrials) -> Story:
    estimated = {id(trial) for trial in trials.kept}
    facts = [
        TrialFact(
            trial.round,
            math.exp(trial.log_median),
            tuple(sorted(found)),
            trial.latency is not None and id(trial) not in estimated,
        )
        for trial, found in zip(trials.good, trials.marks, strict=True)
    ]
    failed = [
        TrialFact(trial.round, math.nan, error=trial.error.in_words() if trial.error else "failed")
        for trial in trials.failed
    ]
    logs = kept_logs(baseline.kept, trials.kept)
    ratios = {number: stats.from_log(log) for number, log in logs.items()}
    return Story(tuple(sorted(chain(facts, failed), key=lambda fact: fact.round)), ratios)
