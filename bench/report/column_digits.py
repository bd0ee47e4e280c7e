"""The digits of a column: one unit and one number of decimals for all of its cells, so that they compare.

A cell would have the decimals at which its half-interval shows two digits, and no more than three digits of
the value. The column has the fewest that any of its cells would have, but as many as leave two digits of its
smallest value (one where nothing was measured: counts are exact in the details). Cells whose interval spans a
factor of three or more have no say.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.report.digits import MINUS, MISSING, known

OF_HALF, OF_VALUE = 2, 3
"""Digits of a half-interval, and of a value at most."""

OF_SMALLEST, OF_SMALLEST_COUNT = 2, 1
"""Digits of the smallest value at least: of those with intervals, and of those without."""

MOST_DECIMALS = 5
_WIDE = 3.0


@dataclass(frozen=True)
class Scale:
    """A unit: ``factor`` of the plain number to one of it; both are said in the header."""

    name: str
    factor: float


PLAIN = Scale("", 1.0)
COUNTS = (Scale("T", 1e12), Scale("G", 1e9), Scale("M", 1e6), Scale("k", 1e3), PLAIN)
BYTES = (Scale("GiB", 2.0**30), Scale("MiB", 2.0**20), Scale("KiB", 2.0**10), Scale("B", 1.0))
SECONDS = (Scale("s", 1.0), Scale("ms", 1e-3), Scale("µs", 1e-6))
JOULES = (Scale("J", 1.0), Scale("mJ", 1e-3), Scale("µJ", 1e-6))
PER_CENT = Scale("%", 0.01)


@dataclass(frozen=True)
class Value:
    """A number with its interval, where it has one."""

    value: float
    low: float = math.nan
    high: float = math.nan

    @property
    def half(self) -> float:
        """Half the interval; nan where there is none."""
        return (self.high - self.low) / 2


def scale_for(values: Iterable[float], scales: Sequence[Scale]) -> Scale:
    """One unit for all of them: the largest that leaves most at 1 or more."""
    found = sorted(abs(value) for value in values if known(value) and value != 0)
    middle = found[len(found) // 2] if found else scales[-1].factor
    return next((scale for scale in scales if middle >= scale.factor), scales[-1])


def decimals_for(values: Iterable[Value]) -> int:
    """Decimals of a column with these values, in its own unit."""
    usable = [one for one in values if known(one.value) and one.value != 0 and not _is_wide(one)]
    if not usable:
        return OF_VALUE - 1
    wanted = min(map(_wanted, usable))
    smallest = min(usable, key=lambda one: abs(one.value))
    kept = OF_SMALLEST if any(known(one.half) for one in usable) else OF_SMALLEST_COUNT
    least = min(_places(abs(smallest.value), kept), _wanted(smallest))
    return max(0, min(max(wanted, least), MOST_DECIMALS))


def told_apart(values: Iterable[float], decimals: int, watch: float = 1.0) -> int:
    """The decimals, or as many more as keep each of the values from looking like ``watch``.

    A ratio that is known to differ from 1 must not be printed as 1.
    """
    kept = list(values)
    while decimals < MOST_DECIMALS and any(_blurs(value, watch, decimals) for value in kept):
        decimals += 1
    return decimals


def fixed(value: float, decimals: int) -> str:
    """The number with so many decimals, a dash for what is not known."""
    if not known(value):
        return MISSING
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", MINUS)


def bounds(low: float, high: float, decimals: int, watch: float | None = None) -> str:
    """An interval, ``0.762–0.780``; where a bound would look like ``watch``, with more decimals."""
    if not (known(low) and known(high)):
        return MISSING
    while watch is not None and decimals < 9 and any(_blurs(bound, watch, decimals) for bound in (low, high)):
        decimals += 1
    dash = " to " if low < 0 else "–"
    return f"{fixed(low, decimals)}{dash}{fixed(high, decimals)}"


def _wanted(one: Value) -> int:
    of_value = _places(abs(one.value), OF_VALUE)
    return min(of_value, _places(one.half, OF_HALF)) if known(one.half) and one.half > 0 else of_value


def _places(value: float, digits: int) -> int:
    """Decimals that show so many significant digits of a positive number."""
    return max(0, digits - 1 - math.floor(math.log10(value)))


def _is_wide(one: Value) -> bool:
    return known(one.low) and one.low > 0 and one.high / one.low > _WIDE


def _blurs(value: float, watch: float, decimals: int) -> bool:
    return known(value) and value != watch and round(value, decimals) == watch
