"""A run whose sittings are held by other machines: here two of them, made up."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from made_trials import made_answer, made_count

from bench.analysis.store import Results, read_results
from bench.api import Silent
from bench.case import Case
from bench.errors import InputError
from bench.plan.plan import Plan, make_plan
from bench.plan.suite import load_suite
from bench.run import counting
from bench.run.requests import Held, ProbeRequest, SittingRequest
from bench.run.rounds import round_order
from bench.run.run import begin, execute
from bench.run.session import GIVE_UP_AFTER
from bench.worker.counter import Counted
from bench.worker.protocol import Failure, Measured

SUITE = """\
name: two
backbones: [layer/4-4-k3]
methods: [dense, csr_conv: {T: [2, 4]}]
inputs: [8x8]
batches: [1, 2]
targets: {near: {device: cpu}, far: {launch: ssh board}}
measure: {rounds: 3}
"""
LOST = Failure("launch", "ConnectionLost", "worker tcp://far is gone")


@dataclass
class Machines:
    """One machine for each target. Notes what it is asked, and that no machine is asked twice at a time."""

    sittings: list[SittingRequest] = field(default_factory=list)
    probed: list[str] = field(default_factory=list)
    losses: dict[str, int] = field(default_factory=dict)
    crashing: set[str] = field(default_factory=set)
    gone: bool = False
    stopped: threading.Event = field(default_factory=threading.Event)
    busy: dict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))

    def lane(self, case: Case) -> str:
        return case.target

    def hold(self, request: SittingRequest) -> Held:
        name = request.target.name
        if self.gone:
            raise InputError("the scheduler is gone")
        assert self.busy[name].acquire(blocking=False), "a machine holds one sitting at a time"
        try:
            self.sittings.append(request)
            if self.losses.get(name, 0) > 0:
                self.losses[name] -= 1
                return Held("", 0.0, lost=LOST)
            shared = max(map(len, request.processes))
            if shared > 1 and any(job.case.id in self.crashing for job in request.jobs):
                return Held("", 0.0, unseated="a process that they shared: ended")
            return Held("2026-01-01T00:00:00+00:00", 6.0, (made_answer(),) * len(request.jobs))
        finally:
            self.busy[name].release()

    def probe(self, requests: Sequence[ProbeRequest]) -> list[Measured]:
        if self.losses.get("probes", 0) > 0:
            self.losses["probes"] -= 1
            return [Measured(error=LOST)] * len(requests)
        assert len({one.target for one in requests}) == 1
        self.probed += [one.job.case.id for one in requests]
        return [made_answer()] * len(requests)

    def stop(self) -> None:
        self.stopped.set()


class Pool:
    """Counts without a process."""

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None: ...

    def ask(self, cases: list[Case]) -> Iterator[Counted]:
        return (Counted(counts=made_count(case).counts, recipes=(None,)) for case in cases)


@pytest.fixture
def plan(suite_file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setattr(counting, "CountingPool", lambda *_, **__: Pool())
    return make_plan(load_suite(suite_file(SUITE)))


def go(plan: Plan, folder: Path, machines: Machines, **more: Any) -> Results:
    outcome = execute(plan, *begin(plan, folder, 5), Silent(), hosts=machines, **more)
    return read_results(outcome.file)


def test_every_case_is_visited_once_per_round(plan: Plan, tmp_path: Path) -> None:
    machines = Machines()
    found = go(plan, tmp_path, machines)
    assert found.complete
    assert Counter((t.case, t.round) for t in found.trials) == Counter(
        (case.id, number) for case in plan.cases for number in range(3)
    )
    assert sorted(machines.probed) == sorted(case.id for case in plan.cases)
    assert {t.wall_seconds for t in found.trials} == {2.0}
    assert {(t.seats, t.seating) for t in found.trials} == {(3, "together")}


def test_the_order_on_each_machine_is_that_of_the_round(plan: Plan, tmp_path: Path) -> None:
    machines = Machines()
    go(plan, tmp_path, machines)
    groups = list(dict.fromkeys(case.baseline().id for case in plan.cases))
    for target in ("near", "far"):
        visited = [r.jobs[0].case.id for r in machines.sittings if r.target.name == target]
        expected = [id_ for n in range(3) for id_ in round_order(groups, 5, n) if f"/{target}/" in id_]
        assert visited == expected


def test_a_round_ends_when_all_of_its_sittings_are_in(plan: Plan, tmp_path: Path) -> None:
    found = go(plan, tmp_path, Machines())
    assert [t.round for t in found.trials] == sorted(t.round for t in found.trials)


@pytest.mark.parametrize(("losses", "status", "note"), [(1, "ok", "repeated: worker"), (2, "failed", "")])
def test_a_lost_machine_costs_its_sitting(
    plan: Plan, tmp_path: Path, losses: int, status: str, note: str
) -> None:
    found = go(plan, tmp_path, Machines(losses={"far": losses}))
    assert found.complete
    hit = [t for t in found.trials if t.note or t.status != "ok"]
    assert len(hit) == 3
    assert {(t.round, t.status) for t in hit} == {(0, status)}
    assert all("/far/" in t.case and t.note.startswith(note) for t in hit)
    assert len(found.trials) == 12 * 3


def test_a_machine_that_stays_away_is_given_up_and_the_other_goes_on(plan: Plan, tmp_path: Path) -> None:
    found = go(plan, tmp_path, Machines(losses={"far": 1000}))
    assert found.complete
    near = [t for t in found.trials if "/near/" in t.case]
    assert {t.status for t in near} == {"ok"}
    assert len(near) == 6 * 3
    far = Counter(t.case for t in found.trials if "/far/" in t.case)
    assert set(far.values()) == {GIVE_UP_AFTER}


def test_bug_a_machine_lost_after_a_crash_ended_the_run(plan: Plan, tmp_path: Path) -> None:
    """The sitting of a case that crashed is held again, apart; that one may be lost too."""
    bad = next(case for case in plan.cases if case.target == "far" and "csr" in case.id)
    machines = Machines(crashing={bad.id})
    hold = machines.hold

    def lose_what_is_apart(request: SittingRequest) -> Held:
        held = hold(request)
        if held.answers and max(map(len, request.processes)) == 1 and request.target.name == "far":
            return Held("", 0.0, lost=LOST)
        return held

    machines.hold = lose_what_is_apart  # type: ignore[method-assign]
    found = go(plan, tmp_path, machines)
    assert found.complete
    assert {t.status for t in found.trials if "/near/" in t.case} == {"ok"}


@pytest.mark.parametrize(("losses", "status"), [(1, "ok"), (1000, "failed")])
def test_probes_of_a_lost_machine_are_asked_once_more(
    plan: Plan, tmp_path: Path, losses: int, status: str
) -> None:
    found = go(plan, tmp_path, Machines(losses={"probes": losses}))
    assert {probe.status for probe in found.probes} == {status}
    assert len(found.probes) == len(plan.cases)


def test_a_scheduler_that_is_gone_ends_the_run_and_what_was_measured_is_kept(
    plan: Plan, tmp_path: Path
) -> None:
    machines = Machines()
    probe, told = machines.probe, []

    def then_go(requests: Sequence[ProbeRequest]) -> list[Measured]:
        told.append(len(requests))
        machines.gone = True
        return probe(requests)

    machines.probe = then_go  # type: ignore[method-assign]
    file, start = begin(plan, tmp_path, 5)
    with pytest.raises(InputError, match="the scheduler is gone"):
        execute(plan, file, start, Silent(), hosts=machines)
    found = read_results(file)
    assert machines.stopped.is_set()
    assert not found.complete
    assert len(found.probes) == sum(told)


def test_the_host_is_free_once_it_has_counted(plan: Plan, tmp_path: Path) -> None:
    """A worker on this very host waits for the host's lock."""
    machines, order = Machines(), []
    probe = machines.probe

    def told(requests: Sequence[ProbeRequest]) -> list[Measured]:
        order.append("probe")
        return probe(requests)

    machines.probe = told  # type: ignore[method-assign]
    go(plan, tmp_path, machines, counted=lambda: order.append("counted"))
    assert order[0] == "counted"
    assert order.count("counted") == 1
