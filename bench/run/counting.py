"""The counting processes: every network of a plan is counted before anything is timed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from bench.analysis.records import CountRecord
from bench.case import FLOAT32, Case
from bench.run.launch import (
    WorkerFailed,
    WorkerProcess,
    environment,
    knows_dtypes,
    knows_imports,
    read_answer,
)
from bench.run.pool import Pool
from bench.run.session import Arm, Session
from bench.worker.counter import Counted
from bench.worker.protocol import Failure, Job

PROCESSES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

MODULE = "bench.counter"
"""A name that every revision has."""


class CountingProcess:
    """A counting process, kept for many cases; after a crash the next case gets a new one."""

    def __init__(self, plugins: Iterable[str], timeout: float = 300.0, checkout: Path | None = None) -> None:
        self._plugins = tuple(plugins)
        self._checkout = checkout
        self._timeout = timeout
        self._worker: WorkerProcess | None = None

    def ask(self, case: Case, /) -> Counted:
        """Counts and recipes of a case, or a failed answer."""
        if case.dtype != FLOAT32 and not knows_dtypes(self._checkout):
            words = (
                f"dtype {case.dtype}: this revision knows float32 alone; compare it with `dtypes: [float32]`"
            )
            return Counted(error=Failure("count", "Unsupported", words))
        if case.imported is not None and not knows_imports(self._checkout):
            words = f"{case.backbone}: this revision knows no networks of your own"
            return Counted(error=Failure("count", "Unsupported", words))
        try:
            if self._worker is None:
                env = environment(1, self._checkout)
                self._worker = WorkerProcess([sys.executable, "-m", MODULE], env, self._checkout)
            job = Job(case, plugins=self._plugins)
            return read_answer(Counted, self._worker.ask(job.to_json(), self._timeout))
        except WorkerFailed as failed:
            self.close()
            told = failed.failure
            return Counted(error=Failure("count", told.type, told.message, told.traceback))

    def close(self) -> None:
        """Ends the process."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None

    def __enter__(self) -> CountingProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class CountingPool(Pool[Case, Counted]):
    """Several counting processes side by side."""

    def __init__(self, processes: int, plugins: Iterable[str], checkout: Path | None = None) -> None:
        plugins = tuple(plugins)
        super().__init__([CountingProcess(plugins, checkout=checkout) for _ in range(processes)])


def count_networks(session: Session) -> None:
    """Counts every network of the plan that is not counted yet, for every arm.

    Counts do not depend on the moment, so as many processes count as there are cores; methods whose
    recipe comes from times of their own (``Plan.times``) are counted after them, one by one.
    """
    for arm in session.arms:
        todo = {case.count_id: case for case in session.plan.cases if session.count_of(arm, case) is None}
        alone = [case for count_id, case in todo.items() if count_id in session.plan.times]
        together = [case for count_id, case in todo.items() if count_id not in session.plan.times]
        done = 0
        for group, processes in ((together, PROCESSES), (alone, 1)):
            if not group:
                continue
            with CountingPool(min(processes, len(group)), session.plan.plugins, arm.checkout) as pool:
                for case, answer in zip(group, pool.ask(group), strict=True):
                    session.listener.counting(done, len(todo))
                    done += 1
                    session.add_count(_record(session.start.run, arm, case, answer))
        session.listener.counting(len(todo), len(todo))


def _record(run: str, arm: Arm, case: Case, answer: Counted) -> CountRecord:
    return CountRecord(
        run=run,
        count_id=case.count_id,
        status="ok" if answer.error is None else "failed",
        error=answer.error,
        counts=answer.counts,
        replaced=answer.replaced,
        left=answer.left,
        recipes=answer.recipes,
        arm=arm.name,
        answers=answer.answers,
        discarded=answer.discarded,
    )
