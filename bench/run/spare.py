"""The process of the next sitting, which imports torch while nothing is timed.

A process needs as long to import torch as to build its networks. While the answers of one sitting are proved
and the networks of the next are built, which nobody times, the process of the one after that imports torch on
another core; then it waits and computes nothing, until all turns before its own are over. No two sittings
share a process: each still has a fresh one.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from types import TracebackType
from typing import NamedTuple

import psutil

from bench.case import Case
from bench.plan.suite import Measure
from bench.plan.targets import Target
from bench.run.launch import WorkerFailed, WorkerProcess, read_answer, start_worker
from bench.run.requests import SittingRequest
from bench.worker.protocol import Job, Ready

ROOM = 2**31
"""Bytes of memory that must be available: torch takes a tenth of them."""

UNTIMED = ("eager", "eager-folded")
"""Runtimes that prepare a network without taking the time of it: nothing may run beside the others."""


class Kind(NamedTuple):
    """What a process has from its start: one that was started for another kind is of no use."""

    target: Target
    threads: int
    heap: str
    cores: str
    device: str


class Ahead(NamedTuple):
    """A process that was started ahead, and the thread in which it is asked to be ready."""

    kind: Kind
    worker: WorkerProcess
    importing: threading.Thread


class Spare:
    """Processes ahead of their time, one or two; they end with the context."""

    def __init__(self) -> None:
        self._ahead: deque[Ahead] = deque()
        self._broken: set[WorkerProcess] = set()

    def __len__(self) -> int:
        return len(self._ahead)

    def take(self, request: SittingRequest) -> WorkerProcess | None:
        """The first process that waits, if it is of the kind that the sitting needs; the caller ends it."""
        while self._ahead:
            kind, worker, importing = self._ahead.popleft()
            importing.join()
            if worker in self._broken:
                self._broken.discard(worker)
            elif kind == _kind(request):
                return worker
            worker.end()
        return None

    def prepare(self, request: SittingRequest) -> None:
        """Starts one more process for sittings like this one; ``wait`` returns when it computes no more."""
        job = request.jobs[0]
        try:
            worker = start_worker(request.target, "bench.worker", job)
        except WorkerFailed:  # the sitting that needs one will say so
            return
        asking = threading.Thread(target=self._ask, args=(worker, job, request.measure.timeout), daemon=True)
        self._ahead.append(Ahead(_kind(request), worker, asking))
        asking.start()

    def wait(self) -> None:
        """Returns when nothing is computed beside the caller."""
        for ahead in self._ahead:
            ahead.importing.join()

    def close(self) -> None:
        """Ends the processes that wait, or still import."""
        while self._ahead:
            ahead = self._ahead.popleft()
            ahead.worker.end()
            ahead.importing.join()

    def _ask(self, worker: WorkerProcess, job: Job, timeout: float) -> None:
        try:
            ready = read_answer(Ready, worker.ask({**job.to_json(), "ready": True}, timeout))
        except WorkerFailed:
            self._broken.add(worker)
        else:
            if ready.error is not None:
                self._broken.add(worker)

    def __enter__(self) -> Spare:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def fits(request: SittingRequest, free: int | None = None, cores: int | None = None) -> bool:
    """Whether another process may import torch while the sitting's networks are built.

    Where this host has a core and memory (``free`` bytes; None: what there is) to spare, and no other
    revision is measured.
    """
    free = psutil.virtual_memory().available if free is None else free
    cores = (os.cpu_count() or 1) if cores is None else cores
    alone = len(request.processes) == 1 and not any(request.checkouts)
    room = cores > 1 and free >= ROOM
    return alone and room and all(untimed(job.case, request.target, request.measure) for job in request.jobs)


def untimed(case: Case, target: Target, measure: Measure) -> bool:
    """Whether nothing is timed while the case is built on this host itself, and nothing has to cool."""
    here = not target.starts_a_program and target.emulates is None
    return here and case.runtime in UNTIMED and measure.cool_below is None


def _kind(request: SittingRequest) -> Kind:
    job = request.jobs[0]
    return Kind(request.target, job.case.threads, job.heap, job.cores, job.device)
