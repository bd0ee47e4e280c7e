"""Changes of level: found where they were planted, and rarely where there are none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.levels import ALPHA, FEWEST, SHORTEST, critical, find_levels

NOISE = 0.03


def neutral(count: int, seed: int, noise: float = NOISE) -> Any:
    return np.random.default_rng(seed).normal(0.0, noise, count)


def test_of_200_neutral_histories_at_3_per_cent_noise_at_most_5_per_cent_are_called_changed() -> None:
    alarms = [seed for seed in range(200) if find_levels(neutral(30, seed)).changes]
    assert len(alarms) / 200 <= ALPHA, alarms


@pytest.mark.parametrize("count", [8, 15, 60])
def test_the_rate_of_false_alarms_does_not_depend_on_the_length(count: int) -> None:
    alarms = sum(1 for seed in range(400) if find_levels(neutral(count, 1000 + seed)).changes)
    assert alarms / 400 <= 0.08  # 5 %, and what 400 draws scatter


def test_a_family_of_series_shares_the_rate() -> None:
    """Twelve series a history, as a suite has, each at its share."""
    alarms = sum(
        1
        for seed in range(200)
        if any(find_levels(neutral(20, 12 * seed + at), ALPHA / 12).changes for at in range(12))
    )
    assert alarms / 200 <= 0.08


@pytest.mark.parametrize("at", [0, 12, 28, 29])
def test_one_wild_commit_is_no_level(at: int) -> None:
    alarms = 0
    for seed in range(100):
        spiked = neutral(30, seed)
        spiked[at] += 0.5
        alarms += bool(find_levels(spiked).changes)
    assert alarms / 100 <= ALPHA


@pytest.mark.parametrize("behind", [2, 5, 30])
@pytest.mark.parametrize("before", [5, 30])
def test_a_planted_step_is_found_at_its_commit(before: int, behind: int) -> None:
    values = neutral(before + behind, 7, 0.01)
    values[before:] += math.log(1.14)
    (change,) = find_levels(values).changes
    assert (change.first, change.at, change.last) == (before, before, before)
    assert change.low < 1.14 < change.high
    assert change.low > 1


def test_a_fall_is_found_too() -> None:
    values = neutral(20, 3, 0.01)
    values[12:] -= 0.2
    (change,) = find_levels(values).changes
    assert change.high < 1


def test_what_came_and_went_is_two_changes() -> None:
    values = neutral(40, 5, 0.01)
    values[15:22] += 0.1
    assert [change.at for change in find_levels(values).changes] == [15, 22]


def test_a_step_in_noise_has_several_places() -> None:
    values = neutral(40, 11)
    values[20:] += 0.07
    (change,) = find_levels(values).changes
    assert change.first <= 20 <= change.last
    assert change.last > change.first


def test_the_places_hold_the_true_one_in_95_of_100() -> None:
    held = found = 0
    for seed in range(200):
        values = neutral(40, 5000 + seed)
        values[20:] += 0.06
        changes = find_levels(values).changes
        found += bool(changes)
        held += any(change.first <= 20 <= change.last for change in changes)
    assert found > 190
    assert held / found > 0.9


def test_the_resolution_is_what_is_found_19_times_in_20() -> None:
    base = [find_levels(neutral(30, seed)).resolution for seed in range(40)]
    step = math.log1p(float(np.median(base)))
    found = 0
    for seed in range(200):
        values = neutral(30, 9000 + seed)
        values[25:] += step
        found += bool(find_levels(values).changes)
    assert found / 200 > 0.85


def test_a_restless_history_says_that_it_sees_less() -> None:
    quiet, restless = (find_levels(neutral(20, 2, noise)).resolution for noise in (0.01, 0.05))
    assert restless > 3 * quiet


def test_equal_values_have_no_change_and_no_spread() -> None:
    found = find_levels([0.5] * 12)
    assert (found.changes, found.sigma, found.resolution) == ((), 0.0, 0.0)


def test_exact_levels_are_told_apart_without_any_noise() -> None:
    (change,) = find_levels([0.0] * 6 + [0.1] * 6).changes
    assert (change.first, change.last) == (6, 6)
    assert change.low == pytest.approx(change.high)


@pytest.mark.parametrize("count", range(FEWEST))
def test_too_few_commits_say_nothing(count: int) -> None:
    found = find_levels([0.0, 5.0, 0.0, 5.0][:count])
    assert found.changes == ()
    assert math.isnan(found.resolution)


def test_an_odd_newest_commit_is_told_and_is_no_step() -> None:
    values = neutral(20, 4, 0.01)
    values[-1] += 0.2
    found = find_levels(values)
    assert (found.changes, found.odd_tip) == ((), True)
    assert not find_levels(neutral(20, 4, 0.01)).odd_tip


def test_a_smaller_share_needs_a_larger_difference() -> None:
    assert critical(20, 0.05) < critical(20, 0.01) < critical(20, 1e-6)


@given(st.lists(st.floats(-3, 3), min_size=0, max_size=25))
def test_levels_cover_the_series_and_none_is_too_short(values: list[float]) -> None:
    found = find_levels(values)
    assert found.bounds[0] == 0
    assert found.bounds[-1] == len(values)
    if len(values) >= FEWEST:
        assert all(b - a >= SHORTEST for a, b in zip(found.bounds, found.bounds[1:], strict=False))
    for change in found.changes:
        assert 0 < change.first <= change.last < len(values)
        assert change.low > 1 or change.high < 1
