"""A network that inputs leave early: by exit, what leaves there, what it costs, and how long it takes."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.analysis.records import Trial
from bench.analysis.stats import PERCENTILE_SAMPLES
from bench.counting.counts import Counts

QUANTILES = (10, 50, 90)
"""Per cent of the inputs' calls that are at most as slow."""


@dataclass(frozen=True)
class ExitRow:
    """One exit, the end included. ``share`` of the seeded inputs leave there, as the counting process found;
    ``seen`` of them did in the trials. MACs and seconds (median) are those of such an input; nan: unknown."""

    exit: str
    inputs: int
    share: float
    macs: int
    executed_macs: int
    seen: float = math.nan
    latency: float = math.nan


def exit_rows(counts: Counts | None, trials: Sequence[Trial]) -> list[ExitRow]:
    """The exits of a network in their order; none for a network that runs whatever its input is."""
    exits = counts.exits if counts else ()
    total = sum(exit.inputs for exit in exits)
    seconds, seen = _seconds(trials), _seen(trials)
    return [
        ExitRow(
            exit.name,
            exit.inputs,
            exit.inputs / total,
            exit.macs,
            exit.executed_macs,
            (statistics.fmean(of.count(at) / len(of) for of in seen) if seen else math.nan),
            (statistics.median(seconds[at]) if seconds[at] else math.nan),
        )
        for at, exit in enumerate(exits)
    ]


def quantiles(trials: Sequence[Trial]) -> dict[str, float]:
    """Per cent -> seconds that so many calls of single inputs took at most: the median over the trials.

    Empty where no trial has calls enough for a 90th percentile.
    """
    found: dict[str, list[float]] = defaultdict(list)
    for trial in trials:
        calls = [call for of in (trial.inputs.seconds if trial.inputs else ()) for call in of]
        if len(calls) >= PERCENTILE_SAMPLES[90]:
            for per_cent in QUANTILES:
                found[str(per_cent)].append(float(np.percentile(calls, per_cent)))
    return {per_cent: statistics.median(values) for per_cent, values in found.items()}


def left_elsewhere(rows: Sequence[Any]) -> bool:
    """True when inputs left in other shares than the counting process found (``ExitRow`` as data)."""
    return any(not math.isnan(row["seen"]) and abs(row["seen"] - row["share"]) > 1e-9 for row in rows)


def _seconds(trials: Sequence[Trial]) -> defaultdict[int, list[float]]:
    """Exit -> of every trial, the median over the inputs that left there, each by the median of its calls."""
    found: defaultdict[int, list[float]] = defaultdict(list)
    for trial in trials:
        by_exit: dict[int, list[float]] = defaultdict(list)
        if trial.inputs is not None and trial.inputs.seconds:
            for at, calls in zip(trial.inputs.left_at, trial.inputs.seconds, strict=True):
                by_exit[at].append(statistics.median(calls))
        for at, medians in by_exit.items():
            found[at].append(statistics.median(medians))
    return found


def _seen(trials: Sequence[Trial]) -> list[tuple[int, ...]]:
    return [trial.inputs.left_at for trial in trials if trial.inputs is not None and trial.inputs.left_at]
