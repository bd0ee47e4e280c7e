"""Exports: what a runtime runs is written once for all trials of a case, before anything is timed."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.analysis.records import Probe
from bench.case import Case
from bench.plan.declared import DECLARED_RUNTIMES
from bench.plan.targets import Target
from bench.run.counting import PROCESSES
from bench.run.launch import WorkerFailed, WorkerProcess, environment, knows_exports, read_answer
from bench.run.pool import Pool
from bench.run.session import Arm, Session
from bench.run.sitting import Place, job_of
from bench.worker.protocol import Exported, Failure, Job

MODULE = "bench.worker.exporter"

TIMEOUT = 300.0
"""Seconds for one export at least: as for one count."""


@dataclass(frozen=True)
class Question:
    """A job whose case is to be written into ``job.exported``, and the arm whose package does it."""

    arm: Arm
    job: Job


class ExportingProcess:
    """An exporting process, kept for many cases of one arm; after a crash the next case gets a new one."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._worker: WorkerProcess | None = None
        self._arm: Arm | None = None

    def ask(self, question: Question, /) -> Exported:
        """What exporting gave, or why it failed."""
        if self._arm != question.arm:
            self.close()
        try:
            if self._worker is None:
                checkout = question.arm.checkout
                self._worker = WorkerProcess(
                    [sys.executable, "-m", MODULE], environment(1, checkout), checkout
                )
                self._arm = question.arm
            return read_answer(Exported, self._worker.ask(question.job.to_json(), self._timeout))
        except WorkerFailed as failed:
            self.close()
            told = failed.failure
            return Exported(error=Failure("export", told.type, told.message, told.traceback))

    def close(self) -> None:
        """Ends the process."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None


def places_to_export(session: Session) -> list[Place]:
    """The cases whose runtime runs files that can be written here.

    Not those of other hosts, nor of an interpreter of its own, whose packages are others: there every trial
    exports for itself. And not those of a revision that knows no exports.
    """
    if session.hosts is not None:
        return []
    return [
        Place(arm, case, 0, 0)
        for arm in session.arms
        if knows_exports(arm.checkout)
        for case in session.measurable(arm)
        if DECLARED_RUNTIMES.get(case.runtime).exports and _is_here(session.plan.targets[case.target])
    ]


def export_cases(session: Session, folder: Path) -> Iterator[tuple[int, int]]:
    """Exports each network once for each runtime and batch, on as many cores as there are; yields how many
    are done, and of how many.

    A case that cannot be exported has a failed probe, and is measured no more.
    """
    sharing: dict[str, list[Place]] = {}
    for place in places_to_export(session):
        sharing.setdefault(name_of(place), []).append(place)
    if not sharing:
        return
    questions = [_question(session, places[0], folder / name) for name, places in sharing.items()]
    timeouts = [session.plan.measure_of(places[0].case).timeout for places in sharing.values()]
    answers = _ask(questions, max(TIMEOUT, *timeouts))
    for done, (places, question, answer) in enumerate(zip(sharing.values(), questions, answers, strict=True)):
        for place in places:
            _keep(session, place, question, answer)
        yield done + 1, len(questions)


def name_of(place: Place) -> str:
    """The folder's name: equal for cases that differ in nothing that a file holds."""
    case = place.case
    parts = (place.arm.name, case.runtime, case.count_id, str(case.batch), case.memory_format)
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:16]


def _ask(questions: Sequence[Question], timeout: float) -> Iterator[Exported]:
    processes = [ExportingProcess(timeout) for _ in range(min(PROCESSES, len(questions)))]
    with Pool(processes) as pool:
        yield from pool.ask(questions)


def _question(session: Session, place: Place, folder: Path) -> Question:
    return Question(place.arm, job_of(session, place, timed=False, exported=str(folder)))


def _keep(session: Session, place: Place, question: Question, answer: Exported) -> None:
    if answer.error is None:
        session.add_export(place.arm, place.case, question.job.exported, answer)
    else:
        session.add_unexported(_failed(session.start.run, place.arm, place.case, answer.error))


def _failed(run: str, arm: Arm, case: Case, error: Failure) -> Probe:
    return Probe(run=run, case=case.id, arm=arm.name, status="failed", error=error)


def _is_here(target: Target) -> bool:
    return not target.is_remote and target.python is None
