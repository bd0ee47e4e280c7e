"""The harness's own cost: per trial, outside import torch, model building and sampling; and of planning.

``make bench-overhead`` prints both; docs/performance.md quotes them.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from bench.case import DENSE, Case
from bench.plan.plan import make_plan
from bench.plan.suite import Measure, load_suite
from bench.plan.targets import TARGETS
from bench.run.launch import run_worker
from bench.worker.protocol import Job, Measured

NOT_OURS = ("import torch", "build", "method", "sample")
TRIALS = 15
TIMEOUT = 120
"""Seconds for one process."""

SUITE = """
name: large
backbones: [resnet20, resnet56, vgg16_bn, mobilenet_v2, densenet40_k12]
methods: [dense, {csr_conv: {T: [2, 3, 4, 8]}}]
batches: [1, 2, 4, 8]
threads: [1, 2, 3, 4, 5]
memory_formats: [contiguous, channels_last]
seeds: [%s]
"""


def trial_overhead() -> list[float]:
    """Seconds per trial from launch to answer, less import torch, building and sampling."""
    job = Job(Case("resnet20", DENSE), recipes=(None,), protocol=Measure().protocol())
    found = []
    for _ in range(TRIALS):
        start = time.perf_counter()
        answer = run_worker(TARGETS.get("cpu"), job, TIMEOUT, Measured)
        wall = time.perf_counter() - start
        found.append(wall - sum(answer.stages[stage] for stage in NOT_OURS))
    return found


def planning(cases: int) -> tuple[int, float]:
    """How many cases were planned, and the seconds from reading the file to the plan."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "large.yaml"
        file.write_text(SUITE % ", ".join(map(str, range(cases // 1000))), encoding="utf-8")
        start = time.perf_counter()
        plan = make_plan(load_suite(file))
        plan.as_dict()
        return len(plan.cases), time.perf_counter() - start


def main() -> None:
    overhead = trial_overhead()
    median, largest = statistics.median(overhead), max(overhead)
    print("per trial, outside import torch, building and sampling: ", end="")
    print(f"median {median:.3f} s, largest {largest:.3f} s of {TRIALS}")
    count, seconds = planning(100_000)
    print(f"planning {count:,} cases: {seconds:.2f} s")


if __name__ == "__main__":
    main()
