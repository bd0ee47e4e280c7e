"""Which trials to distrust, and the one rule by which a trial is left out of an estimate.

A trial is *marked* for each of these, and every mark is shown:

- ``busy``: other processes used more than OTHERS_SHARE of one core while it sampled;
- ``stolen``: the hypervisor took more than STOLEN_SHARE of one core;
- ``throttled``: the processor's throttle counter rose; or, on ARM, which has none, a core was seen below
  FREQUENCY_SHARE of its highest frequency while it sampled (on x86 turbo moves the frequency by itself);
- ``gpu_throttled``: after its turns the GPU named heat or power as a reason for lower clocks, and not before;
- ``restless``: warming up never became steady;
- ``far``: its median lies more than FAR robust standard deviations (and more than FAR_AT_LEAST) from the
  median of the case's trials, on the log scale (median absolute deviation; Hampel 1974).

It is *left out* when it is throttled, or when it is far AND one of busy, stolen, gpu_throttled says why, and
never when fewer than MIN_LEFT trials would stay. Far alone is no reason: a slow process layout is part of the
truth.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.analysis.packed import plain
from bench.analysis.records import Trial

OTHERS_SHARE = 0.25
STOLEN_SHARE = 0.05
FREQUENCY_SHARE = 0.9
FAR = 5.0
FAR_AT_LEAST = 0.02
MIN_LEFT = 3

_JIFFIES_PER_SECOND = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_CAUSES = frozenset({"busy", "stolen", "gpu_throttled"})
_ARM = ("aarch64", "arm64", "armv7l")

GPU_REASONS = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "heat, by the driver",
    0x40: "heat, by the hardware",
    0x80: "power brake",
}
"""NVML's bits for clocks that heat or power lowered (nvmlClocksEventReason…). Its others are no disturbance:
an idle GPU, clocks that somebody set, GPUs in step with each other."""


def gpu_reasons(bits: object) -> frozenset[str]:
    """The reasons of heat or power among NVML's bits; none where they are not known."""
    known = bits if isinstance(bits, int) and not isinstance(bits, bool) else 0
    return frozenset(words for bit, words in GPU_REASONS.items() if known & bit)


def marks(trials: Sequence[Trial]) -> list[frozenset[str]]:
    """The marks of each trial of one case, in order; a trial without a latency is never marked ``far``."""
    far = _far([trial.log_median for trial in trials])
    return [
        frozenset(_own_marks(trial) | ({"far"} if is_far else set()))
        for trial, is_far in zip(trials, far, strict=True)
    ]


@dataclass(frozen=True)
class CaseTrials:
    """The trials of one case (and arm) with what is known about them, worked out once.

    ``kept``: those that the estimate is made of. ``medians``: round -> their median latency in seconds.
    """

    good: tuple[Trial, ...]
    failed: tuple[Trial, ...]
    marks: tuple[frozenset[str], ...]
    kept: tuple[Trial, ...]
    medians: Mapping[int, float]

    @classmethod
    def of(cls, trials: Sequence[Trial]) -> CaseTrials:
        """What the trials of one case say together."""
        good = tuple(trial for trial in trials if trial.status == "ok")
        failed = tuple(trial for trial in trials if trial.status != "ok")
        found = tuple(marks(good))
        staying = tuple(_staying(good, found))
        return cls(good, failed, found, staying, _medians(staying))

    def mark_counts(self) -> dict[str, int]:
        """How many trials carry each mark."""
        return dict(sorted(Counter(mark for found in self.marks for mark in found).items()))

    def left_out(self) -> int:
        """Trials with a latency that the estimate is not made of."""
        return sum(1 for trial in self.good if trial.latency) - len(self.kept)


def kept(trials: Sequence[Trial]) -> list[Trial]:
    """The trials of one case that its estimate is made of: those with a latency, less those left out."""
    usable = [trial for trial in trials if not math.isnan(trial.log_median)]
    return _staying(usable, marks(usable))


def _staying(trials: Sequence[Trial], marked: Sequence[frozenset[str]]) -> list[Trial]:
    """Those with a latency, less those that their marks leave out where enough others stay."""
    usable = [pair for pair in zip(trials, marked, strict=True) if not math.isnan(pair[0].log_median)]
    staying = [
        trial for trial, found in usable if not ("throttled" in found or ("far" in found and found & _CAUSES))
    ]
    return staying if len(staying) >= MIN_LEFT else [trial for trial, _ in usable]


def medians(trials: Sequence[Trial]) -> dict[int, float]:
    """Round -> median of the samples, of the trials that the estimate is made of.

    A baseline may have several trials in a round, one in each process that it shared: their geometric mean.
    """
    return _medians(kept(trials))


def _medians(trials: Iterable[Trial]) -> dict[int, float]:
    logs: dict[int, list[float]] = {}
    for trial in trials:
        logs.setdefault(trial.round, []).append(trial.log_median)
    return {number: math.exp(math.fsum(values) / len(values)) for number, values in logs.items()}


def _own_marks(trial: Trial) -> set[str]:
    found: set[str] = set()
    before, after = plain(trial.conditions_before) or {}, plain(trial.conditions_after) or {}
    if before and after:
        shares = _shares(before, after)
        if shares is not None and shares[0] > OTHERS_SHARE:
            found.add("busy")
        if shares is not None and shares[1] > STOLEN_SHARE:
            found.add("stolen")
        if "gpu_throttle_reasons" in after:
            reasons = [gpu_reasons(seen.get("gpu_throttle_reasons")) for seen in (before, after)]
            if reasons[1] - reasons[0]:
                found.add("gpu_throttled")
    if _throttled(trial, before, after):
        found.add("throttled")
    if trial.latency is not None and not trial.latency.warmup_steady:
        found.add("restless")
    return found


def _throttled(trial: Trial, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    counts = before.get("throttle_count"), after.get("throttle_count")
    if isinstance(counts[0], int) and isinstance(counts[1], int) and counts[0] != counts[1]:
        return True
    if (trial.host or {}).get("machine") not in _ARM:
        return False
    share = (trial.conditions_during or {}).get("frequency_share")
    return isinstance(share, int | float) and share < FREQUENCY_SHARE


def _shares(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[float, float] | None:
    """Cores that others used and that the hypervisor took, between two looks; None where unknown."""
    try:
        wall = after["clock"] - before["clock"]
        own = after["own_cpu"] - before["own_cpu"]
        busy = (after["busy_jiffies"]["busy"] - before["busy_jiffies"]["busy"]) / _JIFFIES_PER_SECOND
        stolen = (after["busy_jiffies"]["steal"] - before["busy_jiffies"]["steal"]) / _JIFFIES_PER_SECOND
    except (KeyError, TypeError):
        return None
    # A jiffy is 10 ms: over less than half a second its rounding alone looks like a neighbour.
    wall = max(wall, 0.5)
    return max(0.0, busy - own) / wall, stolen / wall


def _far(logs: Sequence[float]) -> list[bool]:
    known = np.asarray([value for value in logs if not math.isnan(value)])
    if len(known) < MIN_LEFT:
        return [False] * len(logs)
    centre = float(np.median(known))
    spread = 1.4826 * float(np.median(np.abs(known - centre)))
    limit = max(FAR * spread, FAR_AT_LEAST)
    return [not math.isnan(value) and abs(value - centre) > limit for value in logs]
