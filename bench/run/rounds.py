"""Rounds: each visits every case once, in a fresh random order, so that drift falls on all alike."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def round_order(items: Sequence[Item], seed: int, number: int) -> list[Item]:
    """The order of round ``number``: it depends on the run's seed and the round alone."""
    order = list(items)
    random.Random(f"{seed}/{number}").shuffle(order)
    return order


def remaining(order: Iterable[str], number: int, finished: set[tuple[str, int]]) -> list[str]:
    """The case ids of a round that have no trial yet, order kept: what a resumed run still does."""
    return [case_id for case_id in order if (case_id, number) not in finished]
