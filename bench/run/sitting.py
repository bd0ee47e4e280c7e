"""One sitting: processes that are alive together, whose cases get turns one at a time in random order."""

from __future__ import annotations

import math
import random
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from bench.analysis.pairing import turn_log
from bench.analysis.records import Trial
from bench.case import Case
from bench.plan.suite import Measure
from bench.plan.targets import Target
from bench.run.launch import (
    CONNECTION_LOST,
    WorkerFailed,
    WorkerProcess,
    read_answer,
    run_worker,
    start_worker,
)
from bench.run.requests import Held, SittingRequest
from bench.run.session import Arm, Session
from bench.run.spare import Spare, fits
from bench.run.turns import FAR, FAR_PASSES, TurnPlan, pass_order, turn_plan
from bench.worker.measurements import Latency, Turn
from bench.worker.protocol import (
    Built,
    Drawn,
    Failure,
    Job,
    Json,
    Measured,
    Risen,
    Sampled,
    Seat,
    Seated,
    SeatEnd,
)
from bench.worker.thermal import COOLING_LONGEST


@dataclass(frozen=True)
class Place:
    """A case (of an arm) that one round visits, and when."""

    arm: Arm
    case: Case
    number: int
    position: int


class Lost(Exception):  # noqa: N818 - as below
    """The connection to another host was lost; ``failure`` says how."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.first_line())
        self.failure = failure


class Unseated(Exception):  # noqa: N818 - no error of ours: it is measured in another way
    """A sitting that could not be held: a process that several cases shared ended before its time."""


class Process:
    """A worker with its seats, and what was sampled of each; it ends with the ``stack``.

    ``ready``: one that was started ahead, and is no other sitting's.
    """

    def __init__(
        self,
        target: Target,
        jobs: Sequence[Job],
        timeout: float,
        stack: ExitStack,
        checkout: Path | None = None,
        ready: WorkerProcess | None = None,
    ) -> None:
        self.jobs = tuple(jobs)
        self.samples: list[list[float]] = [[] for _ in jobs]
        self.host_samples: list[list[float]] = [[] for _ in jobs]
        self.turns: list[list[Turn]] = [[] for _ in jobs]
        self.seated = Seated()
        self.risen = Risen()
        self.failure: Failure | None = None
        self._timeout = timeout
        worker = ready or start_worker(target, "bench.worker", jobs[0], checkout)
        self._worker = stack.enter_context(worker)

    def start(self) -> None:
        """Has the cases built and warmed up. Raises WorkerFailed."""
        cooling = 0.0 if self.jobs[0].cool_below is None else COOLING_LONGEST
        answer = self._worker.ask(self._seats(), self._timeout * len(self.jobs) + cooling)
        self.seated = read_answer(Seated, answer)

    def build(self) -> None:
        """Has the cases built, beside which something else may run. Raises WorkerFailed."""
        answer = self._worker.ask({**self._seats(), "settle": False}, self._timeout * len(self.jobs))
        self.seated = Seated(error=read_answer(Built, answer).error)

    def settle(self) -> None:
        """Has the cases that were built warmed up. Raises WorkerFailed."""
        if self.seated.error is None:
            answer = self._worker.ask({"settle": True}, self._timeout * len(self.jobs))
            self.seated = read_answer(Seated, answer)

    def _seats(self) -> Json:
        return {**self.jobs[0].to_json(), "seats": [job.to_json() for job in self.jobs]}

    def seat(self, at: int) -> Seat:
        """The seat of a job; one that the process could not even give has its error."""
        if self.seated.error is not None:
            return Seat(error=self.seated.error)
        return self.seated.seats[at] if at < len(self.seated.seats) else Seat()

    def take(self, at: int, plan: TurnPlan, number: int, place: int) -> None:
        """One turn of a seat. Raises WorkerFailed."""
        question: Json = {"turn": at, "uncounted": plan.uncounted, "counted": plan.counted}
        sampled = read_answer(Sampled, self._worker.ask(question, self._timeout))
        if sampled.error is not None:
            raise WorkerFailed(sampled.error.type, sampled.error.message, sampled.error.traceback)
        self.samples[at] += sampled.samples
        self.host_samples[at] += sampled.host_samples
        self.turns[at].append(Turn(number, place, len(sampled.samples)))

    def alone(self, step: Callable[[], None]) -> None:
        """Takes a step. A process with a single seat that ends keeps why, and the others go on without it.

        Raises WorkerFailed where several shared it: which of them ended it is not known.
        """
        if self.failure is not None:
            return
        try:
            step()
        except WorkerFailed as failed:
            if len(self.jobs) > 1:
                raise
            self.failure = failed.failure

    def draw(self, seed: str) -> None:
        """Has every seat lie anew in memory. Raises WorkerFailed."""
        drawn = read_answer(Drawn, self._worker.ask({"draw": seed}, self._timeout))
        if drawn.error is not None:
            raise WorkerFailed(drawn.error.type, drawn.error.message, drawn.error.traceback)

    def end(self) -> None:
        """Asks what the networks answer, after all turns are taken. Raises WorkerFailed."""
        if self.seated.error is not None:
            return  # it could not even begin, and has ended
        self.risen = read_answer(Risen, self._worker.ask({"rise": True}, self._timeout * len(self.jobs)))

    def latency(self, at: int) -> Latency:
        """What a seat's turns gave."""
        seat = self.seat(at)
        return Latency(
            samples=tuple(self.samples[at]),
            calls_per_sample=seat.calls_per_sample,
            first_call=seat.first_call,
            warmup_calls=seat.warmup_calls,
            warmup_steady=seat.warmup_steady,
            stop="turns",
            turns=tuple(self.turns[at]),
            host_samples=tuple(self.host_samples[at]),
            queued_samples=self.risen.seats[at].queued_samples if at < len(self.risen.seats) else (),
        )


