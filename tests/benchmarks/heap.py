"""What the allocator's settings do: trials with ``heap: filled``, ``kept`` and ``default``, interleaved.

``python tests/benchmarks/heap.py`` prints the centre and the spread of the trial medians of ResNet-56, and
of a masked copy of it that computes the same; docs/measurement.md quotes them.
"""

from __future__ import annotations

import math
import random
import statistics

from bench.analysis import stats
from bench.case import DENSE, Case, MethodCall
from bench.plan.suite import Measure
from bench.plan.targets import TARGETS
from bench.run.launch import run_worker
from bench.worker.protocol import Job, Measured

ROUNDS = 12
TIMEOUT = 120
"""Seconds for one process."""

CASES = (Case("resnet56", DENSE), Case("resnet56", (MethodCall("magnitude", {"density": 0.13}),)))


def main() -> None:
    coin = random.Random(0)
    arms = [(case, heap) for case in CASES for heap in ("filled", "kept", "default")]
    medians: dict[tuple[str, str], list[float]] = {(case.method, heap): [] for case, heap in arms}
    for _ in range(ROUNDS):
        for case, heap in coin.sample(arms, len(arms)):
            job = Job(case, recipes=(None,), protocol=Measure().protocol(), heap=heap)
            answer = run_worker(TARGETS.get("cpu"), job, TIMEOUT, Measured)
            assert answer.latency is not None, answer.error
            medians[case.method, heap].append(stats.trial_median(answer.latency.samples))
    for (method, heap), found in medians.items():
        spread = statistics.stdev(math.log(m) for m in found)
        print(f"{method:<24} heap {heap:<8} {1e3 * min(found):.2f} to {1e3 * max(found):.2f} ms, ", end="")
        print(f"centre {1e3 * stats.estimate(found).value:.2f} ms, spread {spread:.1%}")
    for heap in ("filled", "kept", "default"):
        dense, masked = (dict(enumerate(medians[case.method, heap])) for case in CASES)
        ratio = stats.ratio(dense, masked)
        print(f"masked/dense, heap {heap}: {ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f})")


if __name__ == "__main__":
    main()
