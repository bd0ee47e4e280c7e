"""Statistics by hand: intervals, ratios, percentiles, delivered share, and what must not change them."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from bench.analysis import stats
from bench.analysis.stats import Interval

times = st.floats(1e-6, 10)
medians = st.lists(times, min_size=1, max_size=12)
paired = st.dictionaries(st.integers(0, 9), st.tuples(times, times), min_size=1, max_size=10)
factors = st.floats(1e-3, 1e3)


def close(one: Interval, other: tuple[float, float, float]) -> bool:
    return np.allclose((one.value, one.low, one.high), other, rtol=1e-9, equal_nan=True)


def test_the_median_of_a_trial_leaves_out_what_is_no_time() -> None:
    assert stats.trial_median([3.0, 1.0, 2.0]) == 2.0
    assert stats.trial_median([4.0, 1.0, math.nan, math.inf, -9.0, 0.0]) == 2.5


@pytest.mark.parametrize("samples", [[], [math.nan], [0.0, -1.0, math.inf]])
def test_a_trial_without_a_time_has_no_median(samples: list[float]) -> None:
    with pytest.raises(ValueError, match="no median"):
        stats.trial_median(samples)


def test_one_trial_has_a_value_and_no_interval() -> None:
    one = stats.estimate([2.0])
    assert close(one, (2.0, math.nan, math.nan))
    assert one.count == 1
    assert not one.known
    assert math.isnan(one.half_width)


def test_no_trial_has_nothing() -> None:
    assert close(stats.estimate([]), (math.nan, math.nan, math.nan))
    assert close(stats.estimate([math.nan, 0.0]), (math.nan, math.nan, math.nan))
    assert stats.estimate([]).count == 0


def test_two_trials_by_hand() -> None:
    # logs 0 and 2: centre 1, standard error 1, t(0.975; 1 degree) = 12.7062
    reach = math.exp(12.706204736)
    assert close(stats.estimate([1.0, math.exp(2)]), (math.e, math.e / reach, math.e * reach))


def test_three_trials_by_hand() -> None:
    # logs 0, ln 2, 2 ln 2: standard error ln 2 / √3, t(0.975; 2 degrees) = 4.302653
    reach = 4.302652729911 * math.log(2) / math.sqrt(3)
    found = stats.estimate([4.0, 1.0, 2.0])
    assert close(found, (2.0, 2 * math.exp(-reach), 2 * math.exp(reach)))
    assert found.half_width == pytest.approx(reach)


def test_five_trials_reach_from_the_least_to_the_largest() -> None:
    assert close(stats.estimate([1.0, 2.0, 4.0, 8.0, 16.0]), (4.0, 1.0, 16.0))


def test_seven_trials_by_hand() -> None:
    # Hollander and Wolfe, section 3.3: with n = 7 the third smallest and largest of the 28 Walsh averages.
    logs = np.array([0.0, 1.0, 3.0, 7.0, 15.0, 31.0, 63.0])
    walsh = sorted((logs[i] + logs[j]) / 2 for i in range(7) for j in range(i, 7))
    centre, low, high = stats.centre_interval(logs)
    assert (centre, low, high) == (float(np.median(walsh)), walsh[2], walsh[-3])


@pytest.mark.parametrize(("count", "level"), [(5, 30 / 32), (6, 62 / 64), (8, 246 / 256), (10, 974 / 1024)])
def test_the_level_is_exact_under_every_choice_of_signs(count: int, level: float) -> None:
    places = np.arange(count, dtype=np.float64)
    magnitudes: np.ndarray[Any, np.dtype[np.float64]] = 2.0**places + np.sqrt(places)
    held = 0
    for signs in itertools.product((-1, 1), repeat=count):
        _, low, high = stats.centre_interval(magnitudes * signs)
        held += low <= 0 <= high
    assert held / 2**count == level


def test_many_trials_have_an_interval_near_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(0, 1, 400)
    centre, low, high = stats.centre_interval(values)
    assert low < centre < high
    assert (high - low) / 2 == pytest.approx(1.96 / 20, rel=0.15)


def test_the_switch_to_the_normal_approximation_is_smooth() -> None:
    values = np.random.default_rng(1).normal(0, 1, 61)
    exact = stats.centre_interval(values[:60])
    normal = stats.centre_interval(values)
    assert exact[2] - exact[1] == pytest.approx(normal[2] - normal[1], rel=0.1)


@given(medians)
def test_the_value_lies_within_its_interval(values: list[float]) -> None:
    found = stats.estimate(values)
    assert found.count == len(values)
    assert found.known == (len(values) > 1)
    if found.known:
        assert found.low <= found.value * (1 + 1e-9)
        assert found.value <= found.high * (1 + 1e-9)
        assert found.half_width >= 0


@given(medians, factors)
def test_an_estimate_scales_with_its_unit(values: list[float], factor: float) -> None:
    one = stats.estimate(values)
    other = stats.estimate([v * factor for v in values])
    assert close(other, (one.value * factor, one.low * factor, one.high * factor))


@given(medians, st.randoms(use_true_random=False))
def test_the_order_of_trials_does_not_matter(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one = stats.estimate(values)
    assert close(stats.estimate(shuffled), (one.value, one.low, one.high))


def test_one_wild_trial_hardly_moves_the_estimate() -> None:
    calm = [1.0, 1.01, 0.99, 1.02, 0.98, 1.0, 1.01]
    assert stats.estimate([*calm, 50.0]).value == pytest.approx(stats.estimate(calm).value, rel=0.02)


def test_a_ratio_is_formed_within_rounds() -> None:
    found = stats.ratio({0: 1.0, 1: 2.0, 2: 4.0}, {0: 2.0, 1: 4.0, 3: 9.0})
    assert close(found, (2.0, 2.0, 2.0))
    assert found.count == 2


def test_a_ratio_in_one_round_has_no_interval() -> None:
    assert close(stats.ratio({0: 1.0}, {0: 3.0}), (3.0, math.nan, math.nan))


def test_no_common_round_has_no_ratio() -> None:
    with pytest.raises(ValueError, match="no round has a trial of both"):
        stats.ratio({0: 1.0}, {1: 1.0})


def test_drift_over_rounds_does_not_reach_the_ratio() -> None:
    base = {r: 1.5**r for r in range(6)}
    assert close(stats.ratio(base, {r: 0.5 * v for r, v in base.items()}), (0.5, 0.5, 0.5))


@given(paired, factors)
def test_a_ratio_does_not_depend_on_the_unit(pairs: dict[int, tuple[float, float]], factor: float) -> None:
    base, other = ({r: p[i] for r, p in pairs.items()} for i in (0, 1))
    one = stats.ratio(base, other)
    scaled = stats.ratio({r: v * factor for r, v in base.items()}, {r: v * factor for r, v in other.items()})
    assert close(scaled, (one.value, one.low, one.high))


@given(paired)
def test_swapping_the_arms_inverts_a_ratio(pairs: dict[int, tuple[float, float]]) -> None:
    base, other = ({r: p[i] for r, p in pairs.items()} for i in (0, 1))
    one, swapped = stats.ratio(base, other), stats.ratio(other, base)
    assert close(swapped, (1 / one.value, 1 / one.high, 1 / one.low))


@given(paired)
def test_a_ratio_to_itself_is_one(pairs: dict[int, tuple[float, float]]) -> None:
    base = {r: p[0] for r, p in pairs.items()}
    assert stats.ratio(base, base).value == 1.0
    assert stats.paired_p_value(base, base) == 1.0 or len(base) < 2


def test_the_paired_p_value_is_students() -> None:
    base, other = {0: 1.0, 1: 1.1, 2: 0.9, 3: 1.0}, {0: 1.2, 1: 1.15, 2: 1.0, 3: 0.99, 7: 5.0}
    logs = [math.log(other[r] / base[r]) for r in range(4)]
    assert stats.paired_p_value(base, other) == pytest.approx(reference.ttest_1samp(logs, 0).pvalue)
    assert math.isnan(stats.paired_p_value({0: 1.0}, {0: 2.0}))
    assert stats.paired_p_value({0: 1.0, 1: 1.0}, {0: 2.0, 1: 2.0}) == 0.0


def test_a_change_between_runs_is_welchs() -> None:
    base, head = [1.0, 1.1, 0.9, 1.05], [1.3, 1.2, 1.25]
    interval, p_value = stats.change(base, head)
    test = reference.ttest_ind(np.log(head), np.log(base), equal_var=False)
    limits = test.confidence_interval(0.95)
    shift = np.log(head).mean() - np.log(base).mean()
    assert close(interval, (math.exp(shift), math.exp(limits.low), math.exp(limits.high)))
    assert p_value == pytest.approx(test.pvalue)
    assert interval.count == 3


def test_a_change_needs_two_trials_on_each_side() -> None:
    interval, p_value = stats.change([1.0], [2.0, 2.0])
    assert close(interval, (2.0, math.nan, math.nan))
    assert math.isnan(p_value)
    assert stats.change([], [1.0])[0].count == 0
    assert stats.change([math.nan], [1.0, 2.0])[0].count == 0


def test_a_change_without_any_spread_is_certain() -> None:
    assert stats.change([1.0, 1.0], [1.0, 1.0]) == (Interval(1.0, 1.0, 1.0, 2), 1.0)
    interval, p_value = stats.change([1.0, 1.0], [2.0, 2.0])
    assert close(interval, (2.0, 2.0, 2.0))
    assert p_value == 0.0


@pytest.mark.parametrize(("which", "needed"), [(90, 64), (99, 662)])
def test_a_percentile_needs_its_samples(which: int, needed: int) -> None:
    assert math.isnan(stats.percentile([1.0] * (needed - 1), which))
    assert stats.percentile([1.0] * needed, which) == 1.0


def test_a_percentile_by_hand() -> None:
    assert stats.percentile([float(i) for i in range(101)], 90) == 90.0
    assert stats.percentile([float(i) for i in range(1001)], 99) == 990.0


@pytest.mark.parametrize(
    ("latency", "macs", "share"),
    [
        (0.5, 0.5, 1.0),
        (1.0, 0.5, 0.0),
        (2.0, 0.5, -1.0),
        (0.5, 0.25, 0.5),
        (0.125, 0.5, 3.0),
        (0.61, 0.5, math.log(0.61) / math.log(0.5)),
    ],
)
def test_delivered_share_by_hand(latency: float, macs: float, share: float) -> None:
    assert stats.delivered_share(latency, macs) == pytest.approx(share)


@pytest.mark.parametrize(
    ("latency", "macs"),
    [(0.5, 1.0), (0.5, 1.2), (0.5, 0.0), (0.5, math.nan), (math.nan, 0.5), (0.0, 0.5), (-1.0, 0.5)],
)
def test_delivered_share_is_undefined_without_a_saving(latency: float, macs: float) -> None:
    assert math.isnan(stats.delivered_share(latency, macs))


@pytest.mark.parametrize(
    ("count", "outside"),
    [(5, 0), (6, 0), (7, 2), (8, 3), (9, 5), (10, 8), (12, 13), (15, 25), (20, 52), (25, 89), (30, 137)],
)
def test_the_limits_are_wilcoxons_critical_values(count: int, outside: int) -> None:
    """Hollander and Wolfe, table A.4, two-sided 5 %."""
    values: np.ndarray[Any, np.dtype[np.float64]] = 2.0 ** np.arange(count, dtype=np.float64)
    rows, columns = np.triu_indices(count)
    means = np.sort((values[rows] + values[columns]) / 2)
    _, low, high = stats.centre_interval(values)
    assert (low, high) == (means[outside], means[-1 - outside])


def test_beyond_sixty_values_the_limits_are_those_of_the_normal_law() -> None:
    # n = 100: mean 2525, variance 100 · 101 · 201 / 24 = 84587.5; 2525 - 1.959964 · 290.84 = 1954.97
    values = np.arange(100.0)
    rows, columns = np.triu_indices(100)
    means = np.sort((values[rows] + values[columns]) / 2)
    _, low, high = stats.centre_interval(values)
    assert (low, high) == (means[1954], means[-1955])


def test_a_log_ratio_and_back() -> None:
    assert stats.log_ratio(2.0, 6.0) == pytest.approx(math.log(3))
    assert stats.from_log(math.log(3)) == pytest.approx(3.0)


def test_students_p_value_needs_two() -> None:
    assert math.isnan(stats.p_value([]))
    assert math.isnan(stats.p_value([0.5]))
    assert stats.p_value([-1.0, 1.0]) == pytest.approx(1.0)
    assert stats.p_value([0.0, 2.0]) == pytest.approx(0.5)  # t = 1 with one degree of freedom
    assert stats.p_value([0.0, 0.0]) == 1.0
    assert stats.p_value([3.0, 3.0]) == 0.0


def test_an_interval_knows_both_limits_or_none() -> None:
    assert Interval(1.0, 0.5, 2.0, 5).half_width == pytest.approx(math.log(2))
    for low, high in ((math.nan, 2.0), (0.5, math.nan), (0.5, math.inf)):
        assert not Interval(1.0, low, high, 5).known
        assert math.isnan(Interval(1.0, low, high, 5).half_width)


def test_a_change_leaves_out_what_is_no_time() -> None:
    interval, p_value = stats.change([1.0, 0.0, math.nan, 1.0], [2.0, math.inf, 2.0, -1.0, 2.0])
    assert close(interval, (2.0, 2.0, 2.0))
    assert (interval.count, p_value) == (2, 0.0)
    nothing, p_value = stats.change([1.0], [])
    assert close(nothing, (math.nan, math.nan, math.nan))
    assert nothing.count == 0
    assert math.isnan(p_value)
    assert stats.change([1.0, 2.0], [3.0])[0].count == 1
    spread_on_one_side, p_value = stats.change([1.0, 1.0], [1.0, 4.0])
    assert spread_on_one_side.value == pytest.approx(2.0)
    assert spread_on_one_side.low < 1 < spread_on_one_side.high
    assert p_value == pytest.approx(0.5)  # t = 1 with one degree of freedom


def test_delivered_share_at_its_limits() -> None:
    assert stats.delivered_share(1e-9, 0.5) > 1
    assert stats.delivered_share(2.0, 1e-9) == pytest.approx(math.log(2) / math.log(1e-9))
    assert math.isnan(stats.delivered_share(0.5, -0.5))


def test_the_delivered_share_has_the_interval_of_the_ratio() -> None:
    found = stats.delivered_interval(Interval(0.5, 0.4, 0.8, 5), 0.25)
    assert found.value == pytest.approx(0.5)
    assert found.low == pytest.approx(math.log(0.8) / math.log(0.25))
    assert found.high == pytest.approx(math.log(0.4) / math.log(0.25))
    assert found.low < found.value < found.high
    slower = stats.delivered_interval(Interval(2.0, 1.9, 2.1, 5), 0.5)
    assert slower.high < 0


@pytest.mark.parametrize(
    ("ratio", "macs"),
    [
        (Interval(1.5, 1.4, 1.6, 5), 0.92),  # 8 % saved: -1810 % and the like
        (Interval(1.5, 1.4, 1.6, 5), 1.0),
        (Interval(1.5, 1.4, 1.6, 5), math.nan),
        (Interval(1.01, 0.99, 1.03, 5), 0.3),  # cannot tell
        (Interval(1.0, 1.0, 1.0, 5), 0.3),
        (Interval(0.5, math.nan, math.nan, 1), 0.3),
    ],
)
def test_a_delivered_share_that_says_nothing_is_not_told(ratio: Interval, macs: float) -> None:
    found = stats.delivered_interval(ratio, macs)
    assert math.isnan(found.value)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_a_tenth_of_the_macs_is_enough() -> None:
    assert stats.delivered_interval(Interval(0.5, 0.4, 0.6, 5), 0.9).low > 0


@given(st.integers(1, 60), st.integers(0, 2**32 - 1), st.booleans())
def test_many_values_have_the_interval_that_few_have(count: int, seed: int, with_ties: bool) -> None:
    """The bisection beside all pairwise means, as they are written down for few values."""
    values = np.random.default_rng(seed).normal(size=6 * count)
    values = np.round(values, 1) if with_ties else values
    assert stats._centre_of_many(values) == pytest.approx(stats.centre_interval(values), abs=1e-12)


def test_a_thousand_equal_values_are_their_centre() -> None:
    assert stats.centre_interval(np.full(1000, 0.25)) == (0.25, 0.25, 0.25)
