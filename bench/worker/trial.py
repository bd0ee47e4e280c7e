"""One trial: one case in one fresh process, measured stage by stage.

Imports torch and the standard library only (and torchvision or timm where the case's network comes
from there), so it also runs on a bare board. ``python -m bench.worker`` runs it behind any prefix.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bench.worker.cores import pin
from bench.worker.holes import can_occupy, occupy_holes
from bench.worker.pipe import answer_one
from bench.worker.protocol import Failure, Job, Json, Measured
from bench.worker.stages import Stages
from bench.worker.thermal import Watch, cool_down

EMULATED = "emulated processor: its clock says nothing about the real one"


CALLS = 3
"""Forward passes before memory is read where no time is taken: what is allocated once is then there."""


def import_ahead(job: Job, stages: Stages) -> None:
    """Imports all that a sitting needs, before its cases are known and on whatever core is free."""
    stages.enter("import torch")
    import torch  # noqa: F401

    stages.enter("import bench")
    import bench.plugins
    import bench.worker.host
    import bench.worker.latency
    import bench.worker.seat

    if job.device == "cuda":
        import bench.worker.cuda  # noqa: F401


def set_up(job: Job, stages: Stages) -> dict[str, Any]:
    """Binds the process to its cores, lets the host cool and imports torch; returns what is to be known."""
    threads = job.case.threads
    cores = pin(threads, job.cores)
    stages.enter("cool")
    cooled = cool_down(job.cool_below) if job.timed and job.cool_below is not None else None
    stages.enter("import torch")
    import torch

    torch.set_num_threads(threads)
    denormals = "flushed" if torch.set_flush_denormal(True) else "counted"
    stages.enter("import bench")
    facts: dict[str, Any] = {
        "cores": cores,
        "heap": _heap(job),
        "threads": torch.get_num_threads(),
        "denormals": denormals,
        "cooled_seconds": cooled,
    }
    if job.device == "cuda":
        from bench.worker.cuda import set_flags

        facts["cuda_flags"] = set_flags()
    return facts


def _heap(job: Job) -> str:
    """How the heap is treated in this process: as the job asks, where the C library can do that."""
    if "MALLOC_TRIM_THRESHOLD_" not in os.environ:
        return "default"
    return "filled" if job.heap == "filled" and job.timed and can_occupy() else "kept"


class Measuring:
    """A trial under way: ``found`` is what it knows by now, which a failure does not take back."""

    def __init__(self, job: Job, stages: Stages) -> None:
        self._job = job
        self._stages = stages
        self.found = Measured()

    def run(self) -> None:
        """All stages. Raises what the case raises."""
        self._note(**set_up(self._job, self._stages))
        import torch

        from bench.plugins import load_plugins
        from bench.worker import host
        from bench.worker.seat import Seat

        if self._job.device == "cuda" and not torch.cuda.is_available():
            raise RuntimeError("no CUDA device is available to torch")
        device = self._job.device
        self._note(host=host.fingerprint(device), conditions_before=host.conditions(device))
        self._stages.enter("build")
        load_plugins(self._job.plugins)
        with torch.inference_mode():
            seat = Seat(self._job, self._stages)
            self._note(
                compile_seconds=seat.compile_seconds,
                export_seconds=seat.export_seconds,
                exported_bytes=seat.exported_bytes,
            )
            self._sample(seat)
            self._note(executed_order=seat.executed_order(), runtime_did=seat.runtime_did)
            self._stages.enter("output")
            self._note(output=seat.output(), params=seat.params())

    def _sample(self, seat: Any) -> None:
        from bench.worker import host, latency, memory
        from bench.worker.instructions import instructions

        job = self._job
        self._stages.enter("sample")
        mark = memory.ResidentMark()
        if self.found.host and self.found.host.get("emulated"):
            self._note(latency_refused=EMULATED)
            for _ in range(CALLS - 1):  # by which everything is translated
                seat.round()
            self._stages.enter("instructions")
            counted = instructions(seat.round)
            of_one = counted and {kind: round(n / seat.calls_in_round) for kind, n in counted.items()}
            self._note(instructions=of_one)
        elif not job.timed:
            for _ in range(CALLS - 1):
                seat.round()
            self._stages.enter("call")  # by which the harness tells how long its rounds will take
            seat.round()
            self._stages.enter("sample")
            self._note(inputs=seat.inputs(None))
        else:
            stopwatch = latency.CudaStopwatch() if job.device == "cuda" else latency.CpuStopwatch()
            protocol = latency.LatencyProtocol(**job.protocol).on(job.device)  # type: ignore[arg-type]
            watch = Watch(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else (0,))
            between = occupy_holes if self.found.heap == "filled" else None
            self._note(latency=latency.measure(seat, stopwatch, protocol, seat.calls_in_round, between))
            watch.look()
            self._note(conditions_during=watch.worst())
            self._note(inputs=seat.inputs(stopwatch))
        self._note(conditions_after=host.conditions(job.device))
        self._stages.enter("memory")
        found = memory.memory(seat.network, seat.round, mark, job.device, job.orders, seat.hidden)
        if seat.past_torch:  # torch's allocator saw nothing, which is not the same as no byte
            found = replace(found, allocator_peak=None, allocator_peak_by_order=None)
        if self.found.latency_refused:  # what grows there is the emulator
            found = replace(found, resident_before=None, resident_peak=None, resident_growth=None)
        self._note(memory=found)
        if job.energy:
            from bench.worker.energy import energy_of

            self._stages.enter("energy")
            emulated = bool(self.found.host and self.found.host.get("emulated"))
            self._note(energy=energy_of(seat.round, seat.calls_in_round, job.device, emulated))

    def _note(self, **fields: Any) -> None:
        self.found = replace(self.found, **fields)


def run(job: Job, stages: Stages) -> Measured:
    """Measures the job's case. Whatever goes wrong is an answer with an error."""
    measuring = Measuring(job, stages)
    error = None
    try:
        measuring.run()
    except Exception as raised:  # noqa: BLE001 - a failed case is a result: the record carries the traceback
        error = Failure.of(raised, stages.current)
    stages.enter("end")
    return replace(measuring.found, error=error, stages=stages.seconds)


def main() -> None:
    """Answers one job."""
    stages = Stages()

    def measured(data: Json) -> Measured:
        return run(Job.from_json(data), stages)

    def conversation(first: Json) -> Iterator[Any]:
        from bench.worker.sitting import converse

        return converse(first, stages)

    answer_one(measured, lambda failure: Measured(error=failure, stages=stages.seconds), conversation)
