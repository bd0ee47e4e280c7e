"""Error rates, coverage and power of verdicts that end by themselves, by simulation.

``python tests/benchmarks/stopping.py`` prints the tables that docs/measurement.md quotes, in under a minute.
"""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.analysis.power import expected_rounds, rounds_needed, smallest_change
from bench.analysis.sequential import ALPHA, WORDS, Judged, decide, judge, looks, nominal_levels, sizes_of
from bench.analysis.verdict import SAME, SLOWER

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.analysis.test_sequential import NEVER_SAME, NOISES, Noise, drifting, normal

Floats = np.ndarray[Any, np.dtype[np.float64]]
SCHEDULE = looks()
RESOLUTION = 0.01
DRAWS, FAMILIES, CASES = 20_000, 4_000, 48
AT_ONCE = 500
"""Families that are drawn in one array."""

USUAL = 0.008
"""Standard deviation of a log ratio between processes, on a quiet host; in words: sd 0.8 %."""

STRONG = 0.6
"""Correlation from round to round, twice that of the drift that the tests know."""

SLOWER_BY = 0.2
"""What half of the others of a family are slower by."""

PLANTED_FAMILIES = 2_000
JUDGED_AT_ONCE, REPEATS = 100, 20
"""Cases of the run whose judging is timed, and how often it is."""


