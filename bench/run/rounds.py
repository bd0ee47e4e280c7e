"""Rounds: each visits every case once, in a fresh random order, and those that are compared take turns."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from bench.analysis.records import Trial
from bench.case import Case
from bench.run.lanes import side_by_side
from bench.run.pace import Pace
from bench.run.session import Session
from bench.run.sitting import Lost, Place, Unseated, lone_trial, lost_trial, sit
from bench.run.spare import Spare
from bench.run.turns import MOST_SEATS

Item = TypeVar("Item")


def round_order(items: Sequence[Item], seed: int, number: int) -> list[Item]:
    """The order of round ``number``: it depends on the run's seed and the round alone."""
    order = list(items)
    random.Random(f"{seed}/{number}").shuffle(order)
    return order


def run_rounds(session: Session) -> None:
    """Measures round after round, until no case needs another one.

    A round visits the groups (a baseline and its methods) in random order. Every round's order is drawn
    over all groups, so a resumed run repeats the orders of its beginning; what it has measured already is
    not measured again.
    """
    with Spare() as session.spare:
        _rounds(session)


def _rounds(session: Session) -> None:
    measurable = {arm: {case.id: case for case in session.measurable(arm)} for arm in session.arms}
    everywhere = {id_: case for of_arm in measurable.values() for id_, case in of_arm.items()}
    cases = [case for case in session.plan.cases if case.id in everywhere]
    planned = sum(session.plan.rounds_of(case) for of_arm in measurable.values() for case in of_arm.values())
    progress = _Progress(session, planned)
    by_baseline = groups(cases)
    grouped = {baseline: {case.id for case in of_it} for baseline, of_it in by_baseline.items()}
    number = 0
    while going_on := session.going_on(cases, number):
        beyond = [c for c in cases if c.id in going_on and number >= session.plan.rounds_of(c)]
        progress.total += len(beyond) * len(session.arms)
        order = round_order(list(by_baseline), session.start.seed, number)
        position = 0
        visits: list[list[Place]] = []
        for baseline in order:
            visits.append(
                [
                    Place(arm, case, number, position + seat)
                    for seat, case in enumerate(by_baseline[baseline])
                    for arm in session.arms
                    if case.id in going_on and case.id in measurable[arm]
                ]
            )
            position += len(by_baseline[baseline])
        _hold_round(session, visits, [grouped[base] & going_on for base in order], progress)
        number += 1


def _hold_round(
    session: Session, visits: Sequence[list[Place]], ids: Sequence[set[str]], progress: _Progress
) -> None:
    """One round: the groups in order on this host; on several, each has its groups in that order."""
    number = next((place.number for places in visits for place in places), 0)
    going_on = {id_ for of_group in ids for id_ in of_group}
    if session.hosts is None:
        for at, places in enumerate(visits):
            progress.part(number, ids[at:], going_on)
            _visit(session, places, progress)
        return
    progress.part(number, [going_on], going_on)  # hosts work side by side: the round is one part
    lanes: dict[str, list[Callable[[], None]]] = {}
    for places in visits:
        if places:
            lane = session.hosts.lane(places[0].case)
            lanes.setdefault(lane, []).append(partial(_visit, session, places, progress))
    side_by_side(lanes, session.hosts.stop)


def groups(cases: Sequence[Case]) -> dict[str, list[Case]]:
    """Baseline id -> the cases that are compared with it, the baseline among them."""
    found: dict[str, list[Case]] = {}
    for case in cases:
        found.setdefault(case.baseline().id, []).append(case)
    return found


