"""Why a case takes its time: counts, an undisturbed profile, and a run of its own with oneDNN's log."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from bench.analysis.why import Explanation, SeenLayer, explain
from bench.case import Case
from bench.plan.targets import TARGETS
from bench.run.launch import run_worker
from bench.run.profiling import TIMEOUT, CaseFailedError, Profile, ProfiledLayer, counted, profile_counted
from bench.worker import protocol
from bench.worker.explainer import kind_of


@dataclass(frozen=True)
class Explained:
    """A case's explanation, and its profile with the explained parts of every layer."""

    explanation: Explanation
    profile: Profile


def explain_case(
    case: Case, peaks: Mapping[str, Any] | None, turn: AbstractContextManager[object]
) -> Explained:
    """Profiles the case, then looks into its layers, each in a fresh process while ``turn`` is held.

    ``peaks`` is what ``read_peaks`` gives. Raises CaseFailedError when it cannot be counted or run.
    """
    counts, job = counted(case)
    with turn:
        profile = profile_counted(job, counts, peaks)
        answer = run_worker(
            TARGETS.get("cpu"), job, TIMEOUT, protocol.Explained, module="bench.worker.explainer"
        )
    if answer.error is not None:
        raise CaseFailedError(answer.error.message)
    layers = [seen(row, inside) for row, inside in zip(profile.layers, answer.layers, strict=True)]
    found = explain(case.id, profile.seconds, layers)
    parted = tuple(
        replace(row, parts=layer.parts) for row, layer in zip(profile.layers, found.layers, strict=True)
    )
    return Explained(found, replace(profile, layers=parted))


def seen(layer: ProfiledLayer, inside: protocol.ExplainedLayer) -> SeenLayer:
    """What both runs know of a layer's call."""
    by_kind: dict[str, dict[str, float]] = {"multiplies": {}, "moves": {}, "elementwise": {}}
    for operator, seconds in inside.operators.items():
        by_kind[kind_of(operator)][operator] = seconds
    return SeenLayer(
        name=layer.layer,
        kind=layer.kind,
        seconds=layer.seconds,
        macs=layer.macs,
        attainable_seconds=layer.attainable_seconds,
        log=inside.log,
        kernels=by_kind["multiplies"],
        elementwise=sum(by_kind["elementwise"].values()),
        moving=sum(by_kind["moves"].values()),
    )
