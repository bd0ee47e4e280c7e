"""Rival intervals on the noise families of test_interval_coverage.py: coverage and median half-width.

``python tests/benchmarks/intervals.py`` prints the table that docs/measurement.md quotes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats as distributions

from bench.analysis.stats import centre_interval

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.analysis.test_interval_coverage import FAMILIES

Floats = np.ndarray[Any, np.dtype[np.float64]]
DRAWS, RESAMPLED = 1500, 400
LEVELS = (0.025, 0.975)
"""Quantiles between which 95 % lie."""


def signed_rank(values: Floats, _: np.random.Generator) -> tuple[float, float]:
    """This project's interval."""
    return centre_interval(values)[1:]


def student(values: Floats, _: np.random.Generator) -> tuple[float, float]:
    """Mean and Student's t."""
    reach = distributions.t.ppf(LEVELS[1], len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - reach), float(values.mean() + reach)


def bootstrap(values: Floats, rng: np.random.Generator) -> tuple[float, float]:
    """Percentiles of RESAMPLED means."""
    means = values[rng.integers(0, len(values), (RESAMPLED, len(values)))].mean(1)
    low, high = np.quantile(means, LEVELS)
    return float(low), float(high)


RIVALS: tuple[Callable[[Floats, np.random.Generator], tuple[float, float]], ...] = (
    signed_rank,
    student,
    bootstrap,
)


def main() -> None:
    print("rounds  family       " + "".join(f"{rival.__name__:>22}" for rival in RIVALS))
    for rounds in (5, 10, 20):
        for family in FAMILIES:
            rng = np.random.default_rng(0)
            drawn = [b - a for a, b in (family(rng, rounds) for _ in range(DRAWS))]
            cells = []
            for rival in RIVALS:
                found = [rival(values, rng) for values in drawn]
                covered = sum(low <= 0 <= high for low, high in found) / DRAWS
                width = float(np.median([(high - low) / 2 for low, high in found]))
                cells.append(f"{covered:.1%} of ±{width:.2%}")
            print(f"{rounds:>6}  {family.__name__:<13}" + "".join(f"{cell:>22}" for cell in cells))


if __name__ == "__main__":
    main()
