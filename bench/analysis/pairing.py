"""The ratio of two cases in one round, from turns next to each other in time where they took turns."""

from __future__ import annotations

import bisect
import math
import statistics
from collections.abc import Mapping, Sequence

from bench.analysis.quality import kept
from bench.analysis.records import Trial
from bench.worker.measurements import Latency


def round_logs(base: Sequence[Trial], other: Sequence[Trial]) -> dict[int, float]:
    """Round -> log(other / base), of the rounds that have both.

    Trials that took turns in one sitting are compared turn by turn, see ``turn_log``; others by their
    medians. A trial that ``quality.kept`` leaves out of an estimate is left out here too.
    """
    return kept_logs(kept(base), kept(other))


def kept_logs(base: Sequence[Trial], other: Sequence[Trial]) -> dict[int, float]:
    """As ``round_logs``, of trials of which none is to be left out."""
    found: dict[int, float] = {}
    by_round: dict[int, list[Trial]] = {}
    for trial in base:
        by_round.setdefault(trial.round, []).append(trial)
    for trial in other:
        partners = by_round.get(trial.round, [])
        together = [b for b in partners if b.sitting and b.sitting == trial.sitting]
        value = _log(together[0], trial) if together else _log_of_medians(partners, trial)
        if value is not None:
            found[trial.round] = value
    return dict(sorted(found.items()))


def turn_log(base: Latency, other: Latency) -> float | None:
    """log(other / base) of two cases that took turns; None where one of them has no turn.

    Each turn of ``other`` is compared with the turns of ``base`` before and after it (one, at the ends):
    the difference of the logarithms of the turns' medians. The centre of these differences is their
    median, which a neighbour that comes for a moment does not move.
    """
    of_base, of_other = turn_medians(base), turn_medians(other)
    if not of_base or not of_other:
        return None
    places = sorted(of_base)
    differences = []
    for at, value in of_other.items():
        place = bisect.bisect(places, at)
        near = [of_base[p] for p in (*places[max(0, place - 1) : place], *places[place : place + 1])]
        differences.append(value - statistics.fmean(near))
    return statistics.median(differences)


def turn_medians(latency: Latency) -> Mapping[int, float]:
    """Place in the sitting's sequence -> logarithm of the turn's median, of the turns with usable samples."""
    found: dict[int, float] = {}
    start = 0
    for turn in latency.turns:
        samples = latency.samples[start : start + turn.count]
        start += turn.count
        usable = [s for s in samples if 0 < s < math.inf]
        if usable:
            found[turn.at] = math.log(statistics.median(usable))
    return found


def _log(base: Trial, other: Trial) -> float | None:
    if base.latency is None or other.latency is None:
        return None
    by_turns = turn_log(base.latency, other.latency)
    return _log_of_medians([base], other) if by_turns is None else by_turns


def _log_of_medians(partners: Sequence[Trial], other: Trial) -> float | None:
    logs = [b.log_median for b in partners if not math.isnan(b.log_median)]
    return other.log_median - statistics.fmean(logs) if logs and not math.isnan(other.log_median) else None
