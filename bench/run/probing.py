"""Probes: each case once in a process of its own, asked for memory and output while nothing is timed.

Where a suite asks for energy, the same process measures it, and then it is alone.
"""

from __future__ import annotations

from dataclasses import fields

from bench.analysis.records import Probe
from bench.plan.plan import ENERGY_SECONDS
from bench.plan.targets import Target
from bench.run.counting import PROCESSES
from bench.run.launch import (
    CONNECTION_LOST,
    WorkerFailed,
    WorkerProcess,
    knows_zygotes,
    read_answer,
    run_worker,
    start_worker,
)
from bench.run.pool import Pool
from bench.run.session import Session
from bench.run.sitting import Place, job_of
from bench.worker.protocol import Measured

ZYGOTE = "bench.worker.zygote"


class ProbingProcess:
    """A zygote, kept while target, number of threads and arm stay the same; a crash costs it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._worker: WorkerProcess | None = None
        self._serves: tuple[Target, int, str] | None = None

    def ask(self, place: Place, /) -> Probe:
        """A case's memory and output, or why there are none."""
        session = self._session
        answer = self._answer(place)
        if answer.error is not None and answer.error.type == CONNECTION_LOST:
            answer = self._answer(place)
        found = {f.name: getattr(answer, f.name) for f in fields(Measured)}
        return Probe(
            run=session.start.run,
            case=place.case.id,
            arm=place.arm.name,
            status="ok" if answer.error is None else "failed",
            **found,
        )

    def _answer(self, place: Place) -> Measured:
        plan = self._session.plan
        job, target = job_of(self._session, place, timed=False), plan.targets[place.case.target]
        timeout = plan.measure.timeout + (ENERGY_SECONDS if job.energy else 0.0)
        if not knows_zygotes(place.arm.checkout):
            return run_worker(target, job, timeout, Measured, place.arm.checkout)
        serves = (target, job.case.threads, place.arm.name)
        if self._serves != serves:
            self.close()
        try:
            if self._worker is None:
                self._worker = start_worker(target, ZYGOTE, job, place.arm.checkout)
                self._serves = serves
            return read_answer(Measured, self._worker.ask(job.to_json(), timeout))
        except WorkerFailed as failed:
            self.close()
            return Measured(error=failed.failure)

    def close(self) -> None:
        """Ends the process and all that it started."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None
            self._serves = None


def probe_cases(session: Session) -> None:
    """Probes every case that was counted and has none yet, on as many cores as there are.

    Memory is not a matter of the moment: resident growth needs a process of the case's own, the peaks of
    tensors are exact, and other processes beside it change neither. Energy is counted for the whole chip, so
    where it is asked for probes come one after the other.
    """
    todo = [
        Place(arm, case, 0, 0)
        for arm in session.arms
        for case in session.measurable(arm)
        if not session.probed(arm, case)
    ]
    if todo:
        threads = max(place.case.threads for place in todo)
        beside = 1 if session.plan.measure.energy else max(1, PROCESSES // threads)
        with Pool([ProbingProcess(session) for _ in range(beside)]) as pool:
            for done, probe in enumerate(pool.ask(todo)):
                session.listener.probing(done, len(todo))
                session.add_probe(probe)
    session.listener.probing(len(todo), len(todo))