def take_turns(
    processes: Sequence[Process],
    is_baseline: Callable[[int, int], bool],
    measure: Measure,
    coin: random.Random,
) -> None:
    """Pass after pass over all seats of all processes, one at a time, until each has its turns.

    ``is_baseline(process, seat)`` names the seats that the others are compared with. Where it names just
    one, a case whose ratio is far from 1 leaves early (FAR). Raises WorkerFailed.
    """
    plans: dict[tuple[int, int], TurnPlan] = {}
    for p, process in enumerate(processes):
        for at in range(len(process.jobs)):
            seat = process.seat(at)
            if process.failure is None and seat.error is None and seat.refused is None:
                plans[p, at] = turn_plan(
                    seat.seconds_per_call, seat.calls_per_sample, measure.max_seconds, measure.passes
                )
    bases = [key for key in plans if is_baseline(*key)]
    if len(bases) == len(plans):
        bases = []
    place = 0
    for number in range(max((plan.passes for plan in plans.values()), default=0)):
        if number and number % max(1, measure.passes // measure.layouts) == 0 and measure.layouts > 1:
            for process in processes:
                seed = f"{coin.random()}"
                process.alone(partial(process.draw, seed))
        if len(bases) == 1 and number == FAR_PASSES:
            plans = {
                key: plan for key, plan in plans.items() if key in bases or not _far(processes, bases[0], key)
            }
        plans = {key: plan for key, plan in plans.items() if processes[key[0]].failure is None}
        bases = [base for base in bases if base in plans]
        going = [key for key, plan in plans.items() if number < plan.passes]
        if going == bases:
            break  # nobody is left to be compared
        for p, at in pass_order(going, [base for base in bases if base in going], coin):
            processes[p].alone(partial(processes[p].take, at, plans[p, at], number, place))
            place += 1


def _far(processes: Sequence[Process], base: tuple[int, int], other: tuple[int, int]) -> bool:
    of_base, of_other = (processes[p].latency(at) for p, at in (base, other))
    log = turn_log(of_base, of_other)
    return log is not None and abs(log) > math.log1p(FAR)


def sit(session: Session, places: Sequence[Place], apart: bool, note: str = "") -> list[Trial]:
    """Measures the places of one group in one round, in turns; one trial each.

    Places of one arm share a process unless ``apart``. A place that cannot be built fails alone, as one does
    that ends a process of its own. Raises Unseated when a process that several share ends before its time,
    and Lost when the connection to its host was cut.
    """
    shares = _shares(places, apart)
    request = _request(session, places, shares)
    if session.hosts is None:
        held = hold(request, session.clock, session.spare)
    else:
        held = session.hosts.hold(request)
    if held.lost is not None:
        raise Lost(held.lost)
    if held.unseated:
        raise Unseated(held.unseated)
    sitting = secrets.token_hex(4) if len(places) > 1 else ""
    seating = ("apart" if apart or len(session.arms) > 1 else "together") if len(places) > 1 else ""
    seated = [(place, len(share)) for share in shares for place in share]
    return [
        trial_of(
            answer,
            run=session.start.run,
            case=place.case.id,
            arm=place.arm.name,
            round=place.number,
            position=place.position,
            started=held.started,
            wall_seconds=round(held.seconds / len(places), 4),
            sitting=sitting,
            seating=seating,
            seats=seats,
            note=note,
        )
        for (place, seats), answer in zip(seated, held.answers, strict=True)
    ]


def hold(
    request: SittingRequest, clock: Callable[[], float] = time.monotonic, spare: Spare | None = None
) -> Held:
    """Holds a sitting on this host, which starts its processes and has its cases take turns.

    ``spare``: the process that the sitting takes, and where it has the next one's prepared.
    """
    started, since = now(), clock()
    if spare is not None and not fits(request):
        spare.wait()  # what the sitting before has had started may still import
        spare = None
    with ExitStack() as stack:
        try:
            processes = _take_part(request, stack, spare)
        except WorkerFailed as failed:
            if failed.failure.type == CONNECTION_LOST:
                return Held(started, clock() - since, lost=failed.failure)
            shared = max(map(len, request.processes))
            words = f"a process that {shared} cases shared: {failed.failure.first_line()}"
            return Held(started, clock() - since, unseated=words)
    for process in processes:
        if process.failure is not None and process.failure.type == CONNECTION_LOST:
            return Held(started, clock() - since, lost=process.failure)
    others = _others_cpu(processes)
    answers = tuple(_answer(process, at, others) for process in processes for at in range(len(process.jobs)))
    return Held(started, clock() - since, answers)


def _take_part(request: SittingRequest, stack: ExitStack, spare: Spare | None) -> list[Process]:
    """The sitting's processes after all their turns; they end with the ``stack``. Raises WorkerFailed."""
    ready = None if spare is None else spare.take(request)
    checkouts = request.checkouts or (None,) * len(request.processes)
    processes = [
        Process(request.target, jobs, request.measure.timeout, stack, checkout, ready)
        for jobs, checkout in zip(request.processes, checkouts, strict=True)
    ]
    if spare is not None:
        if not len(spare):  # the first sittings
            spare.prepare(request)
        for process in processes:
            process.alone(process.build)
        spare.wait()
    for process in processes:
        process.alone(process.start if spare is None else process.settle)

    def is_baseline(p: int, at: int) -> bool:
        case = request.processes[p][at].case
        return case.id == case.baseline().id

    take_turns(processes, is_baseline, request.measure, random.Random(request.seed))
    if spare is not None:
        spare.prepare(request)
    for process in processes:
        process.alone(process.end)
    return processes


def _request(session: Session, places: Sequence[Place], shares: Sequence[Sequence[Place]]) -> SittingRequest:
    first = places[0]
    return SittingRequest(
        session.plan.targets[first.case.target],
        tuple(tuple(job_of(session, place) for place in share) for share in shares),
        session.plan.measure_of(first.case),
        f"{session.start.seed}/{first.number}/{first.case.id}/{len(places)}",
        tuple(share[0].arm.checkout for share in shares),
    )


def lone_trial(session: Session, place: Place) -> Trial:
    """A trial that has its process and its time to itself, as revisions do that know no turns."""
    started, since = now(), session.clock()
    target = session.plan.targets[place.case.target]
    job = job_of(session, place)
    timeout = session.plan.measure_of(place.case).timeout
    answer = run_worker(target, job, timeout, Measured, place.arm.checkout)
    return trial_of(
        answer,
        run=session.start.run,
        case=place.case.id,
        arm=place.arm.name,
        round=place.number,
        position=place.position,
        started=started,
        wall_seconds=round(session.clock() - since, 4),
    )


def lost_trial(session: Session, place: Place, failure: Failure) -> Trial:
    """The record of a trial whose host could not be reached."""
    return trial_of(
        Measured(error=failure),
        run=session.start.run,
        case=place.case.id,
        arm=place.arm.name,
        round=place.number,
        position=place.position,
        started=now(),
        wall_seconds=0.0,
    )


def job_of(session: Session, place: Place, timed: bool = True, exported: str | None = None) -> Job:
    """What a worker is asked about a place; ``exported`` None: the folder that was written for it, if any."""
    plan, count = session.plan, session.count_of(place.arm, place.case)
    assert count is not None, "what could not be counted is not measured"
    measure = plan.measure_of(place.case)
    return Job(
        place.case,
        plan.targets[place.case.target].device,
        count.recipes,
        measure.protocol(),
        tuple(plan.plugins),
        orders=not timed,
        heap=measure.heap,
        timed=timed,
        cores=plan.targets[place.case.target].cores,
        energy=measure.energy and not timed,
        exported=session.export_of(place.arm, place.case)[0] if exported is None else exported,
        cool_below=measure.cool_below,
    )


def trial_of(answer: Measured, **circumstances: object) -> Trial:
    """The record of a worker's answer."""
    found = {f.name: getattr(answer, f.name) for f in fields(Measured)}
    status = "ok" if answer.error is None else "failed"
    return Trial(status=status, **found, **circumstances)  # type: ignore[arg-type]


def now() -> str:
    """The time of day in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _shares(places: Sequence[Place], apart: bool) -> list[list[Place]]:
    """The places of each process."""
    if apart:
        return [[place] for place in places]
    arms: dict[Arm, list[Place]] = {}
    for place in places:
        arms.setdefault(place.arm, []).append(place)
    return list(arms.values())


def _answer(process: Process, at: int, others: dict[int, float]) -> Measured:
    """What was found about a job of this process."""
    seated, seat, risen = process.seated, process.seat(at), process.risen
    end = risen.seats[at] if at < len(risen.seats) else SeatEnd()
    error = process.failure or seat.error or end.error or risen.error
    latency = process.latency(at) if error is None and seat.refused is None else None
    after = risen.conditions_after
    if after is not None and isinstance(after.get("own_cpu"), int | float):
        # What the other processes of the sitting computed is no neighbour's work.
        after = {**after, "own_cpu": after["own_cpu"] + others.get(id(process), 0.0)}
    return Measured(
        error=error,
        latency=latency,
        output=end.output,
        params=end.params,
        inputs=end.inputs,
        host=seated.host,
        conditions_before=seated.conditions_before,
        conditions_after=after,
        conditions_during=risen.conditions_during,
        cooled_seconds=seated.cooled_seconds,
        cores=seated.cores,
        threads=seated.threads,
        denormals=seated.denormals,
        latency_refused=seat.refused,
        compile_seconds=seat.compile_seconds if seat.error is None else None,
        export_seconds=seat.export_seconds,
        exported_bytes=seat.exported_bytes,
        heap=seated.heap,
        cuda_flags=seated.cuda_flags,
        stages=risen.stages or seated.stages,
        executed_order=end.executed_order,
        runtime_did=end.runtime_did,
    )


def _others_cpu(processes: Sequence[Process]) -> dict[int, float]:
    """Process -> seconds of processor time that the sitting's other processes used while it sat."""
    used: dict[int, float] = {}
    for process in processes:
        before = (process.seated.conditions_before or {}).get("own_cpu")
        after = (process.risen.conditions_after or {}).get("own_cpu")
        known = isinstance(before, int | float) and isinstance(after, int | float)
        used[id(process)] = float(after - before) if known else 0.0  # type: ignore[operator]
    total = sum(used.values())
    return {key: total - own for key, own in used.items()}