def strongly_drifting(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """AR(1) over rounds with correlation STRONG."""
    return drifting(rng, shape, STRONG)


def run(
    noise: Noise, true: float, sd: float, resolution: float, schedule: tuple[int, ...], seed: int = 0
) -> Judged:
    """Comparisons of one case each, judged to their end: arrays of shape (DRAWS, 1)."""
    values = math.log1p(true) + sd * noise(np.random.default_rng(seed), (DRAWS, 1, schedule[-1]))
    return judge(values, sizes_of(schedule, DRAWS, 1), resolution, schedule)


def called(found: Judged, word: str) -> float:
    """How often the verdict is ``word``."""
    return float((found.verdict == WORDS.index(word)).mean())


def different(found: Judged) -> float:
    """How often the verdict is "faster" or "slower"."""
    return float((found.verdict > WORDS.index(SAME)).mean())


def covered(found: Judged, true: float) -> float:
    """How often the interval at the end holds the true ratio."""
    mean = math.log1p(true)
    return float(((found.low <= mean) & (mean <= found.high)).mean())


def name(noise: Noise) -> str:
    return noise.__name__.replace("_", " ")


def one_case() -> None:
    print(f"One case, sd 0.8 %, looks at {SCHEDULE}; {DRAWS} draws a cell.")
    print("'never same' keeps every wrong 'different' in sight: the level of the looks alone.\n")
    print("| noise | equal, called different: never same | at 1 % (goal ≤ 5 %) |", end="")
    print(" coverage at the end: equal | +0.5 % | +1 % | +2 % | +20 % | all five (goal 92–98 %) |")
    print("|---|---|---|---|---|---|---|---|---|")
    for noise in (*NOISES, strongly_drifting):
        level = different(run(noise, 0.0, USUAL, NEVER_SAME, SCHEDULE))
        wrong = different(run(noise, 0.0, USUAL, RESOLUTION, SCHEDULE))
        changes = (0.0, 0.005, 0.01, 0.02, 0.2)
        cover = [covered(run(noise, true, USUAL, RESOLUTION, SCHEDULE, 1), true) for true in changes]
        cells = " | ".join(f"{value:.1%}" for value in (level, wrong, *cover, sum(cover) / len(cover)))
        print(f"| {name(noise)} | {cells} |")


def family() -> None:
    print(
        f"\n{CASES} equal cases in one family: any called different, in {FAMILIES} families (goal ≤ 5 %).\n"
    )
    print("| noise | never same | at 1 % |")
    print("|---|---|---|")
    for noise in NOISES:
        cells = []
        for resolution in (NEVER_SAME, RESOLUTION):
            rng, wrong = np.random.default_rng(2), 0
            for _ in range(FAMILIES // AT_ONCE):
                values = USUAL * noise(rng, (AT_ONCE, CASES, SCHEDULE[-1]))
                found = judge(values, sizes_of(SCHEDULE, AT_ONCE, CASES), resolution, SCHEDULE)
                wrong += int((found.verdict > WORDS.index(SAME)).any(axis=1).sum())
            cells.append(f"{wrong / FAMILIES:.1%}")
        print(f"| {name(noise)} | {' | '.join(cells)} |")


def power() -> None:
    print("\nWhat is found and in how many rounds (one case; mean number of processes a case).\n")
    print("| resolution | sd | planted +2 % (goal ≥ 95 %) | planted +1 % | equal: same | different |")
    print("|---|---|---|---|---|---|")
    for resolution in (0.005, 0.01, 0.02, 0.03):
        for sd in (0.006, 0.008, 0.010, 0.015):
            two, one, none = (run(normal, true, sd, resolution, SCHEDULE, 3) for true in (0.02, 0.01, 0.0))
            print(
                f"| {resolution:.1%} | {sd:.1%} | {called(two, SLOWER):.1%} in {two.count.mean():.1f} "
                f"| {called(one, SLOWER):.1%} in {one.count.mean():.1f} "
                f"| {called(none, SAME):.1%} in {none.count.mean():.1f} | {different(none):.1%} |"
            )
    print("\nThe same at sd 0.8 % under other noises.\n")
    print("| noise | +2 % at 1 % (goal ≥ 95 %) | +1 % at 0.5 % (goal ≥ 90 %) | equal called same at 1 % |")
    print("|---|---|---|---|")
    for noise in (*NOISES, strongly_drifting):
        two, one, none = (
            run(noise, true, USUAL, resolution, SCHEDULE, 4)
            for true, resolution in ((0.02, 0.01), (0.01, 0.005), (0.0, 0.01))
        )
        print(
            f"| {name(noise)} | {called(two, SLOWER):.1%} in {two.count.mean():.1f} "
            f"| {called(one, SLOWER):.1%} in {one.count.mean():.1f} "
            f"| {called(none, SAME):.1%} in {none.count.mean():.1f} |"
        )


def planted_in_a_family() -> None:
    print(
        f"\nOne of {CASES} cases is slower by the planted change, half of the others by {SLOWER_BY:.0%}, "
        "the rest equal."
    )
    print(f"{PLANTED_FAMILIES} families; rounds are means.\n")
    print("| planted | resolution | sd | found | its rounds | rounds of all cases |")
    print("|---|---|---|---|---|---|")
    for planted, resolution in ((0.02, 0.01), (0.01, 0.005)):
        for sd in (0.006, 0.008, 0.010):
            true = np.zeros(CASES)
            true[0], true[1 : CASES // 2] = math.log1p(planted), math.log1p(SLOWER_BY)
            draws = PLANTED_FAMILIES
            values = true[:, None] + sd * normal(np.random.default_rng(5), (draws, CASES, SCHEDULE[-1]))
            found = judge(values, sizes_of(SCHEDULE, draws, CASES), resolution, SCHEDULE)
            hit = float((found.verdict[:, 0] == WORDS.index(SLOWER)).mean())
            rounds = f"{found.count[:, 0].mean():.1f} | {found.count.mean():.1f}"
            print(f"| +{planted:.0%} | {resolution:.1%} | {sd:.1%} | {hit:.1%} | {rounds} |")


def schedules() -> None:
    print("\nOther schedules, sd 0.8 %, resolution 1 %, normal noise.\n")
    print("| looks | equal, different (never same) | +2 % found | equal same | coverage, equal |")
    print("|---|---|---|---|---|")
    for schedule in (looks(), looks(3, 30), looks(7, 30), looks(5, 20), looks(5, 60), (5,), (10,), (30,)):
        level = different(run(normal, 0.0, USUAL, NEVER_SAME, schedule))
        two, none = (run(normal, true, USUAL, RESOLUTION, schedule, 6) for true in (0.02, 0.0))
        print(
            f"| {', '.join(map(str, schedule))} | {level:.1%} "
            f"| {called(two, SLOWER):.1%} in {two.count.mean():.1f} "
            f"| {called(none, SAME):.1%} in {none.count.mean():.1f} | {covered(none, 0.0):.1%} |"
        )


def stated() -> None:
    print(
        "\nThe smallest change found with 95 %, one case (first) and Holm's first step of 48, at each look;"
    )
    print("and the rounds that a resolution needs.\n")
    print("| sd | " + " | ".join(f"{n} rounds" for n in SCHEDULE) + " | rounds for 2 % | 1 % | 0.5 % |")
    print("|---|" + "---|" * (len(SCHEDULE) + 3))
    for sd in (0.004, 0.006, 0.008, 0.010, 0.015):
        cells = [
            f"{smallest_change(sd, n, one):.2%}, {smallest_change(sd, n, many):.2%}"
            for n, one, many in zip(
                SCHEDULE, nominal_levels(SCHEDULE), nominal_levels(SCHEDULE, ALPHA / CASES), strict=True
            )
        ]
        for resolution in (0.02, 0.01, 0.005):
            needed = [rounds_needed(sd, resolution, SCHEDULE, cases=cases) for cases in (1, CASES)]
            cells.append(", ".join("more" if n is None else str(n) for n in needed))
        print(f"| {sd:.1%} | {' | '.join(cells)} |")


def expected() -> None:
    print(f"\nMean rounds of one of {CASES} cases, by its true change (expected_rounds), resolution 1 %.\n")
    changes = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)
    print("| sd | " + " | ".join(f"{change:+.1%}" for change in changes) + " |")
    print("|---|" + "---|" * len(changes))
    for sd in (0.004, 0.006, 0.008, 0.010, 0.015):
        found = (expected_rounds(change, sd, RESOLUTION, SCHEDULE, CASES) for change in changes)
        print(f"| {sd:.1%} | " + " | ".join(f"{rounds:.1f}" for rounds in found) + " |")


def speed() -> None:
    drawn = USUAL * np.random.default_rng(7).standard_normal((JUDGED_AT_ONCE, SCHEDULE[-1]))
    logs = {str(case): [float(v) for v in row + 0.001 * case] for case, row in enumerate(drawn)}
    began = time.perf_counter()
    for _ in range(REPEATS):
        decide(logs, RESOLUTION, SCHEDULE)
    each = (time.perf_counter() - began) / REPEATS
    print(f"\n{JUDGED_AT_ONCE} cases of {SCHEDULE[-1]} rounds are judged in {1e3 * each:.1f} ms.")


def main() -> None:
    print("levels of the looks: " + ", ".join(f"{level:.4f}" for level in nominal_levels(SCHEDULE)) + "\n")
    for table in (one_case, family, power, planted_in_a_family, schedules, stated, expected, speed):
        table()


if __name__ == "__main__":
    main()
