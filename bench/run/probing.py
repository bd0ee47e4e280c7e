"""Probes: each case once in a process of its own, asked for memory and output while nothing is timed.

Where a suite asks for energy, the same process measures it, and then it is alone.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

from bench.analysis.records import Probe
from bench.plan.plan import ENERGY_SECONDS
from bench.plan.targets import Target
from bench.run.counting import PROCESSES
from bench.run.exporting import export_cases
from bench.run.lanes import side_by_side
from bench.run.launch import (
    CONNECTION_LOST,
    WorkerFailed,
    WorkerProcess,
    knows_zygotes,
    read_answer,
    run_worker,
    start_worker,
)
from bench.run.pace import ALONE, slowed
from bench.run.pool import Pool
from bench.run.requests import ProbeRequest
from bench.run.session import Hosts, Session
from bench.run.sitting import Place, job_of
from bench.worker.protocol import Measured

ZYGOTE = "bench.worker.zygote"


LEAST_START = 0.1
"""Seconds that a process takes at least until it is ready."""

PROBES_AT_ONCE = 16
"""Probes that another machine is asked for in one go: they share its processes, and a lost machine costs no
more than these."""


class Prober:
    """A zygote, kept while target, number of threads and package stay the same; a crash costs it."""

    def __init__(self) -> None:
        self._worker: WorkerProcess | None = None
        self._serves: tuple[Target, int, Path | None] | None = None

    def ask(self, request: ProbeRequest, /) -> Measured:
        """A case's memory and output, or why there are none."""
        job, target = request.job, request.target
        if not knows_zygotes(request.checkout):
            return run_worker(target, job, request.timeout, Measured, request.checkout)
        serves = (target, job.case.threads, request.checkout)
        if self._serves != serves:
            self.close()
        try:
            if self._worker is None:
                self._worker = start_worker(target, ZYGOTE, job, request.checkout)
                self._serves = serves
            answer = read_answer(Measured, self._worker.ask(job.to_json(), request.timeout))
            printed = self._worker.take_printed()
            if (error := answer.error) is not None and error.stage == "launch":
                # The zygote knows how its fork ended, and what that had printed came beside the answer.
                answer = replace(answer, error=replace(error, traceback=printed))
            return answer
        except WorkerFailed as failed:
            self.close()
            return Measured(error=failed.failure)

    def close(self) -> None:
        """Ends the process and all that it started."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None
            self._serves = None


class ProbingProcess:
    """A prober that asks about the places of a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._prober = Prober()

    def ask(self, place: Place, /) -> Probe:
        """A case's memory and output, or why there are none."""
        answer = self._answer(place)
        if answer.error is not None and answer.error.type == CONNECTION_LOST:
            answer = self._answer(place)
        return _record(self._session, place, answer)

    def _answer(self, place: Place) -> Measured:
        return self._prober.ask(_request(self._session, place))

    def close(self) -> None:
        """Ends the process and all that it started."""
        self._prober.close()


def probe_cases(session: Session, folder: Path) -> None:
    """Probes every case that was counted and has none yet, on as many cores as there are.

    What runtimes run is written into ``folder`` first, for the probes and for all trials: it must stay there.
    Memory is not a matter of the moment: resident growth needs a process of the case's own, the peaks of
    tensors are exact, and other processes beside it change neither. Energy is counted for the whole chip, so
    where it is asked for probes come one after the other.
    """
    written = 0
    for written, exports in export_cases(session, folder):
        session.listener.probing(written, exports + len(_unprobed(session)))
    todo = _unprobed(session)
    if todo and session.hosts is not None:
        _probe_elsewhere(session, session.hosts, todo)
    elif todo:
        energy = any(session.plan.measure_of(place.case).energy for place in todo)
        beside = 1 if energy else _at_once(_threads(todo))
        processes = [ProbingProcess(session) for _ in range(min(beside, len(todo)))]
        with Pool(processes) as pool:
            twice = _asked_twice(session, todo) if len(processes) > 1 else None
            alone = {} if twice is None else _ask_alone(session, processes[0], todo[twice])
            session.shared = None if len(processes) > 1 else ALONE
            for done, probe in enumerate(pool.ask(todo)):
                session.listener.probing(written + done, written + len(todo))
                if done == twice:
                    session.shared = slowed(probe, alone)
                session.add_probe(probe)
    session.listener.probing(written + len(todo), written + len(todo))


