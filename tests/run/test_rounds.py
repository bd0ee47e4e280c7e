"""Rounds: each visits every case once, in an order of its own that the seed alone decides."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bench.run.rounds import round_order

seeds = st.integers(0, 2**63)
rounds = st.integers(0, 999)
many = st.lists(st.text(max_size=5), unique=True, max_size=30)


@given(many, seeds, rounds)
def test_a_round_visits_every_case_once(items: list[str], seed: int, number: int) -> None:
    before = list(items)
    assert Counter(round_order(items, seed, number)) == Counter(items)
    assert items == before


@given(many, seeds, rounds)
def test_the_order_depends_on_seed_and_round_alone(items: list[str], seed: int, number: int) -> None:
    """Not on what is visited, and not on the random numbers that others draw."""
    random.seed(number)
    places = round_order(range(len(items)), seed, number)
    random.seed(number + 1)
    assert round_order(items, seed, number) == [items[place] for place in places]


def test_an_order_leaves_the_common_random_numbers_alone() -> None:
    before = random.getstate()
    round_order(range(20), 1, 0)
    assert random.getstate() == before


def test_rounds_differ() -> None:
    orders = {tuple(round_order(range(20), 1, number)) for number in range(50)}
    assert len(orders) == 50


def test_seeds_differ() -> None:
    orders = {tuple(round_order(range(20), seed, 0)) for seed in range(50)}
    assert len(orders) == 50


def test_an_order_stays_what_it_was() -> None:
    assert round_order(list("abcdef"), 7, 0) == ["b", "e", "d", "a", "c", "f"]


def test_every_case_comes_first_about_equally_often() -> None:
    first = Counter(round_order("abcd", 3, number)[0] for number in range(4000))
    assert all(850 < first[item] < 1150 for item in "abcd")
