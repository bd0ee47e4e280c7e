"""What each round of a run said about a case: the numbers behind its latency and its ratio."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.analysis.pairing import round_logs
from bench.analysis.proof import standing
from bench.analysis.quality import marks, medians
from bench.analysis.records import Trial
from bench.analysis.store import Results

DISTURBANCES = frozenset({"busy", "stolen"})
"""Marks of trials whose processor others used."""


@dataclass(frozen=True)
class RoundValues:
    """One number a round, in the order of rounds.

    ``latencies``: seconds, of each round's median. ``ratios``: to the baseline, empty for a baseline itself.
    ``disturbed`` of ``trials`` with a latency were taken while others used the processor.
    """

    latencies: tuple[float, ...] = ()
    ratios: tuple[float, ...] = ()
    disturbed: int = 0
    trials: int = 0

    @property
    def trusted(self) -> bool:
        """False where more than half of the trials were disturbed: what they have in common is the
        neighbour."""
        return 2 * self.disturbed <= self.trials


def round_values(results: Results, arm: str = "") -> dict[str, RoundValues]:
    """Case id -> its values by round, of one arm of a run; a case that was not timed has none."""
    by_case, _ = standing(results, arm)
    return {
        planned.case.id: _of_case(planned.case.id, planned.baseline, by_case)
        for planned in results.start.planned()
    }


def _of_case(case: str, baseline: str, by_case: Mapping[str, Sequence[Trial]]) -> RoundValues:
    timed = [trial for trial in by_case.get(case, ()) if trial.status == "ok" and trial.latency is not None]
    by_round = medians(timed)
    logs = {} if case == baseline else round_logs(by_case.get(baseline, ()), timed)
    return RoundValues(
        latencies=tuple(by_round[number] for number in sorted(by_round)),
        ratios=tuple(math.exp(value) for value in logs.values()),
        disturbed=sum(1 for found in marks(timed) if found & DISTURBANCES),
        trials=len(timed),
    )
