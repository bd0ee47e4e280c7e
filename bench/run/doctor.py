"""Is this host fit to judge? An A/A self-test, and everything around it that can be read."""

from __future__ import annotations

import random
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.analysis import stats
from bench.analysis.quality import medians
from bench.analysis.records import Trial
from bench.analysis.verdict import FASTER, SLOWER, verdict
from bench.case import DENSE, Case
from bench.plan.suite import Measure
from bench.plan.targets import TARGETS
from bench.run.launch import run_worker
from bench.run.rounds import trial_of
from bench.worker.protocol import Job, Measured

UNKNOWN = "unknown"
GATES = (0.01, 0.02, 0.05, 0.10)
ROUNDS = 5
"""Rounds of the comparison that the self-test imitates: a suite's default."""
DRAWS = 2000
WRONG_AT_MOST = 0.10
"""Twice the 5 % that the verdict promises: twenty pairs tell the rate only roughly."""


@dataclass(frozen=True)
class SelfTest:
    """What two identical arms looked like on this host.

    ``wrong``: share of five-round comparisons called faster or slower. ``difference_p95``: 95th
    percentile of |A/A difference| of their estimates. ``resolution_p95``: 95th percentile of half their
    intervals. All from draws of ROUNDS pairs out of ``pairs``, arms swapped at random.
    """

    pairs: int
    failed: int
    wrong: float
    difference_p95: float
    resolution_p95: float
    marked: dict[str, int]

    def gates(self, at: float) -> bool:
        """True when a change of ``at`` can be told: intervals that narrow, and few enough false alarms."""
        return self.wrong <= WRONG_AT_MOST and self.resolution_p95 <= at


def self_test(
    pairs: int,
    seed: int,
    done: Callable[[int, int], None],
    measure: Measure | None = None,
    worker: Callable[[Job], Measured] | None = None,
) -> tuple[SelfTest, list[Trial]]:
    """Measures one case as two arms, ``pairs`` times, next to each other in random order.

    ``worker`` turns a job into an answer (a fresh process by default); ``done`` is told the progress.
    Raises RuntimeError when no pair could be measured.
    """
    measure = measure or Measure()
    case = Case("resnet20", DENSE)
    job = Job(case, recipes=(None,), protocol=measure.protocol())
    start = worker or (lambda job: run_worker(TARGETS.get("cpu"), job, measure.timeout, Measured))
    coin = random.Random(seed)
    trials: list[Trial] = []
    for number in range(pairs):
        for arm in coin.sample(("a", "b"), 2):
            since = time.monotonic()
            answer = start(job)
            trials.append(
                trial_of(
                    answer,
                    run="doctor",
                    case=case.id,
                    arm=arm,
                    round=number,
                    position=0,
                    started="",
                    wall_seconds=time.monotonic() - since,
                )
            )
            done(len(trials), 2 * pairs)
    a, b = (medians([t for t in trials if t.arm == arm]) for arm in ("a", "b"))
    common = sorted(a.keys() & b.keys())
    if len(common) < ROUNDS:
        errors = [t.error.message for t in trials if t.error]
        raise RuntimeError(f"only {len(common)} pairs could be measured: {errors[:1] or 'no error given'}")
    logs = [stats.log_ratio(a[r], b[r]) for r in common]
    return judge(logs, pairs, seed, _marks(trials)), trials


def judge(logs: Sequence[float], pairs: int, seed: int, marked: Mapping[str, int]) -> SelfTest:
    """The self-test's figures from the pairs' log ratios: pure, seeded."""
    coin = random.Random(seed)
    wrong = 0
    differences, widths = [], []
    for _ in range(DRAWS):
        drawn = [value * coin.choice((-1, 1)) for value in coin.sample(list(logs), ROUNDS)]
        base = dict.fromkeys(range(ROUNDS), 1.0)
        other = {at: stats.from_log(value) for at, value in enumerate(drawn)}
        interval = stats.ratio(base, other)
        significant = stats.paired_p_value(base, other) <= 1 - stats.LEVEL
        wrong += significant and verdict(interval, 1e-9) in (FASTER, SLOWER)
        differences.append(abs(stats.log_ratio(1.0, interval.value)))
        widths.append(interval.half_width)
    return SelfTest(
        pairs=pairs,
        failed=pairs - len(logs),
        wrong=wrong / DRAWS,
        difference_p95=_p95(differences),
        resolution_p95=_p95(widths),
        marked=dict(marked),
    )


def verdict_line(test: SelfTest) -> str:
    """One line: at which changes this host can gate."""
    able = [f"{gate:.0%}" for gate in GATES if test.gates(gate)]
    if able:
        return f"this host can gate at {', '.join(able)} with {ROUNDS} rounds"
    return f"this host cannot gate at any of {', '.join(f'{g:.0%}' for g in GATES)} with {ROUNDS} rounds"


def gpu_users() -> list[str] | str:
    """Other processes on the GPU, by nvidia-smi's account; "unknown" where there is no such tool."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return UNKNOWN
    query = [tool, "--query-compute-apps=pid,process_name,used_memory", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return UNKNOWN
    return answer.stdout.strip().splitlines() if answer.returncode == 0 else UNKNOWN


def library_builds() -> list[str]:
    """How torch was built: its own account, one fact a line."""
    import torch

    return [line.strip(" -\t") for line in torch.__config__.show().splitlines() if line.strip()]


def as_dict(test: SelfTest, facts: Mapping[str, Any], gate: float) -> dict[str, Any]:
    """Plain data for ``bench doctor --json``."""
    return {
        "can_gate": {f"{at:.0%}": test.gates(at) for at in GATES},
        "gate": gate,
        "fit": test.gates(gate),
        "self_test": asdict(test),
        **facts,
    }


def _marks(trials: Sequence[Trial]) -> dict[str, int]:
    from bench.analysis.quality import marks

    found: dict[str, int] = {}
    for arm in ("a", "b"):
        for marked in marks([t for t in trials if t.arm == arm]):
            for mark in marked:
                found[mark] = found.get(mark, 0) + 1
    return found


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]
