"""Where a network's time goes, layer by layer, beside what each layer would take at the host's peaks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any

from bench.analysis.records import LayerTime, ProfileRecord
from bench.analysis.roofline import Peak, layer_bytes, peak_for
from bench.case import Case
from bench.counting.counts import Counts, LayerCounts
from bench.errors import InputError
from bench.plan.targets import TARGETS
from bench.run.launch import run_worker
from bench.run.session import Session
from bench.run.sitting import now
from bench.worker import protocol
from bench.worker.counter import count_case
from bench.worker.protocol import Job, Profiled

TIMEOUT = 600.0


class CaseFailedError(Exception):
    """The case cannot be counted or profiled; ``str(error)`` says why."""


@dataclass(frozen=True)
class ProfiledLayer:
    """One layer of one forward call. ``attainable_seconds`` None: the host's peaks are not known.

    ``parts``: seconds by part of a layer that can tell them apart, as CSR-Conv can; None for others.
    """

    layer: str
    kind: str
    macs: int
    bytes: int
    seconds: float
    attainable_seconds: float | None
    parts: Mapping[str, float] | None

    @property
    def fraction(self) -> float | None:
        """The attainable time over the time taken; None where either is unknown."""
        if not self.attainable_seconds or not self.seconds:
            return None
        return self.attainable_seconds / self.seconds

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        data = asdict(self)
        parts = data.pop("parts")
        return {**data, "fraction": self.fraction, "parts": parts}


@dataclass(frozen=True)
class Profile:
    """A case's layers in the network's order; ``seconds`` is the median of a whole forward call."""

    case: str
    seconds: float
    layers: tuple[ProfiledLayer, ...]
    host: Mapping[str, Any]
    peak: Peak | None

    @property
    def with_peak(self) -> bool:
        """True where the host's peaks are known."""
        return self.peak is not None

    @property
    def inside(self) -> float:
        """The share of the forward call that is spent inside the layers."""
        return sum(layer.seconds for layer in self.layers) / self.seconds

    def totals(self) -> dict[str, float]:
        """Seconds by part, over all layers that have parts."""
        found: dict[str, float] = {}
        for layer in self.layers:
            for part, seconds in (layer.parts or {}).items():
                found[part] = found.get(part, 0.0) + seconds
        return found

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        layers = [layer.as_dict() for layer in self.layers]
        return {"case": self.case, "seconds": self.seconds, "layers": layers}

    def as_record(self, run: str) -> ProfileRecord:
        """What is kept with a run's results."""
        return ProfileRecord(
            run=run,
            case=self.case,
            taken=now(),
            host=dict(self.host),
            seconds=self.seconds,
            layers=tuple(
                LayerTime(
                    row.layer,
                    row.kind,
                    row.macs,
                    row.bytes,
                    row.seconds,
                    dict(row.parts) if row.parts else None,
                )
                for row in self.layers
            ),
            flops=self.peak.flops if self.peak else None,
            bandwidth=self.peak.bandwidth if self.peak else None,
        )


def profile_case(
    case: Case, peaks: Mapping[str, Any] | None, turn: AbstractContextManager[object]
) -> Profile:
    """Counts the case here, then profiles it in a fresh process while ``turn`` (the host's lock) is held.

    ``peaks`` is what ``read_peaks`` gives. Raises CaseFailedError when it cannot be counted or profiled.
    """
    counts, job = counted(case)
    with turn:
        return profile_counted(job, counts, peaks)


def counted(case: Case) -> tuple[Counts, Job]:
    """The case's counts, and what a worker is asked about it. Raises CaseFailedError."""
    found = count_case(case)
    if found.error is not None or found.counts is None:
        raise CaseFailedError(found.error.message if found.error else "no counts")
    return found.counts, Job(case, recipes=found.recipes)


def refuse_profile(case: Case) -> None:
    """Raises InputError for a case whose layers cannot be timed: it runs elsewhere, or as one piece."""
    if case.target != "cpu" or case.runtime != "eager":
        where = f"runtime {case.runtime}" if case.runtime != "eager" else f"target {case.target}"
        raise InputError(
            f"--profile {case.id}: layers are timed in eager mode on this processor, not on {where}"
        )


def with_baselines(cases: Iterable[Case]) -> list[Case]:
    """The cases and what each is to be seen beside: its dense baseline first."""
    return list({one.id: one for case in cases for one in (case.baseline(), case)}.values())


def profile_cases(session: Session, cases: Sequence[Case]) -> None:
    """Profiles of the cases of a run, when all its rounds are over; one that fails is noted as failed."""
    for case in with_baselines(cases):
        count = session.count_of(session.arms[0], case)
        if count is None or count.counts is None:
            continue  # it could not be counted, and is a failed case already
        job = Job(case, recipes=count.recipes, plugins=session.plan.plugins)
        try:
            found = profile_counted(job, count.counts, session.start.peaks)
        except CaseFailedError as error:
            session.outcome.failed.setdefault(f"{case.id} (profile)", str(error))
        else:
            session.add_profile(found.as_record(session.start.run))


def profile_counted(job: Job, counts: Counts, peaks: Mapping[str, Any] | None) -> Profile:
    """The profile of a case that was counted; nothing else may run meanwhile. Raises CaseFailedError."""
    case = job.case
    answer = run_worker(TARGETS.get("cpu"), job, TIMEOUT, Profiled, module="bench.worker.profiler")
    if answer.error is not None or answer.host is None:
        raise CaseFailedError(answer.error.message if answer.error else "no answer")
    peak = peak_for(peaks, answer.host["id"], case.threads, case.dtype)
    timed = {row.name: row for row in answer.layers}
    layers = tuple(_profiled(layer, timed[layer.name], case, peak) for layer in counts.layers)
    return Profile(case.id, answer.seconds, layers, answer.host, peak)


def _profiled(
    layer: LayerCounts, timed: protocol.ProfiledLayer, case: Case, peak: Peak | None
) -> ProfiledLayer:
    moved, macs = layer_bytes(layer, case.batch, case.dtype), case.batch * layer.executed_macs
    return ProfiledLayer(
        layer=layer.name,
        kind=layer.kind,
        macs=macs,
        bytes=moved,
        seconds=timed.seconds,
        attainable_seconds=peak.attainable(macs, moved) if peak else None,
        parts=timed.parts,
    )
