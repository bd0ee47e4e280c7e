"""What ssh costs beside a process of this host: one small job both ways, in turns, over a server on loopback.

``python tests/benchmarks/ssh.py [JOBS]`` prints the median wall time each way and of the difference (16).
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import loopback_ssh

from bench.case import Case, MethodCall
from bench.plan.targets import Target, split_launch
from bench.run.launch import run_worker
from bench.run.provision import provision
from bench.worker.protocol import Job, Measured

TIMEOUT = 60
"""Seconds for one process."""


def seconds(target: Target) -> float:
    """Wall time of one worker from its start to its answer."""
    case = Case("layer/4-4-k3", (MethodCall("dense"),), input=(4, 8, 8))
    since = time.perf_counter()
    answer = run_worker(target, Job(case, recipes=(None,), timed=False), TIMEOUT, Measured)
    took = time.perf_counter() - since
    assert answer.error is None, answer.error
    return took


def main(jobs: int) -> None:
    with tempfile.TemporaryDirectory() as folder, loopback_ssh.serving(Path(folder) / "ssh") as server:
        here = Target("here", "cpu")
        far = Target("ssh", "cpu", split_launch(server.launch()), sys.executable)
        provision(far, lambda _line: None)
        took: dict[str, list[float]] = {here.name: [], far.name: []}
        for number in range(jobs):
            for target in (here, far) if number % 2 else (far, here):
                took[target.name].append(seconds(target))
    for name, values in took.items():
        print(f"{name:5} {statistics.median(values):.3f} s ({min(values):.3f} to {max(values):.3f})")
    cost = statistics.median(b - a for a, b in zip(took["here"], took["ssh"], strict=True))
    print(f"ssh costs {cost:+.3f} s a process, the median of {jobs}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 16)
