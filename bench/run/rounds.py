"""Rounds: each visits every case once, in a fresh random order, so that drift falls on all alike."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import TypeVar

from bench.analysis.records import Trial
from bench.case import Case
from bench.run.launch import run_worker
from bench.run.session import Arm, Session
from bench.worker.protocol import Job, Measured

Item = TypeVar("Item")


def round_order(items: Sequence[Item], seed: int, number: int) -> list[Item]:
    """The order of round ``number``: it depends on the run's seed and the round alone."""
    order = list(items)
    random.Random(f"{seed}/{number}").shuffle(order)
    return order


def run_rounds(session: Session) -> None:
    """Measures round after round, until no case needs another one.

    A round visits the cases in random order and, of each case, the arms next to each other in random
    order. Every round's order is drawn over all cases, so a resumed run repeats the orders of its
    beginning; what it has measured already is not measured again.
    """
    measurable = {arm: {case.id: case for case in session.measurable(arm)} for arm in session.arms}
    everywhere = {id_: case for of_arm in measurable.values() for id_, case in of_arm.items()}
    cases = [case for case in session.plan.cases if case.id in everywhere]
    done, total = len(session.trials), 0
    number = 0
    while True:
        going_on = session.going_on(cases, number)
        if not going_on:
            break
        if number == 0:
            total = session.plan.measure.rounds * sum(map(len, measurable.values()))
            session.listener.trial(min(done, total), total, None)
        elif number >= session.plan.measure.rounds:
            total += len(going_on) * len(session.arms)
        for position, case, arm in _visits(session, cases, number):
            if case.id not in going_on or case.id not in measurable[arm]:
                continue
            if (arm.name, case.id, number) in session.finished:
                continue
            done += 1
            if session.gave_up(arm, case.id):
                continue
            trial = measure(session, arm, case, number, position)
            session.add_trial(trial)
            session.listener.trial(done, total, trial)
        number += 1


def measure(session: Session, arm: Arm, case: Case, number: int, position: int) -> Trial:
    """One trial of a case in a fresh process, of the arm's checkout where it has one."""
    plan, count = session.plan, session.count_of(arm, case)
    assert count is not None, "what could not be counted is not measured"
    target = plan.targets[case.target]
    job = Job(
        case,
        target.device,
        count.recipes,
        plan.measure.protocol(),
        tuple(plan.plugins),
        orders=number == 0,
        heap=plan.measure.heap,
    )
    started, since = now(), session.clock()
    answer = run_worker(target, job, plan.measure.timeout, Measured, arm.checkout)
    return trial_of(
        answer,
        run=session.start.run,
        case=case.id,
        arm=arm.name,
        round=number,
        position=position,
        started=started,
        wall_seconds=round(session.clock() - since, 4),
    )


def trial_of(answer: Measured, **circumstances: object) -> Trial:
    """The record of a worker's answer."""
    found = {f.name: getattr(answer, f.name) for f in fields(Measured)}
    status = "ok" if answer.error is None else "failed"
    return Trial(status=status, **found, **circumstances)  # type: ignore[arg-type]


def now() -> str:
    """The time of day in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _visits(session: Session, cases: Sequence[Case], number: int) -> Iterator[tuple[int, Case, Arm]]:
    coin = random.Random(f"{session.start.seed}/{number}/arms")
    for position, case in enumerate(round_order(cases, session.start.seed, number)):
        arms = list(session.arms)
        coin.shuffle(arms)
        for arm in arms:
            yield position, case, arm