def _asked_twice(session: Session, todo: Sequence[Place]) -> int | None:
    """The number of the place that is asked alone before all are asked together: one on this host itself."""
    plan = session.plan
    for at, place in enumerate(todo):
        if not plan.targets[place.case.target].starts_a_program and not plan.is_emulated(place.case):
            return at
    return None


def _ask_alone(session: Session, process: ProbingProcess, place: Place) -> Mapping[str, float]:
    """The stages of a probe with nothing beside it, by which is seen how much probes slow each other.

    How long the process took to be ready is kept.
    """
    since = session.clock()
    stages = process.ask(place).stages
    if "call" in stages:
        session.start_seconds = max(LEAST_START, session.clock() - since - sum(stages.values()))
    return stages


def _unprobed(session: Session) -> list[Place]:
    return [
        Place(arm, case, 0, 0)
        for arm in session.arms
        for case in session.measurable(arm)
        if not session.probed(arm, case)
    ]


def probe_here(requests: Sequence[ProbeRequest]) -> list[Measured]:
    """An answer to each request, from as many processes as this host has cores for."""
    threads = max(request.job.case.threads for request in requests)
    alone = any(request.job.energy for request in requests)
    with Pool([Prober() for _ in range(1 if alone else min(len(requests), _at_once(threads)))]) as pool:
        return list(pool.ask(requests))


def _probe_elsewhere(session: Session, hosts: Hosts, todo: Sequence[Place]) -> None:
    """The same on other machines, a few probes at a time; a lost machine is asked once more."""
    lanes: dict[str, list[Place]] = {}
    for place in todo:
        lanes.setdefault(hosts.lane(place.case), []).append(place)
    one_at_a_time = threading.Lock()
    done = itertools.count(1)

    def ask(places: Sequence[Place]) -> None:
        requests = [_request(session, place) for place in places]
        answers = hosts.probe(requests)
        if any(answer.error is not None and answer.error.type == CONNECTION_LOST for answer in answers):
            answers = hosts.probe(requests)
        with one_at_a_time:
            for place, answer in zip(places, answers, strict=True):
                session.add_probe(_record(session, place, answer))
                session.listener.probing(next(done), len(todo))

    steps = {
        lane: [partial(ask, places[at : at + PROBES_AT_ONCE]) for at in range(0, len(places), PROBES_AT_ONCE)]
        for lane, places in lanes.items()
    }
    side_by_side(steps, hosts.stop)


def _at_once(threads: int) -> int:
    return max(1, PROCESSES // threads)


def _threads(places: Sequence[Place]) -> int:
    return max(place.case.threads for place in places)


def _request(session: Session, place: Place) -> ProbeRequest:
    job, plan = job_of(session, place, timed=False), session.plan
    timeout = plan.measure_of(place.case).timeout + (ENERGY_SECONDS if job.energy else 0.0)
    return ProbeRequest(plan.targets[place.case.target], job, timeout, place.arm.checkout)


def _record(session: Session, place: Place, answer: Measured) -> Probe:
    found = {f.name: getattr(answer, f.name) for f in fields(Measured)}
    if answer.export_seconds is None:
        found["export_seconds"] = session.export_of(place.arm, place.case)[1].export_seconds
    return Probe(
        run=session.start.run,
        case=place.case.id,
        arm=place.arm.name,
        status="ok" if answer.error is None else "failed",
        **found,
    )
