"""Numbers as text: as many digits as the interval bears, and a dash for what is not known."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeGuard

MISSING = "—"
_SPACE = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
_DECIMAL = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_ENERGY = ((1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ"))
_BINARY = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))

_WIDE = 3.0
"""Ratio of an interval's ends from which common decimals would hide the lower one."""


@dataclass(frozen=True)
class Unit:
    """A unit of time: ``seconds`` of one of it."""

    name: str
    seconds: float


UNITS = (Unit("s", 1.0), Unit("ms", 1e-3), Unit("µs", 1e-6))


def known(value: Any) -> TypeGuard[float]:
    """True for a finite number."""
    kind = type(value)
    if kind is float:  # nearly always; what abstract classes say takes ten times as long
        return math.isfinite(value)
    if kind is int:
        return True
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(float(value))


def unit_for(seconds: Iterable[Any]) -> Unit:
    """One unit for all of them, so that they compare at a glance: the largest that leaves most above 1."""
    values = sorted(float(s) for s in seconds if known(s) and s > 0)
    middle = values[len(values) // 2] if values else 1e-3
    return next((unit for unit in UNITS if middle >= unit.seconds), UNITS[-1])


def exact(value: Any) -> str:
    """An integer with every digit: ``40,551,040``."""
    return f"{round(value):,}" if known(value) else MISSING


def short(value: Any) -> str:
    """A count with four significant digits: ``40.55 M``."""
    return _scaled(value, _DECIMAL, "", 4) if known(value) else MISSING


def size(value: Any) -> str:
    """Bytes with three significant digits: ``1.03 MiB``."""
    return _scaled(value, _BINARY, _SPACE + "B", 3) if known(value) else MISSING


def times(value: Any) -> str:
    """A ratio without an interval: ``0.526 ×``."""
    return f"{_significant(float(value), 3)}{_SPACE}×" if known(value) else MISSING


def ratio(value: Any) -> str:
    """Three significant digits, or as many as keep a ratio from looking like 1: ``0.772``, ``1.004``."""
    if not known(value):
        return MISSING
    places = 3
    while places < 9 and value != 1 and float(f"{float(value):.{places}g}") == 1:
        places += 1
    return _significant(float(value), places)


def joules(value: Any) -> str:
    """An energy with three significant digits: ``3.42 mJ``."""
    if not known(value):
        return MISSING
    factor, name = next((unit for unit in _ENERGY if abs(value) >= unit[0]), _ENERGY[-1])
    return f"{_significant(float(value) / factor, 3)}{_SPACE}{name}"


def percent(value: Any, decimals: int = 0) -> str:
    """A share as per cent: ``52 %``."""
    if not known(value):
        return MISSING
    text = f"{100 * float(value):.{decimals}f}"
    text = text.removeprefix("-") if float(text) == 0 else text.replace("-", MINUS)
    return f"{text}{_SPACE}%"


def resolution(half_width: float) -> str:
    """Half an interval on the log scale: ``±1.6 %``, or ``a factor of 3.4`` where per cent say nothing."""
    if not known(half_width):
        return MISSING
    change = 100 * math.expm1(half_width)
    if change > 100:
        return f"a factor of {_significant(math.exp(half_width), 2)}"
    return f"±{_significant(change, 2) if change >= 0.01 else '0.01 or less'}{_SPACE}%"


def time(seconds: Any) -> str:
    """A time in its own unit, three significant digits: ``4.02 ms``."""
    if not known(seconds):
        return MISSING
    unit = unit_for([seconds])
    return f"{_significant(float(seconds) / unit.seconds, 3)}{_SPACE}{unit.name}"


def with_interval(value: Any, low: Any, high: Any, watch: float | None = None) -> tuple[str, str]:
    """Estimate and interval with the same decimals: ``("1.346", "1.331 to 1.361")``.

    The decimals follow the interval's half-width. Where a bound would round to ``watch`` (1 for a ratio)
    without being it, decimals are added: a rounded bound must not contradict the verdict.
    """
    if not known(value):
        return MISSING, ""
    if not (known(low) and known(high)):
        return _significant(float(value), 3), ""
    if low > 0 and high / low > _WIDE:
        return _significant(float(value), 2), f"{_significant(low, 2)} to {_significant(high, 2)}"
    decimals = _decimals((high - low) / 2, float(value))
    while watch is not None and decimals < 9 and any(_blurs(b, watch, decimals) for b in (low, high)):
        decimals += 1
    return f"{value:,.{decimals}f}", f"{low:,.{decimals}f} to {high:,.{decimals}f}"


def _decimals(half: float, value: float) -> int:
    if half <= 0 or value <= 0:
        return 3
    place = math.floor(math.log10(half))
    digits = 2 if half / 10**place < 3.55 else 1  # the particle data group's rule for quoted errors
    finest = 4 - math.floor(math.log10(value))  # never more than five significant digits
    return max(0, min(digits - 1 - place, finest))


def _blurs(bound: float, watch: float, decimals: int) -> bool:
    return bound != watch and round(bound, decimals) == watch


def _significant(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, decimals)
    return f"{rounded:,.{max(0, decimals)}f}".replace("-", MINUS)


def _scaled(value: Any, steps: tuple[tuple[float, str], ...], plain: str, digits: int) -> str:
    for factor, name in steps:
        if abs(value) >= factor:
            return f"{_significant(value / factor, digits)}{_SPACE}{name}"
    return f"{round(value):,}{plain}"


def tick(value: float) -> str:
    """A count at a tick mark: ``50 k``."""
    for factor, word in _DECIMAL:
        if value >= factor:
            return f"{value / factor:g}{_SPACE}{word}"
    return f"{value:g}"
