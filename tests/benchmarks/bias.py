"""Whether a ratio depends on how the cases sit: together in one process, apart in turns, or each alone.

``make bench-noise`` runs it after noise.py. For CSR-Conv, filter pruning and int8 on three backbones, the
ratio to dense is measured in all three ways, alternating, and the differences are printed with intervals
(Welch's t on the logarithms, 95 %).
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
from contextlib import ExitStack

from scipy import stats as distributions

from bench.analysis.pairing import turn_log
from bench.case import DENSE, Case, MethodCall
from bench.network import prepare
from bench.plan.suite import Measure
from bench.plan.targets import TARGETS
from bench.run.launch import run_worker
from bench.run.sitting import Process, take_turns
from bench.worker.protocol import Job, Measured

TIMEOUT = 120
"""Seconds for one process."""

METHODS = {
    "csr_conv T=4": MethodCall("csr_conv", {"T": 4}),
    "filter_l1": MethodCall("filter_l1", {"ratio": 0.5}),
    "int8": MethodCall("int8", {"scheme": "static"}),
}
BACKBONES = ("vgg16_bn", "resnet56", "mobilenet_v2")
WAYS = ("together", "apart", "alone")


def jobs_of(backbone: str, heap: str) -> list[Job]:
    """Dense first, then the methods, with their recipes."""
    cases = [Case(backbone, DENSE), *(Case(backbone, (call,)) for call in METHODS.values())]
    protocol = Measure().protocol()
    return [Job(case, recipes=tuple(prepare(case)[1]), protocol=protocol, heap=heap) for case in cases]


def measure(way: str, jobs: list[Job], coin: random.Random) -> list[float]:
    """Log ratios of the methods to dense."""
    if way == "alone":
        order = coin.sample(range(len(jobs)), len(jobs))
        seconds = {}
        for at in order:
            answer = run_worker(TARGETS.get("cpu"), jobs[at], TIMEOUT, Measured)
            assert answer.latency is not None, answer.error
            seconds[at] = statistics.median(answer.latency.samples)
        return [math.log(seconds[at] / seconds[0]) for at in range(1, len(jobs))]
    groups = [jobs] if way == "together" else [[job] for job in jobs]
    with ExitStack() as stack:
        processes = [Process(TARGETS.get("cpu"), group, TIMEOUT, stack) for group in groups]
        for process in processes:
            process.start()
        take_turns(processes, lambda p, at: p == 0 and at == 0, Measure(), coin)
        latencies = [p.latency(at) for p in processes for at in range(len(p.jobs))]
    logs = [turn_log(latencies[0], latency) for latency in latencies[1:]]
    return [value for value in logs if value is not None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--only", choices=BACKBONES, help="one backbone instead of all three")
    parser.add_argument("--heap", choices=("filled", "kept"), default="filled", help="kept: with its holes")
    asked = parser.parse_args()
    rounds, backbones = asked.rounds, [asked.only] if asked.only else list(BACKBONES)
    coin = random.Random(0)
    jobs = {backbone: jobs_of(backbone, asked.heap) for backbone in backbones}
    found: dict[tuple[str, str, str], list[float]] = {}
    for number in range(rounds):
        for backbone in coin.sample(backbones, len(backbones)):
            for way in coin.sample(WAYS, len(WAYS)):
                for name, value in zip(METHODS, measure(way, jobs[backbone], coin), strict=True):
                    found.setdefault((backbone, name, way), []).append(value)
        print(f"\r{number + 1} of {rounds} rounds", end="", file=sys.stderr)
    print(file=sys.stderr)
    columns = "".join(f"{way:>18}" for way in WAYS)
    print(f"{'ratio to dense (sd)':<28}{columns}   together ÷ apart      together ÷ alone")
    for backbone in backbones:
        for name in METHODS:
            logs = [found[backbone, name, way] for way in WAYS]
            cells = "".join(
                f"{math.exp(statistics.fmean(v)):>10.3f} ({statistics.stdev(v):.1%})" for v in logs
            )
            beside = "   ".join(_difference(logs[0], other) for other in logs[1:])
            print(f"{backbone + ' ' + name:<28}{cells}   {beside}")


def _difference(one: list[float], other: list[float]) -> str:
    low, high = distributions.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    mark = " " if low <= 0 <= high else "*"
    centre = math.exp(statistics.fmean(one) - statistics.fmean(other))
    return f"{centre:.3f} [{math.exp(low):.3f}, {math.exp(high):.3f}]{mark}"


if __name__ == "__main__":
    main()
