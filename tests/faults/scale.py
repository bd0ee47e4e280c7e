"""What size costs: the memory of a long run, finding a run to resume, listing a hundred thousand trials.

``python tests/faults/scale.py`` runs 5,000 cases in 5 rounds with stubs in place of the processes, whose
memory is not the harness's, and prints the table of docs/reliability.md. Times are those of computing.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path[:0] = [
    str(Path(__file__).resolve().parents[1] / "support"),
    str(Path(__file__).resolve().parents[2]),
]

from made_trials import (  # noqa: E402
    made_conditions,
    made_count,
    made_end,
    made_host,
    made_latency,
    made_memory,
    made_start,
    made_trial,
)

from bench.analysis.glance import glance  # noqa: E402
from bench.analysis.records import Trial, to_line, typed  # noqa: E402
from bench.api import Silent  # noqa: E402
from bench.case import Case  # noqa: E402
from bench.plan.plan import Plan, make_plan  # noqa: E402
from bench.plan.suite import load_suite  # noqa: E402
from bench.run import counting, probing, rounds  # noqa: E402
from bench.run import run as runs  # noqa: E402
from bench.run.session import Session  # noqa: E402
from bench.run.sitting import Place, trial_of  # noqa: E402
from bench.worker.counter import Counted  # noqa: E402
from bench.worker.protocol import Measured  # noqa: E402

ROUNDS = 5


def resident() -> float:
    """Megabytes of this process in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def planned(cases: int, folder: Path) -> Plan:
    """A suite of about so many cases."""
    batches = list(range(1, cases // 4 + 1))
    file = folder / "s.yaml"
    file.write_text(
        "name: big\nbackbones: [layer/4-4-k3]\nmethods: [dense, csr_conv: {T: [2, 3, 4]}]\ninputs: [8x8]\n"
        f"batches: {batches}\nmeasure: {{rounds: {ROUNDS}}}\n"
    )
    return make_plan(load_suite(file))


def answer() -> Measured:
    """What a usual worker tells: 64 samples in 16 turns, its host, its memory."""
    latency = made_latency([0.001 + 1e-6 * at for at in range(64)])
    latency["turns"] = [{"number": at, "at": at, "count": 4} for at in range(16)]
    facts = {f"fact{at}": "x" * 20 for at in range(20)}
    return typed(
        Measured,
        {
            "error": None,
            "latency": latency,
            "memory": made_memory(),
            "host": made_host("a", **facts),
            "conditions_before": made_conditions(),
            "conditions_after": made_conditions(),
        },
    )


class Pool:
    """Stands in for the counting processes."""

    def __init__(self, *_: object) -> None: ...

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None: ...

    def ask(self, cases: Sequence[Case]) -> Iterator[Counted]:
        """Counts of each."""
        return (Counted(counts=made_count(case).counts, recipes=(None,)) for case in cases)


def sit(session: Session, places: Sequence[Place], apart: bool, note: str = "") -> list[Trial]:
    """Stands in for a sitting."""
    return [
        trial_of(
            answer(),
            run=session.start.run,
            case=place.case.id,
            arm="",
            round=place.number,
            position=place.position,
            started="",
            wall_seconds=1.0,
            sitting="s",
            seating="together",
        )
        for place in places
    ]


class Listener(Silent):
    """Notes how much memory the run has, from the first trial to the last."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def trial(self, done: int, total: int, trial: Trial | None) -> None:
        """Every thousandth."""
        if done % 1000 == 0:
            self.seen.append(resident())


def memory(cases: int, folder: Path) -> list[float]:
    """Megabytes of the harness after every thousandth trial of a run."""
    places: Any = rounds
    places.sit = sit
    probes: Any = probing.ProbingProcess
    probes._answer = lambda self, place: answer()
    counters: Any = counting
    counters.CountingPool = Pool
    listener = Listener()
    plan = planned(cases, folder)
    file, start = runs.begin(plan, folder / "long", 1)
    runs.execute(plan, file, start, listener)
    return listener.seen


def written(file: Path, start: dict[str, Any], trials: int) -> None:
    """A results file of so many trials."""
    plan_case = Case.from_dict({k: v for k, v in start["cases"][0].items() if k != "baseline"})
    samples = [0.001 * at for at in range(1, 65)]
    trial = to_line(made_trial(plan_case, 0, samples, before=made_conditions(), after=made_conditions()))
    end = to_line(made_end())
    lines = [start, *[trial] * trials, end]
    file.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))


def lists(folder: Path) -> tuple[float, float]:
    """Seconds of computing to list 100,000 trials, and to find an unfinished run beside a hundred files."""
    plan = planned(12, folder)
    start = to_line(made_start(list(plan.cases)))
    results = folder / "results"
    results.mkdir()
    for number in range(10):
        written(results / f"2026-{number}-big-x.jsonl", start, 10_000)
    since = time.process_time()
    total = sum(glance(file).trials for file in sorted(results.glob("*.jsonl")))
    listing = time.process_time() - since
    assert total == 100_000
    for number in range(90):
        written(results / f"2027-{number:02}-big-x.jsonl", start, 100)
    mine = results / "2025-big-x.jsonl"
    written(mine, {**start, "suite_digest": plan.digest()}, 100)
    mine.write_text("".join(mine.read_text().splitlines(keepends=True)[:-1]))
    since = time.process_time()
    assert runs.unfinished(plan, results).file == mine
    return listing, time.process_time() - since


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=5000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="csr-bench-scale-") as name:
        folder = Path(name)
        listing, finding = lists(folder)
        print(f"| `bench results` of 100,000 trials in ten files | {listing:.1f} s |")
        print(f"| `--resume` finds its run beside 100 files | {finding:.2f} s |")
        seen = memory(asked.cases, folder)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
        print(
            f"| {asked.cases:,} cases × {ROUNDS} rounds: the harness before the first trial, after the last, "
            f"at most | {seen[0]:.0f}, {seen[-1]:.0f}, {peak:.0f} MB |"
        )


if __name__ == "__main__":
    main()
