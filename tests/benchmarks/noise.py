"""How often each protocol is wrong about two equal arms, and whether ours finds a planted slowdown.

``make bench-noise`` runs it and prints one table; docs/measurement.md explains it. One run measures
all protocols side by side on the same network (ResNet-56, one image, one thread): a slot visits every
(protocol, arm) once, each in a fresh process, in random order. Equal arms are called a and b.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

from scipy import stats as distributions

from bench.analysis import stats
from bench.analysis.verdict import FASTER, SLOWER, verdict
from bench.run.launch import environment

WORKER = Path(__file__).with_name("noise_worker.py")
ROUNDS = 5
MAX_ROUNDS = 30
ARMS: tuple[tuple[str, str, float], ...] = (
    ("ours", "a", 0.0),
    ("ours", "b", 0.0),
    ("ours", "+5%", 0.05),
    ("ours", "+2%", 0.02),
    ("timm", "a", 0.0),
    ("timm", "b", 0.0),
    ("autorange", "a", 0.0),
    ("autorange", "b", 0.0),
    ("pyperf", "a", 0.0),
    ("pyperf", "b", 0.0),
)
Slot = dict[str, dict[str, object]]


def collect(slots: int, minutes: float, seed: int, file: Path) -> list[Slot]:
    """Measures slot after slot until there are enough or the time is up; every slot is kept in ``file``."""
    coin = random.Random(seed)
    until = time.monotonic() + 60 * minutes
    found: list[Slot] = []
    with file.open("w", encoding="utf-8") as kept:
        while len(found) < slots and time.monotonic() < until:
            slot: Slot = {}
            for at, (protocol, arm, share) in enumerate(coin.sample(ARMS, len(ARMS))):
                answer = subprocess.run(
                    [sys.executable, str(WORKER), protocol, str(share)],
                    capture_output=True,
                    text=True,
                    env=environment(1, heap="kept" if protocol == "ours" else "default"),
                    check=True,
                )
                slot[f"{protocol} {arm}"] = {**json.loads(answer.stdout), "position": at}
            found.append(slot)
            kept.write(json.dumps(slot) + "\n")
            kept.flush()
            print(f"\r{len(found)} of {slots} slots", end="", file=sys.stderr)
    print(file=sys.stderr)
    return found


def value(slot: Slot, arm: str) -> float:
    """The protocol's own figure of an arm in a slot, seconds."""
    return float(slot[arm]["value"])  # type: ignore[arg-type]


def windows(slots: list[Slot]) -> list[list[Slot]]:
    """All runs of ROUNDS slots that follow each other."""
    return [slots[at : at + ROUNDS] for at in range(len(slots) - ROUNDS + 1)]


def told(window: list[Slot], arm: str, resolution: float) -> tuple[str, stats.Interval]:
    """Our verdict of ``arm`` against a, with its interval."""
    base = {at: value(slot, "ours a") for at, slot in enumerate(window)}
    head = {at: value(slot, arm) for at, slot in enumerate(window)}
    interval = stats.ratio(base, head)
    word = verdict(interval, resolution)
    if word in (FASTER, SLOWER) and not stats.paired_p_value(base, head) <= 0.05:
        word = "cannot tell"
    return word, interval


def adaptive(slots: list[Slot], begin: int, arm: str, resolution: float) -> tuple[str, int] | None:
    """Our verdict when rounds go on from ``begin`` until the resolution; None when the data ends before."""
    for count in range(ROUNDS, MAX_ROUNDS + 1):
        if begin + count > len(slots):
            return None
        word, interval = told(slots[begin : begin + count], arm, resolution)
        if interval.half_width <= math.log1p(resolution):
            return word, count
    return word, MAX_ROUNDS


