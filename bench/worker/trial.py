"""The measuring process: one case, one trial. JSON in on stdin, one JSON line out on stdout.

Imports torch and the standard library only (and torchvision or timm where the case's network comes
from there), so it also runs on a bare board. Started as ``python -m bench.worker.trial`` behind any prefix.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, TextIO

Job = dict[str, Any]


class Stages:
    """Seconds that each stage of a trial took, by name, and which one is running."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._since = clock()
        self.current = "start"
        self.seconds: dict[str, float] = {}

    def enter(self, name: str) -> None:
        """Ends the running stage and begins the next."""
        now = self._clock()
        self.seconds[self.current] = self.seconds.get(self.current, 0.0) + now - self._since
        self.current, self._since = name, now


def run(job: Job, stages: Stages) -> dict[str, Any]:
    """Measures the job's case. Whatever goes wrong is an answer with status "failed"."""
    answer: dict[str, Any] = {"status": "ok", "error": None}
    try:
        _measure(job, stages, answer)
    except Exception as error:  # noqa: BLE001 - a failed case is a result: the record carries the traceback
        answer["status"] = "failed"
        answer["error"] = {
            "stage": stages.current,
            "type": type(error).__name__,
            "message": str(error).strip() or type(error).__name__,
            "traceback": traceback.format_exc(),
        }
    stages.enter("end")
    answer["stages"] = stages.seconds
    return answer


def _measure(job: Job, stages: Stages, answer: dict[str, Any]) -> None:
    threads = int(job["case"]["threads"])
    answer["cores"] = pin(threads)
    answer["heap"] = "kept" if "MALLOC_TRIM_THRESHOLD_" in os.environ else "default"
    stages.enter("import torch")
    import torch

    torch.set_num_threads(threads)
    answer["threads"] = torch.get_num_threads()
    answer["denormals"] = "flushed" if torch.set_flush_denormal(True) else "counted"

    stages.enter("import bench")
    from bench.case import Case
    from bench.models.calibration import calibrate
    from bench.network import backbone_network, calibration_images, compress
    from bench.plugins import load_plugins
    from bench.runtimes import RUNTIMES
    from bench.worker import host, latency, memory, output

    device = job["device"]
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("no CUDA device is available to torch")
    case = Case.from_dict(job["case"])
    answer["host"] = host.fingerprint(device)
    answer["conditions_before"] = host.conditions()

    stages.enter("build")
    load_plugins(job.get("plugins", []))
    network = backbone_network(case)
    stages.enter("method")
    network = compress(network, case, job["recipes"]).network
    stages.enter("runtime")
    memory_format = torch.channels_last if case.memory_format == "channels_last" else torch.contiguous_format
    network = network.to(device=device, memory_format=memory_format)  # type: ignore[call-overload]
    generator = torch.Generator().manual_seed(case.seed)
    example = torch.randn(case.batch, *case.input, generator=generator)
    example = example.to(device=device, memory_format=memory_format)
    with torch.inference_mode():
        since = time.perf_counter()
        forward = RUNTIMES.get(case.runtime).prepare(network, example)
        answer["compile_seconds"] = time.perf_counter() - since
        stages.enter("sample")
        mark = memory.ResidentMark()
        stopwatch = latency.CudaStopwatch() if device == "cuda" else latency.CpuStopwatch()
        if answer["host"]["emulated"]:
            answer["latency"] = None
            answer["latency_refused"] = "emulated processor: its clock says nothing about the real one"
            forward(example)
        else:
            protocol = latency.LatencyProtocol(**job["protocol"])
            answer["latency"] = latency.measure(lambda: forward(example), stopwatch, protocol).as_dict()
        answer["conditions_after"] = host.conditions()
        stages.enter("memory")
        answer["memory"] = memory.memory(
            network, lambda: forward(example), mark, device, bool(job.get("orders"))
        ).as_dict()
        stages.enter("output")
        # Only now, when times and memory are taken: it runs the network, and neither depends on it.
        images = calibration_images(case).to(device=device, memory_format=memory_format)
        calibrate(network, images)
        answer["output"] = output.describe_output(forward(example))
    answer["params"] = sum(p.numel() for p in network.parameters())


def pin(threads: int) -> list[int] | str:
    """Binds this process to ``threads`` cores of its mask: the highest, away from core 0's interrupts.

    Returns the cores, or "unknown" where the system cannot bind. Raises ValueError when the mask has
    fewer cores than threads.
    """
    if not hasattr(os, "sched_setaffinity"):
        return "unknown"
    mask = sorted(os.sched_getaffinity(0))
    if threads > len(mask):
        raise ValueError(f"{threads} threads on {len(mask)} cores: at most {len(mask)} threads work here")
    cores = mask[len(mask) - threads :]
    os.sched_setaffinity(0, cores)
    return cores


def main() -> None:
    """Reads one job, answers with one line, and leaves without the interpreter's own tear-down."""
    stages = Stages()
    answers = claim_stdout()
    answer = run(json.load(sys.stdin), stages)
    answers.write(json.dumps(answer) + "\n")
    answers.flush()
    sys.stderr.flush()
    os._exit(0)


def claim_stdout() -> TextIO:
    """The real stdout for the answer alone; whatever libraries print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


if __name__ == "__main__":
    main()
