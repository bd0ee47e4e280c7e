"""How sharp the ratios are, and how often verdicts about equal and about slower networks are right.

``make bench-noise`` runs it; docs/measurement.md holds one run of it and explains it. ResNet-56, one image,
one thread. Measured in fresh processes:

- *turns*: a network, an equal one, ones that are 1, 2 and 5 % slower and one with one more small layer, all
  in one process, taking turns; on a quiet host, and beside one and two busy neighbours started here;
- *ab*: the same network and equal and slower ones in a second process, as ``bench ab`` does;
- *lone*: one process after the other, by the protocol without turns, timm's, torch's and pyperf's.

What a comparison of some rounds would have said is found by drawing so many processes, without replacement.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.analysis.pairing import turn_log
from bench.analysis.sequential import ALPHA, decide, looks, repeated_interval
from bench.case import DENSE, Case, MethodCall
from bench.plan.suite import Measure
from bench.plan.targets import TARGETS
from bench.run.launch import environment
from bench.run.sitting import Process, take_turns
from bench.worker.protocol import Job

HERE = Path(__file__).parent
PLUGIN = str(HERE / "planted.py")
ARMS = {
    "equal": MethodCall("spun", {"share": 0.0}),
    "+1 %": MethodCall("spun", {"share": 0.01}),
    "+2 %": MethodCall("spun", {"share": 0.02}),
    "+5 %": MethodCall("spun", {"share": 0.05}),
    "one more layer": MethodCall("one_more_layer"),
}
DRAWS = 2000
RESOLUTION, FINE, NEVER_SAME = 0.01, 0.005, 1e-9
"""The default, a finer one, and one at which nothing is called the same."""

FEWEST = 8
"""Processes at least, however few are asked for."""

TIMEOUT = 120
"""Seconds for one process."""

Logs = dict[str, list[float]]

BUSY = """
import array
data = array.array("d", bytes(64 * 2**20))
while True:
    total = sum(data[i] for i in range(0, len(data), 4096))
    data = data[:]
