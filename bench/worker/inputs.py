"""Inputs of a network that they may leave early: in rounds that stand for all of them, and one by one.

A latency that depends on the input is a mixture, and turns that catch other parts of it cannot be compared.
So the seat visits its inputs in rounds: few of them, of every exit in the shares that all inputs have,
always in the same order. A sample is the mean over whole rounds, the expectation over the inputs.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor

from bench.worker.latency import Stopwatch
from bench.worker.measurements import VISITS

WARMING = 5
"""Uncounted calls before them: after another network has run, the first ones are slow."""


def round_of(left_at: Sequence[int], coin: random.Random) -> list[int]:
    """The inputs of a round, by their places in ``left_at`` (the exit of each), in the order of the round.

    The fewest that have every exit in the shares of all inputs. The first goes as far as any, so that whoever
    begins with it has run every layer.
    """
    by_exit: dict[int, list[int]] = {}
    for place, exit in enumerate(left_at):
        by_exit.setdefault(exit, []).append(place)
    common = math.gcd(*map(len, by_exit.values()))
    furthest = by_exit[max(by_exit)][0]
    others = [place for of in by_exit.values() for place in of[: len(of) // common] if place != furthest]
    coin.shuffle(others)
    return [furthest, *others]


class Rounds:
    """Inputs, one after the other, round after round; ``left_at`` names the exit of each input."""

    def __init__(self, inputs: Sequence[Tensor], left_at: Sequence[int], seed: int = 0) -> None:
        self.inputs = tuple(inputs)
        self.left_at = tuple(left_at)
        self._round = [self.inputs[place] for place in round_of(self.left_at, random.Random(seed))]
        self._next = 0

    def __len__(self) -> int:
        return len(self._round)

    def begin(self) -> None:
        """The next input is the first of a round."""
        self._next = 0

    def next(self) -> Tensor:
        """The next input (1, C, H, W)."""
        found = self._round[self._next]
        self._next = (self._next + 1) % len(self._round)
        return found


def seconds_by_input(
    forward: Callable[[Tensor], object], inputs: Sequence[Tensor], stopwatch: Stopwatch, visits: int = VISITS
) -> tuple[tuple[float, ...], ...]:
    """Seconds of every call of every input, visited pass after pass, after a few uncounted calls."""
    for x in inputs[:WARMING]:
        forward(x)
    passes = [[stopwatch.time(partial(forward, x), 1) for x in inputs] for _ in range(visits)]
    return tuple(zip(*passes, strict=True))
