"""Probes: each case once in a process of its own, asked for memory and output while nothing is timed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

from bench.analysis.records import Probe
from bench.run.counting import PROCESSES
from bench.run.launch import run_worker
from bench.run.session import Session
from bench.run.sitting import Place, job_of
from bench.worker.protocol import Measured


def probe_cases(session: Session) -> None:
    """Probes every case that was counted and has none yet, on as many cores as there are.

    Memory is not a matter of the moment: resident growth needs a process of the case's own, the peaks of
    tensors are exact, and other processes beside it change neither.
    """
    todo = [
        Place(arm, case, 0, 0)
        for arm in session.arms
        for case in session.measurable(arm)
        if not session.probed(arm, case)
    ]
    threads = max((place.case.threads for place in todo), default=1)
    with ThreadPoolExecutor(max(1, PROCESSES // threads)) as pool:
        for done, probe in enumerate(pool.map(lambda place: _probe(session, place), todo)):
            session.listener.probing(done, len(todo))
            session.add_probe(probe)
    session.listener.probing(len(todo), len(todo))


def _probe(session: Session, place: Place) -> Probe:
    target = session.plan.targets[place.case.target]
    job = job_of(session, place, timed=False)
    answer = run_worker(target, job, session.plan.measure.timeout, Measured, place.arm.checkout)
    found = {f.name: getattr(answer, f.name) for f in fields(Measured)}
    return Probe(
        run=session.start.run,
        case=place.case.id,
        arm=place.arm.name,
        status="ok" if answer.error is None else "failed",
        **found,
    )
