"""The search for the knob's value whose share comes nearest to a target: pure functions on a curve."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from typing import Any

AIM = 0.01
"""Relative error at which a search ends: widths are whole channels, so a smaller error is rarely possible."""

LIMIT = 4096
"""The largest whole number that is tried where the suite gives no interval."""

MOST = 24
"""The most values that are tried for a knob that is no whole number: each of them costs a network."""


class Curve:
    """A share as a function of a knob's value; every value is computed once.

    ``share(value)`` is a positive number, or the reason why the value cannot be used; ``refusal`` keeps
    the first such reason. ``to`` is the share that is wanted.
    """

    def __init__(self, share: Callable[[Any], float | str], to: float) -> None:
        self._share = share
        self.to = to
        self.shares: dict[Any, float] = {}
        self.refusal = ""
        self._refused: set[Any] = set()

    def __call__(self, value: Any) -> float | None:
        """The share at that value; None where the value cannot be used."""
        if value not in self.shares and value not in self._refused:
            answer = self._share(value)
            if isinstance(answer, str):
                self.refusal = self.refusal or answer
                self._refused.add(value)
            else:
                self.shares[value] = answer
        return self.shares.get(value)

    def error(self, value: Any) -> float:
        """Relative distance of the share at a value, which was tried before, from the wanted one."""
        return abs(self.shares[value] / self.to - 1)

    def best(self) -> Any:
        """The value with the smallest error, the first tried of equals; None when no value could be used."""
        return min(self.shares, key=self.error, default=None)

    def brackets(self) -> list[tuple[Any, Any]]:
        """Pairs of neighbouring tried values whose shares enclose the wanted one, the nearest pair first."""
        tried = sorted(self.shares)
        pairs = [
            (low, high)
            for low, high in itertools.pairwise(tried)
            if (self.shares[low] - self.to) * (self.shares[high] - self.to) <= 0
        ]
        return sorted(pairs, key=lambda pair: min(map(self.error, pair)))


def search_among(curve: Curve, values: Iterable[Any]) -> None:
    """Tries every value."""
    for value in values:
        curve(value)


def search_integer(curve: Curve, low: float = 1, high: float = LIMIT) -> None:
    """Tries the powers of two from ``low`` to ``high``, then halves the intervals that enclose the target.

    ``low`` and ``high`` are tried too, and nothing outside them. The powers end at the first that is
    refused after one that was not. The share need not be monotone over the whole range (CSR-Conv's T=1
    doubles a layer, and a T above a layer's channels leaves it dense); between two neighbouring powers
    it is taken to be.
    """
    first, last = math.ceil(low), math.floor(high)
    largest, beyond = 0, last + 1
    between = (2**n for n in range(last.bit_length()) if first < 2**n < last)
    for value in (first, *between, last):
        if curve(value) is not None:
            largest = value
        elif largest:
            beyond = value
            break
    if largest and not curve.brackets():
        while beyond - largest > 1 and not curve.brackets():
            middle = (largest + beyond) // 2
            if curve(middle) is None:
                beyond = middle
            else:
                largest = middle
    if largest and curve.error(curve.best()) == 0:
        return
    for below, above in curve.brackets():
        rising = curve.shares[below] < curve.shares[above]
        while above - below > 1:
            middle = (below + above) // 2
            share = curve(middle)
            if share is None:
                break
            if (share < curve.to) == rising:
                below = middle
            else:
                above = middle


def search_number(curve: Curve, within: float, low: float, high: float) -> None:
    """Tries the values that are exact for a linear or quadratic knob, then narrows the bracket around `to`.

    A density is the share itself, and a share of channels counts twice, for inputs and for outputs: the
    first tries are ``to``, ``1 - to``, their counterparts by square root, and the interval's ends. Ends
    at a relative error of AIM (or ``within``, where that is less), when the bracket is a thousandth of
    the interval, or after MOST tries.
    """
    enough = min(within, AIM)
    root = math.sqrt(curve.to)
    margin = (high - low) / 100
    guesses = [curve.to, 1 - curve.to, root, 1 - root]
    tries = 0
    for guess in [*(g for g in guesses if low < g < high), low + margin, high - margin]:
        value = round(guess, 4)
        tries += 1
        if curve(value) is not None and curve.error(value) <= enough:
            return
    while tries < MOST:
        brackets = [pair for pair in curve.brackets() if pair[1] - pair[0] > (high - low) / 1000]
        if not brackets:
            return
        below, above = brackets[0]
        # Interpolation is quick, halving is sure: every second step is one of them.
        part = _interpolated(curve, below, above) if tries % 2 == 0 else 0.5
        middle = round(below + part * (above - below), 4)
        tries += 1
        if curve(middle) is None or curve.error(middle) <= enough:
            return


def _interpolated(curve: Curve, below: float, above: float) -> float:
    """Where the target lies between two values, from 0 to 1, if the share's logarithm is linear there."""
    first, last = math.log(curve.shares[below]), math.log(curve.shares[above])
    part = (math.log(curve.to) - first) / (last - first) if first != last else 0.5
    return min(max(part, 0.05), 0.95)
