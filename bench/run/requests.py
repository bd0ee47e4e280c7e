"""What a host is asked to hold or to probe, and what it answers: plain facts, which travel as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.analysis.records import typed
from bench.plan.suite import Measure
from bench.plan.targets import Target
from bench.worker.protocol import Failure, Job, Json, Measured


@dataclass(frozen=True)
class SittingRequest:
    """One sitting: the jobs of each of its processes, how they are measured, and the seed of their turns.

    ``checkouts``: another package for each process, None for this one; they stay on the host that asks.
    """

    target: Target
    processes: tuple[tuple[Job, ...], ...]
    measure: Measure
    seed: str
    checkouts: tuple[Path | None, ...] = ()

    @property
    def jobs(self) -> tuple[Job, ...]:
        """All jobs, process by process."""
        return tuple(job for process in self.processes for job in process)

    def to_json(self) -> Json:
        """Plain data; ``SittingRequest.from_json`` reads it back, without the checkouts."""
        return {
            "target": asdict(self.target),
            "processes": [[job.to_json() for job in process] for process in self.processes],
            "measure": self.measure.model_dump(),
            "seed": self.seed,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SittingRequest:
        """The request that ``to_json`` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        return cls(
            _target(data["target"]),
            tuple(tuple(Job.from_json(job) for job in process) for process in data["processes"]),
            Measure.model_validate(data["measure"]),
            str(data["seed"]),
        )


@dataclass(frozen=True)
class Held:
    """What a sitting gave: one answer for each job, process by process; or why there are none.

    ``started``: UTC, to the second; ``seconds``: how long it took. ``lost``: the connection to its host was
    cut; ``unseated``: a process that several cases shared ended before its time.
    """

    started: str
    seconds: float
    answers: tuple[Measured, ...] = ()
    lost: Failure | None = None
    unseated: str = ""

    def to_json(self) -> Json:
        """Plain data; ``Held.from_json`` reads it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Held:
        """What ``to_json`` wrote. Raises ValueError for anything else."""
        answers = tuple(typed(Measured, answer) for answer in data["answers"])
        return typed(cls, {**data, "answers": answers})


@dataclass(frozen=True)
class ProbeRequest:
    """A job whose memory and output are wanted, and the seconds that it may take."""

    target: Target
    job: Job
    timeout: float
    checkout: Path | None = None

    def to_json(self) -> Json:
        """Plain data; ``ProbeRequest.from_json`` reads it back, without the checkout."""
        return {"target": asdict(self.target), "job": self.job.to_json(), "timeout": self.timeout}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ProbeRequest:
        """The request that ``to_json`` wrote. Raises KeyError or TypeError for anything else."""
        return cls(_target(data["target"]), Job.from_json(data["job"]), float(data["timeout"]))


def _target(data: Mapping[str, Any]) -> Target:
    return Target(**{**data, "prefix": tuple(data["prefix"])})
