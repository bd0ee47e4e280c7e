"""Whether a trial measured the network that was counted: same parameters, same answer to the fixed image.

A worker builds its network anew. What it builds may differ from what was counted: a method that draws from
something else than the case's seed, a package of another version, a file that changed meanwhile. Its time
and memory would then stand beside counts of another network.

Parameters must be equal. Answers are floats, and rounding differs between processors, kernels, threads,
memory layouts and compilers, so they must agree within a tolerance: TOLERANCE of the largest value, or MARGIN
times what rounding was seen to move in the counting process (``Answers.spread``) where that is more.

Evidence (tests/benchmarks/answers.py): the 56 networks of suites/cifar.yaml, counted with one thread, against
two threads, batch 8, channels_last, without oneDNN, and kernels for SSE4.1 alone. Answers after calibration
lie at most 1.1e-3 apart (int8: 0.24), and never more than 1.9 times the spread. Before calibration: at most
8e-7 (int8: 4e-3), and 4e-4 with inputs and weights of every convolution cut to the ten bits of TF32, which
moves calibrated answers by up to 0.4. Networks of different methods lie 0.07 apart or more, but for int8
beside dense: 0.004 before calibration.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from bench.analysis.records import CountRecord, Probe, Trial
from bench.analysis.store import Results
from bench.case import FLOAT32
from bench.worker.agreement import distance
from bench.worker.measurements import Answers, Output
from bench.worker.protocol import Failure

TOLERANCE = 0.01
MARGIN = 10.0

TOLERANCES = {"bfloat16": 0.05}
"""Instead of TOLERANCE, where the network was cast after it was counted in float32: the 54 of these networks
that can be cast lie at most 0.012 apart before calibration in bfloat16, 0.0014 in float16. After it, by up
to 0.83 and 0.48: there they are not compared."""

STAGE = "proof"
"""The stage of a failure that says: this was another network."""

Record = TypeVar("Record", Trial, Probe)


def proved(record: Record, count: CountRecord | None, device: str = "cpu", dtype: str = FLOAT32) -> Record:
    """The record, failed where its network is not the one that was counted.

    What either side does not tell, as older revisions do not, is not compared. A record that failed
    already keeps its reason.
    """
    if (
        count is None
        or record.error is not None
        or (difference := _difference(record, count, device, dtype)) is None
    ):
        return record
    words = f"{difference}: the trial built another network than was counted"
    return replace(record, status="failed", error=Failure(STAGE, "OtherNetwork", words))


def refuted(record: Trial | Probe | None) -> bool:
    """True for a record whose network is not the one that was counted."""
    return record is not None and record.error is not None and record.error.stage == STAGE


def standing(results: Results, arm: str) -> tuple[dict[str, list[Trial]], dict[str, Probe]]:
    """The arm's trials and probes by case. Where one of a case was refuted, only those that failed: which of
    the others are right nobody knows, as the method builds now this and now that."""
    trials: dict[str, list[Trial]] = defaultdict(list)
    for trial in results.trials:
        if trial.arm == arm:
            trials[trial.case].append(trial)
    probes = {probe.case: probe for probe in results.probes if probe.arm == arm}
    for case in {*trials, *probes}:
        if refuted(probes.get(case)) or any(map(refuted, trials[case])):
            failed = [trial for trial in trials[case] if trial.status != "ok"]
            trials[case] = [replace(trial, memory=None, output=None) for trial in failed]
            if case in probes:
                probes[case] = replace(probes[case], memory=None, output=None)
    return trials, probes


def _difference(record: Trial | Probe, count: CountRecord, device: str, dtype: str) -> str | None:
    counted = None if count.counts is None else count.counts.params
    if counted is not None and record.params is not None and record.params != counted:
        return f"{counted} parameters were counted, {record.params} measured"
    if record.output is None or count.answers is None:
        return None
    return _other_answer(record.output, count.answers, device, dtype)


def _other_answer(output: Output, expected: Answers, device: str, dtype: str) -> str | None:
    """In words: how the answers differ; None where they agree."""
    if dtype != FLOAT32 and not output.finite:
        return None  # beyond the dtype's range: the same network all the same, and the page warns of it
    pairs = [("", output.plain, expected.plain)]
    # A GPU multiplies with ten bits, which calibration magnifies beyond use. And a runtime that took the
    # weights over before calibration answers the same before and after it.
    untouched = output.sample == output.plain and expected.calibrated != expected.plain
    if device == "cpu" and dtype == FLOAT32 and not untouched:
        pairs.append((" after calibration", output.sample, expected.calibrated))
    allowed = max(TOLERANCES.get(dtype, TOLERANCE), MARGIN * expected.spread)
    for when, measured, counted in pairs:
        if not measured or not counted:
            continue
        if len(measured) != len(counted):
            return (
                f"the fixed image has {len(counted)} values in the counted answer, {len(measured)} measured"
            )
        if (apart := distance(measured, counted)) > allowed:
            return _in_words(when, measured, counted, apart, allowed)
    return None


def _in_words(
    when: str, measured: Sequence[float], counted: Sequence[float], apart: float, allowed: float
) -> str:
    gaps = [abs(a - b) for a, b in zip(measured, counted, strict=True)]
    place = max(range(len(gaps)), key=lambda at: math.inf if math.isnan(gaps[at]) else gaps[at])
    return (
        f"the counted network answers the fixed image with {counted[place]:.6g}{when}, the measured one with "
        f"{measured[place]:.6g} ({apart:.2g} of the largest value apart, {allowed:.2g} is allowed)"
    )
