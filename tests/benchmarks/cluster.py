"""What a cluster costs beside direct launching: the same sittings on this host, both ways in turns.

``python tests/benchmarks/cluster.py [TRIALS]`` prints the wall time of that many trials each way (200). The
worker is a process on this host behind a scheduler on loopback, and holds the host's lock for each sitting.
Counting is the same both ways, and is not timed.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bench.analysis.store import Store
from bench.api import Silent
from bench.plan.plan import make_plan
from bench.plan.suite import load_suite
from bench.run.cluster import Cluster
from bench.run.counting import count_networks
from bench.run.lock import HostLock
from bench.run.requests import SittingRequest
from bench.run.run import begin
from bench.run.scheduler import LOCAL, Way, connected
from bench.run.session import Arm, Session
from bench.run.sitting import Place, hold, job_of

SUITE = """
name: cost
backbones: [resnet20]
methods: [dense, {csr_conv: {T: [2, 4, 8]}}]
"""


def counted(folder: Path) -> SittingRequest:
    """One sitting of the suite, its networks counted."""
    (folder / "cost.yaml").write_text(SUITE, encoding="utf-8")
    plan = make_plan(load_suite(folder / "cost.yaml"))
    file, start = begin(plan, folder, 1)
    with HostLock(wait=True), Store(file) as store:
        session = Session(plan, start, store, Silent())
        count_networks(session)
        jobs = tuple(job_of(session, Place(Arm(), case, 0, 0)) for case in plan.cases)
    return SittingRequest(plan.targets["cpu"], (jobs,), plan.measure, "0")


def seconds(request: SittingRequest, machines: Cluster | None) -> float:
    """Wall time of one sitting, here or over there."""
    since = time.perf_counter()
    if machines is None:
        with HostLock(wait=True):
            held = hold(request)
    else:
        held = machines.hold(request)
    took = time.perf_counter() - since
    assert len(held.answers) == len(request.jobs), held
    return took


def main(trials: int = 200) -> None:
    direct: list[float] = []
    over: list[float] = []
    with ExitStack() as stack:
        request = counted(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        machines = stack.enter_context(connected(Way(LOCAL), {"cpu"}))
        for number in range(max(1, trials // len(request.jobs))):
            for way in ((None, machines), (machines, None))[number % 2]:
                (direct if way is None else over).append(seconds(request, way))
    count = len(direct) * len(request.jobs)
    pairs = [far - near for far, near in zip(over, direct, strict=True)]
    print(f"{count} trials directly: {sum(direct):.1f} s; over a cluster: {sum(over):.1f} s", end="")
    print(f" ({sum(over) / sum(direct) - 1:+.1%}); median of a sitting: {statistics.median(pairs):+.3f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
