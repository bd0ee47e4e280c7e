"""How often `bench history` finds a change of level: in histories without one, and in some with one.

Each line: the commits of a history, and of how many made-up ones a change was found. Noise of 3 %: normal;
with heavy tails (Student's t with 3 degrees of freedom); normal with one commit 50 % slow; and drifting (each
commit keeps 0.3 of the deviation before it), for which the method is not made.

    .venv/bin/python tests/benchmarks/history_alarms.py [HISTORIES]
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.analysis.levels import find_levels

NOISE = 0.03
KEPT = 0.3
"""Share of a commit's deviation that the next one keeps, where they drift."""

SPIKE, STEP = 1.5, 1.1
"""One slow commit and a lasting change, as ratios."""

SINCE = 5
"""Commits since the lasting change."""

Draw = Callable[[np.random.Generator, int], Any]


def drifting(random: np.random.Generator, count: int) -> Any:
    """Deviations of which each keeps KEPT of the one before, with the same spread as the others."""
    found = random.normal(0, NOISE, count)
    for at in range(1, count):
        found[at] = KEPT * found[at - 1] + math.sqrt(1 - KEPT**2) * found[at]
    return found


def spiked(random: np.random.Generator, count: int) -> Any:
    """Normal noise with one slow commit."""
    return random.normal(0, NOISE, count) + math.log(SPIKE) * (np.arange(count) == random.integers(count))


def stepped(random: np.random.Generator, count: int) -> Any:
    """Normal noise with a lasting change, SINCE commits from the end."""
    return random.normal(0, NOISE, count) + math.log(STEP) * (np.arange(count) >= count - SINCE)


KINDS: dict[str, Draw] = {
    "normal": lambda random, count: random.normal(0, NOISE, count),
    "heavy tails": lambda random, count: NOISE / math.sqrt(3) * random.standard_t(3, count),
    "one slow commit": spiked,
    "drifting": drifting,
    "+10 % (found)": stepped,
}


def share(draw: Draw, count: int, histories: int) -> float:
    """Of so many histories, those in which a change is found."""
    found = (find_levels(draw(np.random.default_rng(seed), count)).changes for seed in range(histories))
    return sum(map(bool, found)) / histories


def main() -> None:
    histories = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print("\t".join(["commits", *KINDS]))
    for count in (8, 15, 30, 60):
        print("\t".join([str(count), *(f"{share(draw, count, histories):.1%}" for draw in KINDS.values())]))


if __name__ == "__main__":
    main()