class _Progress:
    """Keeps trials and tells the session's listener how many are done; several hosts may bring them."""

    def __init__(self, session: Session, total: int) -> None:
        self._session = session
        self._one_at_a_time = threading.Lock()
        self._done = len(session.trials)
        seen = (session.shared, session.start_seconds)
        self._pace = Pace(session.plan, session.probes, len(session.arms), *seen)
        self._since: tuple[float, int, set[str]] | None = None
        self.total = total
        session.listener.trial(min(self._done, total), total, None)

    def part(self, number: int, to_do: Sequence[set[str]], going_on: set[str]) -> None:
        """The first of these parts of a round begins; the seconds that are left are told.

        ``going_on``: all that the round visits, its earlier parts included.
        """
        now = self._session.clock()
        if self._since is not None:
            since, trials, ids = self._since
            if len(self._session.trials) > trials:  # none is repeated after a resumption
                self._pace.measured(ids, now - since)
        self._since = (now, len(self._session.trials), to_do[0])
        rest = [*to_do, *self._pace.after(number, going_on)]
        self._session.listener.remaining(self._pace.left(rest))

    def keep(self, trial: Trial) -> None:
        """One place of the round was visited."""
        with self._one_at_a_time:
            self._session.add_trial(trial)
            self._done += 1
            self._session.listener.trial(min(self._done, self.total), self.total, self._session.last)

    def passed(self) -> None:
        """One place was not visited: its case was given up."""
        with self._one_at_a_time:
            self._done += 1


def _visit(session: Session, places: list[Place], progress: _Progress) -> None:
    """Measures the places of one group in one round."""
    todo: list[Place] = []
    for place in places:
        if (place.arm.name, place.case.id, place.number) in session.finished:
            continue
        if session.gave_up(place.arm, place.case.id):
            progress.passed()
            continue
        todo.append(place)
    if not todo:
        return
    # A baseline sits with every chunk of those that are compared with it.
    base = [place for place in places if place.case.id == place.case.baseline().id]
    base = [place for place in base if not session.gave_up(place.arm, place.case.id)]
    others = [place for place in todo if place.case.id != place.case.baseline().id]
    if not others:
        _measure(session, todo, progress)
        return
    together = [place for place in others if place.case.id not in session.apart]
    size = max(1, MOST_SEATS - 1) * len(session.arms)
    chunks = [together[at : at + size] for at in range(0, len(together), size)]
    alone: dict[str, list[Place]] = {}
    for place in others:
        if place.case.id in session.apart:
            alone.setdefault(place.case.id, []).append(place)
    for chunk in chunks:
        _measure(session, [*base, *chunk], progress)
    for chunk in alone.values():
        _measure(session, [*base, *chunk], progress, apart=True)


def _measure(session: Session, places: list[Place], progress: _Progress, apart: bool = False) -> None:
    """One sitting; where it cannot be held, one that can."""
    if not session.turns:
        for place in places:
            progress.keep(lone_trial(session, place))
        return
    try:
        seating = session.plan.measure_of(places[0].case).seating
        trials = _connected(session, places, apart or seating == "apart")
    except Unseated as why:
        session.apart |= {place.case.id for place in places}
        session.notes.append(str(why))
        _again(session, places, progress, str(why))
        return
    for trial in trials:
        progress.keep(trial)


def _connected(session: Session, places: list[Place], apart: bool, note: str = "") -> list[Trial]:
    """One sitting. Where the connection to its host is lost it is held once more, then recorded as failed.

    Raises Unseated.
    """
    try:
        return sit(session, places, apart, note=note)
    except Lost as first:
        session.notes.append(str(first))
        try:
            return sit(session, places, apart, note=f"repeated: {first}")
        except Lost as second:
            return [lost_trial(session, place, second.failure) for place in places]


def _again(session: Session, places: list[Place], progress: _Progress, why: str) -> None:
    """After a process that several shared ended: each case with its baseline, in processes of their own."""
    base = [place for place in places if place.case.id == place.case.baseline().id]
    cases = dict.fromkeys(place.case.id for place in places if place not in base)
    for case_id in cases or dict.fromkeys(place.case.id for place in places):
        mine = [place for place in places if place.case.id == case_id and place not in base]
        for trial in _connected(session, [*base, *mine], apart=True, note=why):
            progress.keep(trial)
