"""What a cluster costs beside direct launching: the same trials on this host, both ways in turns.

``python tests/benchmarks/cluster.py [TRIALS]`` prints the wall time of the rounds each way, for as many
trials as are asked for (200), in blocks that take turns. Counting is the same both ways and is not timed; the
worker is a process on this host, behind a scheduler on loopback.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bench.api import Silent
from bench.plan.plan import Plan, make_plan
from bench.plan.suite import load_suite
from bench.run.cluster import LOCAL, Cluster, Way, connected
from bench.run.lock import HostLock
from bench.run.run import begin, execute

SUITE = """
name: cost
backbones: [resnet20]
methods: [dense, {csr_conv: {T: [2, 4, 8]}}]
measure: {rounds: %d}
"""
CASES, BLOCKS = 4, 5


class _Watch(Silent):
    """Notes when the first trial of a run was waited for."""

    def __init__(self) -> None:
        self.since: float | None = None

    def trial(self, done: int, total: int, trial: object) -> None:
        """The first call comes before the first sitting."""
        if self.since is None:
            self.since = time.perf_counter()


def seconds(plan: Plan, folder: Path, hosts: Cluster | None) -> float:
    """Wall time of the rounds of one run."""
    watch = _Watch()
    with HostLock(wait=True) as lock:
        outcome = execute(
            plan, *begin(plan, folder, 1), watch, hosts=hosts, counted=None if hosts is None else lock.release
        )
    assert not outcome.failed, outcome.failed
    assert watch.since is not None
    return time.perf_counter() - watch.since


def main(trials: int = 200) -> None:
    rounds = max(1, trials // CASES // BLOCKS)
    direct: list[float] = []
    cluster: list[float] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "cost.yaml").write_text(SUITE % rounds, encoding="utf-8")
        plan = make_plan(load_suite(folder / "cost.yaml"))
        hosts = stack.enter_context(connected(Way(LOCAL), {case.target for case in plan.cases}))
        for block in range(BLOCKS):
            for way in ((None, hosts), (hosts, None))[block % 2]:
                (direct if way is None else cluster).append(seconds(plan, folder, way))
                print(f"{'direct' if way is None else 'cluster'}: {plan.trials} trials", flush=True)
    count = plan.trials * BLOCKS
    print(f"{count} trials directly: {sum(direct):.1f} s; over the cluster: {sum(cluster):.1f} s; ", end="")
    print(f"{sum(cluster) / sum(direct) - 1:+.1%} wall time")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
