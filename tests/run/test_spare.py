"""The process that imports torch ahead of its sitting."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from processes import gone

from bench import api
from bench.case import DENSE, Case
from bench.plan.suite import Measure, load_suite
from bench.plan.targets import TARGETS, Target
from bench.run.launch import WorkerFailed, WorkerProcess
from bench.run.requests import SittingRequest
from bench.run.sitting import Process, hold
from bench.run.spare import ROOM, Spare, fits
from bench.worker.protocol import Job, Json

CASE = Case("resnet20", DENSE)
QUICK = Measure(rounds=1, passes=2, min_samples=3, min_seconds=0.001, warmup_max_seconds=0.01)


def request(**of_the_case: object) -> SittingRequest:
    job = Job(replace(CASE, **of_the_case), recipes=(None,), protocol=QUICK.protocol())  # type: ignore[arg-type]
    return SittingRequest(TARGETS.get("cpu"), ((job, job),), QUICK, "seed")


def test_there_must_be_a_core_and_memory_to_spare() -> None:
    assert fits(request(), ROOM, 2)
    assert not fits(request(), ROOM - 1, 2)
    assert not fits(request(), ROOM, 1)


COOLED = QUICK.model_copy(update={"cool_below": 50.0})


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (replace(request(), checkouts=(Path("there"),)), "other revisions start in a way of their own"),
        (replace(request(), processes=request().processes * 2), "cases apart"),
        (request(runtime="compile"), "how long it compiles is a number"),
        (replace(request(), measure=COOLED), "the host has to cool"),
        (replace(request(), target=Target("board", "cpu", prefix=("ssh", "pi"))), "another host"),
        (replace(request(), target=Target("old", "cpu", emulates="cortex-a72")), "an emulator"),
    ],
)
def test_nothing_runs_beside_what_is_timed(changed: SittingRequest, why: str) -> None:
    assert not fits(changed, ROOM, 2), why


def test_the_next_sitting_takes_the_process_that_waits() -> None:
    with Spare() as spare:
        assert spare.take(request()) is None
        spare.prepare(request())
        ready = spare.take(request())
        assert ready is not None
        with ExitStack() as stack:
            process = Process(TARGETS.get("cpu"), request().jobs, 120, stack, ready=ready)
            process.start()
            assert [seat.error for seat in process.seated.seats] == [None, None]
            assert "waiting" not in process.seated.stages
            assert process.seated.stages["import torch"] > 0
        assert spare.take(request()) is None, "no two sittings have the same process"


def test_a_process_of_another_kind_is_ended() -> None:
    with Spare() as spare:
        spare.prepare(request())
        waiting = spare._ahead[0].worker
        assert spare.take(request(threads=2)) is None
        assert gone(waiting._process.pid)


def test_the_process_that_waits_ends_with_the_rounds() -> None:
    with Spare() as spare:
        spare.prepare(request())
        waiting = spare._ahead[0].worker
    assert gone(waiting._process.pid)


def test_one_that_cannot_import_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(worker: WorkerProcess, question: Json, timeout: float, last: bool = False) -> Json:
        raise WorkerFailed("Crash", "no torch")

    monkeypatch.setattr(WorkerProcess, "ask", fails)
    with Spare() as spare:
        spare.prepare(request())
        assert spare.take(request()) is None


def test_turns_begin_when_nothing_is_imported_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    importing: list[bool] = []
    ask, settle = Spare._ask, Process.settle
    seen: list[list[bool]] = []

    def slow(spare: Spare, *given: object) -> None:
        importing.append(True)
        ask(spare, *given)  # type: ignore[arg-type]
        importing.remove(True)

    def looked(process: Process) -> None:
        seen.append(list(importing))
        settle(process)

    monkeypatch.setattr(Spare, "_ask", slow)
    monkeypatch.setattr(Process, "settle", looked)
    monkeypatch.setattr("bench.run.sitting.fits", lambda request: True)
    with Spare() as spare:
        held = [hold(request(), spare=spare) for _ in range(2)]
    assert [answer.error for each in held for answer in each.answers] == [None] * 4
    assert seen == [[], []]


def test_bug_a_sitting_that_can_have_no_company_began_while_the_next_process_still_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes none of the processes that wait, and so nobody waited for them either."""
    done: list[str] = []
    ask = Spare._ask

    def slow(spare: Spare, *given: object) -> None:
        ask(spare, *given)  # type: ignore[arg-type]
        time.sleep(0.3)
        done.append("imported")

    def began(process: Process) -> None:
        done.append("began")
        raise WorkerFailed("Crash", "seen enough")

    monkeypatch.setattr(Spare, "_ask", slow)
    monkeypatch.setattr(Process, "start", began)
    monkeypatch.setattr("bench.run.sitting.fits", lambda request: False)
    with Spare() as spare:
        spare.prepare(request())
        assert hold(request(), spare=spare).unseated
    assert done == ["imported", "began"]


def test_every_sitting_of_a_run_has_a_process_of_its_own(
    suite_file: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.run.sitting.fits", lambda request: True)
    taken: list[WorkerProcess] = []
    take = Spare.take

    def watched(spare: Spare, request: SittingRequest) -> WorkerProcess | None:
        ready = take(spare, request)
        if ready is not None:
            taken.append(ready)
        return ready

    monkeypatch.setattr(Spare, "take", watched)
    suite = "name: s\nbackbones: [layer/4-4-k3]\nmethods: [dense, csr_conv: {T: [2]}]\ninputs: [8x8]\n"
    measure = (
        "measure: {rounds: 3, passes: 6, min_samples: 3, min_seconds: 0.001, warmup_max_seconds: 0.01}\n"
    )
    plan = api.make_plan(load_suite(suite_file(suite + measure)))
    results = api.run(plan, tmp_path / "results", seed=1)
    assert {trial.status for trial in results.trials} == {"ok"}
    assert len(results.trials) == 6
    assert len(set(map(id, taken))) == 2  # of three rounds the first finds none
    assert len({worker._process.pid for worker in taken}) == 2
    assert all(gone(worker._process.pid) for worker in taken)
