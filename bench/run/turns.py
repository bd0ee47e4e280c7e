"""Who takes a turn when, and how long a turn is: pure functions."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from bench.worker.measurements import UNCOUNTED

Seat = TypeVar("Seat")

BASELINE_EVERY = 4
"""Other seats between two turns of the baseline: a ratio is formed of turns next to each other in time."""

MOST_SEATS = 8
"""Cases that share a process, the baseline included: more of them stretch a pass over too much time."""

COUNTED = 4
"""Samples of a turn, after its UNCOUNTED calls."""

FAR, FAR_PASSES = 0.05, 6
"""A ratio beyond ±5 % after six passes is known well enough: more of them would be no news.

By then a round's ratio scatters by 0.8–1.5 % near 1, and further away by what differs between processes,
which more passes do not lessen."""

LEAST_PASSES, LEAST_UNCOUNTED, LEAST_COUNTED = 4, 1, 2


@dataclass(frozen=True)
class TurnPlan:
    """Turns of one seat: so many passes of so many uncounted calls and counted samples."""

    passes: int
    uncounted: int
    counted: int


def turn_plan(seconds_per_call: float, calls_per_sample: int, max_seconds: float, passes: int) -> TurnPlan:
    """The usual turns where they fit into ``max_seconds``; else smaller ones, then fewer.

    Never fewer than LEAST_PASSES passes of LEAST_COUNTED samples: below that a robust centre has nothing
    to choose from.
    """
    uncounted, counted = UNCOUNTED, COUNTED
    if seconds_per_call <= 0:
        return TurnPlan(passes, uncounted, counted)

    def seconds() -> float:
        return passes * (uncounted + counted * calls_per_sample) * seconds_per_call

    while seconds() > max_seconds and (uncounted > LEAST_UNCOUNTED or counted > LEAST_COUNTED):
        if counted > LEAST_COUNTED:
            counted -= 1
        if uncounted > LEAST_UNCOUNTED:
            uncounted -= 1
    if seconds() > max_seconds:
        fitting = math.floor(passes * max_seconds / seconds())
        passes = max(min(passes, LEAST_PASSES), fitting)
    return TurnPlan(passes, uncounted, counted)


def pass_order(
    seats: Sequence[Seat], baselines: Sequence[Seat], coin: random.Random, every: int = BASELINE_EVERY
) -> list[Seat]:
    """One pass: every seat once in random order, a baseline before every few of the others.

    Where a sitting has two baselines (two revisions), both take those turns, in random order.
    """
    others = [seat for seat in seats if seat not in baselines]
    coin.shuffle(others)
    if not others or not baselines:
        order = list(seats)
        coin.shuffle(order)
        return order
    first = coin.randrange(min(every, len(others)) + 1)
    places = set(range(first, len(others) + 1, every))
    order = []
    for at in range(len(others) + 1):
        if at in places:
            order += coin.sample(list(baselines), len(baselines))
        order += others[at : at + 1]
    return order
