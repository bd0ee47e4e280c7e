"""How far two answers lie apart. Standard library only: the harness asks as the workers do."""

from __future__ import annotations

import math


def distance(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Largest difference of two values in the same place, as a share of the largest value; 0 for none.

    Values that are not finite agree with their like alone; anything else is infinitely far.
    """
    largest = max((abs(value) for value in (*one, *other) if math.isfinite(value)), default=0.0)
    farthest = 0.0
    for a, b in zip(one, other, strict=True):
        if math.isfinite(a) and math.isfinite(b):
            farthest = max(farthest, abs(a - b))
        elif repr(a) != repr(b):
            return math.inf
    return farthest / largest if largest else 0.0
