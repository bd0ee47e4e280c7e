"""What a comparison could have found: against simulation, scipy and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as distributions

from bench.analysis.power import (
    chance_found,
    chance_same,
    detectable,
    expected_rounds,
    rounds_needed,
    smallest_change,
    upper_sd,
)
from bench.analysis.sequential import looks, nominal_levels


@pytest.mark.parametrize("n", [3, 5, 10, 30])
@pytest.mark.parametrize("level", [0.05, 0.01])
def test_the_chance_is_the_tail_of_the_noncentral_t(n: int, level: float) -> None:
    change, sd = 0.02, 0.012
    critical = distributions.t.isf(level / 2, n - 1)
    tail = distributions.nct.sf(critical, n - 1, math.log1p(change) / sd * math.sqrt(n))
    assert chance_found(change, sd, n, level) == pytest.approx(tail, abs=1e-3)


@pytest.mark.parametrize(("n", "level"), [(5, 0.05), (5, 0.0003), (14, 0.01), (30, 0.001)])
def test_the_smallest_change_is_found_as_often_as_promised(n: int, level: float) -> None:
    change = smallest_change(0.008, n, level)
    logs = np.random.default_rng(0).normal(math.log1p(change), 0.008, (40_000, n))
    t = logs.mean(1) / logs.std(1, ddof=1) * math.sqrt(n)
    assert (t > distributions.t.isf(level / 2, n - 1)).mean() == pytest.approx(0.95, abs=0.005)


@given(
    sd=st.floats(1e-4, 0.1),
    n=st.integers(2, 100),
    level=st.floats(1e-4, 0.2),
)
@settings(max_examples=60, deadline=None)
def test_more_processes_and_less_noise_find_smaller_changes(sd: float, n: int, level: float) -> None:
    change = smallest_change(sd, n, level)
    assert change > 0
    assert smallest_change(sd, n + 1, level) < change or math.isinf(change)
    assert smallest_change(sd / 2, n, level) < change or math.isinf(change)
    assert smallest_change(sd, n, level / 2) > change or math.isinf(change)
    assert smallest_change(sd, n, level, 0.8) < change or math.isinf(change)


def test_what_cannot_be_said_is_nan() -> None:
    assert math.isnan(smallest_change(0.01, 1))
    assert math.isnan(smallest_change(math.nan, 5))
    assert math.isnan(smallest_change(math.inf, 5))
    assert smallest_change(0.0, 5) == 0
    assert chance_found(0.01, 0.0, 5) == 1
    assert chance_found(0.0, 0.0, 5) == 0
    assert math.isnan(detectable([0.1, math.nan]).change)
    assert detectable([0.1, 0.1]).change == 0
    assert smallest_change(50.0, 2, 1e-6) == math.inf


def test_detectable_names_the_limit_of_its_own_sd() -> None:
    logs = [float(v) for v in np.random.default_rng(1).normal(0, 0.01, 10)]
    found = detectable(logs)
    assert found.sd == pytest.approx(np.std(logs, ddof=1))
    assert found.count == 10
    assert found.change == pytest.approx(smallest_change(found.sd, 10))
    assert found.at_most == pytest.approx(smallest_change(upper_sd(found.sd, 10), 10))
    assert detectable(logs, count=30).change < found.change


def test_the_upper_limit_of_the_sd_holds_95_percent() -> None:
    sds = np.random.default_rng(2).standard_normal((20_000, 6)).std(1, ddof=1)
    assert np.mean([upper_sd(float(sd), 6) >= 1 for sd in sds]) == pytest.approx(0.95, abs=0.005)


def test_equal_cases_come_out_as_same_as_often_as_promised() -> None:
    logs = np.random.default_rng(3).normal(0, 0.006, (40_000, 10))
    reach = distributions.t.isf(0.01, 9) * logs.std(1, ddof=1) / math.sqrt(10)
    inside = np.abs(logs.mean(1)) + reach <= math.log1p(0.01)
    assert chance_same(0.006, 10, 0.01, 0.02) == pytest.approx(inside.mean(), abs=0.005)
    assert chance_same(0.0, 10, 0.01) == 1


def test_rounds_needed_is_a_look_or_none() -> None:
    schedule = looks()
    found = [rounds_needed(sd, 0.01, schedule) for sd in (0.0, 0.001, 0.004, 0.008, 0.012, 0.1)]
    assert found[0] == found[1] == 5
    assert found[-1] is None
    known = [n for n in found if n is not None]
    assert known == sorted(known)
    assert set(known) <= set(schedule)
    fewer, more = rounds_needed(0.006, 0.01, schedule), rounds_needed(0.006, 0.01, schedule, cases=48)
    assert fewer is not None
    assert more is not None
    assert fewer < more


def test_after_the_rounds_needed_the_change_is_found() -> None:
    schedule = looks()
    n = rounds_needed(0.006, 0.01, schedule)
    assert n is not None
    level = nominal_levels(schedule)[schedule.index(n)]
    assert chance_found(0.01, 0.006, n, level) >= 0.95
    assert chance_same(0.006, n, 0.01, level) >= 0.95


def test_expected_rounds_lie_on_the_schedule_and_fall_with_the_change() -> None:
    schedule = looks()
    rounds = [expected_rounds(change, 0.008, 0.01, schedule) for change in (0.01, 0.02, 0.05, 0.5)]
    assert rounds == sorted(rounds, reverse=True)
    assert rounds[-1] == 5
    assert rounds[0] <= 30
    assert expected_rounds(0.02, 0.008, 0.01, schedule, cases=48) > rounds[1]
    assert expected_rounds(0.0, 0.3, 0.01, schedule) == pytest.approx(30, abs=0.7)
    assert expected_rounds(-0.05, 0.008, 0.01, (8,)) == 8


def test_the_upper_limit_of_the_sd_is_that_of_chi_square() -> None:
    # tables: the 5 % quantile is 0.003932 with one degree of freedom, 0.710723 with four, 3.325113 with nine
    assert upper_sd(2.0, 2) == pytest.approx(2 * math.sqrt(1 / 0.00393214), rel=1e-5)
    assert upper_sd(1.0, 5) == pytest.approx(math.sqrt(4 / 0.710723), rel=1e-5)
    assert upper_sd(1.0, 10) == pytest.approx(math.sqrt(9 / 3.325113), rel=1e-5)


def test_a_faster_case_is_found_like_a_slower_one() -> None:
    assert chance_found(-0.5, 0.4, 5) == pytest.approx(chance_found(1.0, 0.4, 5))
    assert chance_found(-0.5, 0.0, 5) == 1
    assert chance_found(0.02, 0.01, 5) == chance_found(0.02, 0.01, 5, 0.05)
    assert chance_found(0.0, 0.01, 5) == pytest.approx(0.025, abs=1e-3)


def test_limits_of_what_can_be_said() -> None:
    assert smallest_change(0.01, 2) > 0
    assert math.isnan(smallest_change(-0.01, 5))
    assert smallest_change(0.01, 5) == smallest_change(0.01, 5, 0.05, 0.95)


def test_what_few_values_can_detect() -> None:
    for few in ([], [0.1], [0.1, math.nan, math.inf]):
        found = detectable(few, count=7)
        assert (math.isnan(found.change), math.isnan(found.at_most), math.isnan(found.sd)) == (True,) * 3
        assert found.count == 7
    assert detectable([0.1, math.nan]).count == 1
    two = detectable([0.0, 0.02])
    assert two.sd == pytest.approx(0.02 / math.sqrt(2))
    assert two.count == 2


def test_detectable_asks_at_the_level_with_the_power_and_for_the_count_given() -> None:
    logs = [0.0, 0.01, 0.02, 0.03]
    sd = math.sqrt(0.0005 / 3)
    found = detectable(logs, 0.01, 0.8, 9)
    assert chance_found(found.change, sd, 9, 0.01) == pytest.approx(0.8)
    assert chance_found(found.at_most, upper_sd(sd, 4), 9, 0.01) == pytest.approx(0.8)
    assert chance_found(detectable(logs).change, sd, 4, 0.05) == pytest.approx(0.95)


def test_rounds_needed_are_those_of_the_first_look_that_is_enough() -> None:
    schedule = (5, 10, 20)
    levels = nominal_levels(schedule)
    for sd in (0.002, 0.003, 0.004, 0.005, 0.006, 0.007):
        enough = [
            chance_found(0.01, sd, n, level) >= 0.9 and chance_same(sd, n, 0.01, level) >= 0.9
            for n, level in zip(schedule, levels, strict=True)
        ]
        wanted = schedule[enough.index(True)] if True in enough else None
        assert rounds_needed(sd, 0.01, schedule, 0.9) == wanted
    assert rounds_needed(0.004, 0.01, schedule, 0.9, cases=0) == rounds_needed(0.004, 0.01, schedule, 0.9)


def test_expected_rounds_repeat_and_use_the_draws_asked_for() -> None:
    few = expected_rounds(0.012, 0.01, 0.01, (5, 10), draws=4)
    assert few in {5 + 5 * open_ / 4 for open_ in range(5)}
    many = expected_rounds(0.012, 0.01, 0.01, (5, 10))
    assert round(many * 2000) == pytest.approx(many * 2000)