def p95(values: list[float]) -> float:
    """95th percentile."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def single_process(slots: list[Slot], protocol: str) -> float:
    """95th percentile of |A/A difference| when each arm is one process."""
    return p95([abs(math.log(value(s, f"{protocol} b") / value(s, f"{protocol} a"))) for s in slots])


def blocks(slots: list[Slot], protocol: str) -> tuple[float, float]:
    """pyperf's way: five processes of one arm, then five of the other, Student's t at 95 %.

    Returns the share called significant and the 95th percentile of |A/A difference|. Equal arms in the
    order in which they ran stand for the two blocks.
    """
    ordered = []
    for slot in slots:
        pair = [(slot[f"{protocol} {arm}"]["position"], value(slot, f"{protocol} {arm}")) for arm in "ab"]
        ordered += [seconds for _, seconds in sorted(pair)]
    wrong, differences = [], []
    for at in range(0, len(ordered) - 2 * ROUNDS + 1):
        first, second = ordered[at : at + ROUNDS], ordered[at + ROUNDS : at + 2 * ROUNDS]
        wrong.append(distributions.ttest_ind(first, second).pvalue < 0.05)
        differences.append(abs(math.log(statistics.mean(second) / statistics.mean(first))))
    return sum(wrong) / len(wrong), p95(differences)


def calls_in_blocks(slots: list[Slot]) -> float:
    """Share of equal pairs called different when the calls of two processes are compared (Mann-Whitney)."""
    wrong = sum(
        bool(distributions.mannwhitneyu(slot["ours a"]["samples"], slot["ours b"]["samples"]).pvalue < 0.05)
        for slot in slots
    )
    return wrong / len(slots)


def table(slots: list[Slot]) -> str:
    """The one table."""
    ours = [told(window, "ours b", 1e-9) for window in windows(slots)]
    wrong = sum(word in (FASTER, SLOWER) for word, _ in ours) / len(ours)
    difference = p95([abs(math.log(interval.value)) for _, interval in ours])
    five = [told(window, "ours +5%", 0.03)[0] == SLOWER for window in windows(slots)]
    blocked, blocked_difference = blocks(slots, "pyperf")
    lines = [
        f"{len(slots)} slots of {len(ARMS)} processes; ResNet-56, 1x3x32x32, one thread",
        "",
        "| protocol | A/A called different | p95 of A/A difference |",
        "|---|---|---|",
        f"| this harness, {ROUNDS} interleaved rounds | {wrong:.1%} | {difference:.2%} |",
        f"| calls of two processes, Mann-Whitney | {calls_in_blocks(slots):.1%} | — |",
        f"| pyperf's way, blocks of {ROUNDS} processes, t | {blocked:.1%} | {blocked_difference:.2%} |",
        f"| timm's script, one process an arm | no rule | {single_process(slots, 'timm'):.2%} |",
        f"| adaptive_autorange, one process an arm | no rule | {single_process(slots, 'autorange'):.2%} |",
        "",
        f"planted +5 % found in {ROUNDS} rounds: {sum(five) / len(five):.1%} of {len(five)} windows",
        went_on(slots, "+5%", 0.03),
        went_on(slots, "+2%", 0.01),
    ]
    return "\n".join(lines)


def went_on(slots: list[Slot], arm: str, resolution: float) -> str:
    """How often a planted slowdown is found when rounds go on until the resolution, or MAX_ROUNDS."""
    title = f"planted {arm} found with --resolution {resolution:.0%}"
    every = [adaptive(slots, at, f"ours {arm}", resolution) for at in range(len(slots))]
    ended = [answer for answer in every if answer is not None]
    if not ended:
        return f"{title}: too few slots to reach it"
    found = sum(word == SLOWER for word, _ in ended) / len(ended)
    rounds = statistics.median(count for _, count in ended)
    return f"{title}: {found:.1%} of {len(ended)} starts, median {rounds:g} rounds"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, default=70)
    parser.add_argument("--minutes", type=float, default=18.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=Path("results/noise.json-lines"))
    parser.add_argument("--again", action="store_true", help="print the table of the data that is there")
    arguments = parser.parse_args()
    if arguments.again:
        slots = [json.loads(line) for line in arguments.data.read_text(encoding="utf-8").splitlines()]
    else:
        arguments.data.parent.mkdir(parents=True, exist_ok=True)
        slots = collect(arguments.slots, arguments.minutes, arguments.seed, arguments.data)
    if len(slots) <= ROUNDS:
        sys.exit(f"{len(slots)} slots are too few: more than {ROUNDS} are needed")
    print(table(slots))


if __name__ == "__main__":
    main()