"""


def job(call: MethodCall) -> Job:
    """ResNet-56 with that method."""
    case = Case("resnet56", (call,))
    return Job(case, recipes=(None,), protocol=Measure().protocol(), plugins=(PLUGIN,))


def sitting(groups: list[list[Job]], coin: random.Random) -> list[float]:
    """Log ratios of all jobs but the first to the first; each group has a process of its own."""
    with ExitStack() as stack:
        processes = [Process(TARGETS.get("cpu"), jobs, TIMEOUT, stack) for jobs in groups]
        for process in processes:
            process.start()
        take_turns(processes, lambda p, at: (p, at) == (0, 0), Measure(), coin)
        latencies = [p.latency(at) for p in processes for at in range(len(p.jobs))]
    logs = [turn_log(latencies[0], latency) for latency in latencies[1:]]
    return [value for value in logs if value is not None]


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """So many processes that compute and copy all the time, started and ended here."""
    started = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def collect(what: str, count: int, measure: Callable[[random.Random], list[float]], names: list[str]) -> Logs:
    """So many processes' log ratios by name."""
    coin = random.Random(what)
    found: Logs = {name: [] for name in names}
    for number in range(count):
        for name, value in zip(names, measure(coin), strict=True):
            found[name].append(value)
        print(f"\r{what}: {number + 1} of {count}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return found


def lone(protocol: str) -> float:
    """Seconds by one process of that protocol."""
    heap = "kept" if protocol == "ours" else "default"
    command = [sys.executable, str(HERE / "lone_worker.py"), protocol, "0"]
    answer = subprocess.run(
        command, capture_output=True, text=True, env=environment(1, heap=heap), check=True
    )
    return float(json.loads(answer.stdout)["value"])


def p95(values: list[float]) -> float:
    """95th percentile of the magnitudes."""
    return statistics.quantiles([abs(v) for v in values], n=20, method="inclusive")[-1]


def estimates(logs: list[float], rounds: int) -> list[float]:
    """Estimates of ``rounds`` processes, drawn again and again."""
    coin = random.Random(1)
    return [statistics.fmean(coin.sample(logs, rounds)) for _ in range(DRAWS)]


def verdicts(logs: list[float], resolution: float) -> tuple[dict[str, float], float]:
    """Shares of the verdicts when rounds end by themselves, and the mean number of rounds."""
    coin, schedule = random.Random(2), looks()
    most = min(schedule[-1], len(logs))
    shares: dict[str, float] = {}
    rounds = 0
    for _ in range(DRAWS):
        found = decide({"case": coin.sample(logs, most)}, resolution, schedule)["case"]
        shares[found.verdict] = shares.get(found.verdict, 0) + 1 / DRAWS
        rounds += found.ratio.count
    return shares, rounds / DRAWS


def show(what: str, logs: Logs) -> None:
    """One line per network."""
    print(f"\n{what}: {len(next(iter(logs.values())))} processes")
    columns = ("ratio", "sd", "p95 of one", "p95 of 5")
    print(f"{'network':<16}" + "".join(f"{name:>12}" for name in columns) + "   verdicts at 1 %, mean rounds")
    for name, values in logs.items():
        shift = [value - statistics.fmean(values) for value in values]
        shares, rounds = verdicts(values, RESOLUTION)
        words = ", ".join(f"{word} {share:.1%}" for word, share in sorted(shares.items()))
        numbers = (
            f"{repeated_interval(values, ALPHA).value:.4f}",
            *(f"{v:.2%}" for v in (statistics.stdev(values), p95(shift), p95(estimates(shift, 5)))),
        )
        print(f"{name:<16}" + "".join(f"{n:>12}" for n in numbers) + f"   {words}, {rounds:.1f}")


def figure(words: str, found: float, goal: str) -> None:
    """A figure beside its goal."""
    print(f"{words:<64}{found:>8.2%}  {goal}")


def different(shares: dict[str, float]) -> float:
    """Share of the verdicts that call the case faster or slower."""
    return shares.get("slower", 0.0) + shares.get("faster", 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=40)
    parser.add_argument("--only", choices=("turns", "ab", "lone"))
    parser.add_argument("--keep", type=Path, help="file for all log ratios, JSON")
    asked = parser.parse_args()
    kept: dict[str, Logs] = {}
    first, others = job(DENSE[0]), [job(call) for call in ARMS.values()]
    together = [[first, *others]]
    if asked.only in (None, "turns"):
        for count, share in ((0, 1.0), (1, 0.5), (2, 0.3)):
            words = ("quiet", "beside one busy neighbour", "beside two busy neighbours")[count]
            with neighbours(count):
                wanted = max(FEWEST, int(share * asked.processes))
                kept[words] = collect(words, wanted, lambda c: sitting(together, c), list(ARMS))
            show(f"turns in one process, {words}", kept[words])
        quiet = kept["quiet"]
        equal, _ = verdicts(quiet["equal"], NEVER_SAME)
        two, _ = verdicts(quiet["+2 %"], RESOLUTION)
        one, _ = verdicts(quiet["+1 %"], FINE)
        busy = kept["beside one busy neighbour"]["equal"]
        print()
        figure(
            "A/A, p95 of the difference of 5 processes, quiet", p95(estimates(quiet["equal"], 5)), "<= 0.6 %"
        )
        figure("the same beside one busy neighbour", p95(estimates(busy, 5)), "<= 1.5 %")
        figure('"different" on equal networks, however small', different(equal), "<= 5 %")
        figure("planted +2 % found at the default", two.get("slower", 0), ">= 95 %")
        figure("planted +1 % found within 30 rounds, resolution 0.5 %", one.get("slower", 0), ">= 90 %")
    if asked.only in (None, "ab"):
        # One arm against the other, as two revisions sit: as many seats here as there.
        kept["ab"] = {}
        for name, other in (("equal", others[0]), ("+2 %", others[2])):

            def apart(coin: random.Random, other: Job = other) -> list[float]:
                return sitting([[first], [other]], coin)

            kept["ab"][name] = collect(f"ab, {name}", asked.processes, apart, [name])[name]
        show("turns in two processes, as `bench ab`", kept["ab"])
        two, _ = verdicts(kept["ab"]["+2 %"], RESOLUTION)
        figure("bench ab, planted +2 % found within 30 rounds", two.get("slower", 0), ">= 90 %")
    if asked.only in (None, "lone"):
        names = ["ours", "timm", "autorange", "pyperf"]
        print("\none process after the other: p95 of |log ratio| of two equal arms, one pair")
        pairs_of: Logs = {name: [] for name in names}
        for _ in range(max(FEWEST, asked.processes // 4)):
            for name in names:
                pairs_of[name].append(math.log(lone(name) / lone(name)))
        for name, values in pairs_of.items():
            print(f"{name:<12}{p95(values):8.2%}  (median {statistics.median(map(abs, values)):.2%})")
        kept["lone"] = pairs_of
    if asked.keep is not None:
        asked.keep.write_text(json.dumps(kept), encoding="utf-8")


if __name__ == "__main__":
    main()
