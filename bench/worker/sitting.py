"""A process in which several cases take turns: built together, then sampled a few calls at a time."""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from bench.worker.holes import occupy_holes
from bench.worker.protocol import (
    Built,
    Drawn,
    Failure,
    Job,
    Json,
    Ready,
    Risen,
    Sampled,
    Seat,
    Seated,
    SeatEnd,
)
from bench.worker.stages import Stages
from bench.worker.thermal import Watch
from bench.worker.trial import CALLS, EMULATED, import_ahead, set_up


class Sitting:
    """The cases of this process. All of one sitting have the same number of threads."""

    def __init__(self, jobs: list[Job], stages: Stages, facts: dict[str, Any]) -> None:
        self._jobs = jobs
        self._facts = facts
        self._stages = stages
        self._built: list[Any] = []
        self._failures: list[Failure | None] = []
        self._settled: list[Any] = []
        self._watch = Watch(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else (0,))

    def build(self) -> Built:
        """Builds every case; one that cannot be built has its error, and the others sit all the same."""
        import torch

        from bench.plugins import load_plugins
        from bench.worker import seat

        device = self._jobs[0].device
        if device == "cuda" and not torch.cuda.is_available():
            raise RuntimeError("no CUDA device is available to torch")
        load_plugins(self._jobs[0].plugins)
        for job in self._jobs:
            built, failure = None, None
            try:
                built = seat.Seat(job, self._stages)
            except Exception as error:  # noqa: BLE001 - a failed case is a result, and costs no other its seat
                failure = Failure.of(error, self._stages.current)
            self._built.append(built)
            self._failures.append(failure)
        return Built()

    def seated(self) -> Seated:
        """Warms up every case that was built: nothing may run beside it from here on.

        What building and the first calls left free in the heap is then occupied, so that it moves no
        activation who shares the process.
        """
        from bench.worker import host, latency

        self._device = device = self._jobs[0].device
        fingerprint, before = host.fingerprint(device), host.conditions(device)
        self._stopwatch = latency.CudaStopwatch() if device == "cuda" else latency.CpuStopwatch()
        refused = EMULATED if fingerprint.get("emulated") else None
        self._stages.enter("warm up")
        seats = tuple(self._seat(at, job, refused) for at, job in enumerate(self._jobs))
        if self._facts["heap"] == "filled":
            occupy_holes()
        self._stages.enter("turns")
        return Seated(
            seats=seats,
            host=fingerprint,
            conditions_before=before,
            stages=dict(self._stages.seconds),
            **self._facts,
        )

    def _seat(self, at: int, job: Job, refused: str | None) -> Seat:
        from bench.worker import latency

        built, failure = self._built[at], self._failures[at]
        settled = None
        try:
            if failure is None and refused is not None:
                built()
            elif failure is None:
                protocol = latency.LatencyProtocol(**job.protocol).on(job.device)  # type: ignore[arg-type]
                settled = latency.settle(built, self._stopwatch, protocol, built.calls_in_round)
        except Exception as error:  # noqa: BLE001 - as above
            self._built[at], failure = None, Failure.of(error, self._stages.current)
        self._settled.append(settled)
        if failure is not None:
            return Seat(error=failure)
        if settled is None:
            return Seat(refused=refused, **_made(built))
        return Seat(
            **_made(built),
            first_call=settled.first_call,
            warmup_calls=settled.warmup_calls,
            warmup_steady=settled.warmup_steady,
            calls_per_sample=settled.calls_per_sample,
            seconds_per_call=settled.seconds_per_call,
        )

    def turn(self, seat: int, uncounted: int, counted: int) -> Sampled:
        """One turn of a seat."""
        from bench.worker.latency import take_turn

        calls = self._settled[seat].calls_per_sample
        self._built[seat].begin()
        taken = take_turn(self._built[seat], self._stopwatch, calls, uncounted, counted)
        self._watch.look()  # while the cores are still as busy as they were
        return Sampled(samples=taken.samples, host_samples=taken.host_samples)

    def draw(self, seed: str) -> Drawn:
        """All seats lie anew, in random order, and are called until that is no news to the allocator."""
        coin = random.Random(seed)
        seats = [built for built in self._built if built is not None]
        occupied = 0
        for built in coin.sample(seats, len(seats)):
            occupied += built.draw(coin)
            for _ in range(CALLS):
                built.round()
        return Drawn(occupied=occupied)

    def risen(self) -> Risen:
        """What the networks answer, now that all times are taken."""
        from bench.worker import host

        after = host.conditions(self._device)
        self._stages.enter("output")
        ends = tuple(
            _end(built, settled, self._stopwatch)
            for built, settled in zip(self._built, self._settled, strict=True)
        )
        self._stages.enter("end")
        stages, during = dict(self._stages.seconds), self._watch.worst()
        return Risen(conditions_after=after, seats=ends, stages=stages, conditions_during=during)


def _made(built: Any) -> dict[str, Any]:
    """What it took to make the case callable."""
    return {name: getattr(built, name) for name in ("compile_seconds", "export_seconds", "exported_bytes")}


def _end(built: Any, settled: Any, stopwatch: Any) -> SeatEnd:
    from bench.worker.latency import queued

    if built is None:
        return SeatEnd()
    try:
        # First: asking for the output changes the network.
        alone = () if settled is None else queued(built, stopwatch, settled.calls_per_sample)
        inputs = built.inputs(None if settled is None else stopwatch)
        orders, did = built.executed_order(), built.runtime_did
        return SeatEnd(None, built.params(), built.output(), inputs, alone, orders, did)
    except Exception as error:  # noqa: BLE001 - as above
        return SeatEnd(error=Failure.of(error, "output"))


def converse(first: Json, stages: Stages, lines: Iterable[str] = sys.stdin) -> Iterator[Any]:
    """One answer to the first line, and one to each line that follows, until the harness says ``rise``."""
    questions = iter(lines)
    if "ready" in first:
        import_ahead(Job.from_json(first), stages)
        stages.pause()
        yield Ready()
        first = json.loads(next(questions))
        stages.resume()
    jobs = [Job.from_json(job) for job in first["seats"]]
    facts = set_up(jobs[0], stages)
    import torch

    sitting = Sitting(jobs, stages, facts)
    with torch.inference_mode():
        built = sitting.build()
        if not first.get("settle", True):
            stages.pause()
            yield built
            next(questions)
            stages.resume()
        yield sitting.seated()
        for line in questions:
            asked = json.loads(line)
            if asked.get("rise"):
                yield sitting.risen()
                return
            if "draw" in asked:
                yield sitting.draw(str(asked["draw"]))
                continue
            yield sitting.turn(int(asked["turn"]), int(asked["uncounted"]), int(asked["counted"]))
