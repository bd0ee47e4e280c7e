"""Where a ratio falls below 1 along a knob, by hand."""

from __future__ import annotations

import math

import pytest

from bench.analysis.crossover import crossover
from bench.analysis.stats import Interval


def points(*ratios: tuple[float, float], spread: float = 1.0) -> list[tuple[float, Interval]]:
    return [(T, Interval(ratio, ratio / spread, ratio * spread, 5)) for T, ratio in ratios]


def test_it_lies_on_the_straight_line_between_logarithms() -> None:
    found = crossover(points((2, 2.0), (8, 0.5)))
    assert found.at == pytest.approx(4.0)
    assert (found.low, found.high) == pytest.approx((4.0, 4.0))


def test_its_interval_comes_from_the_ends_of_the_intervals() -> None:
    # ratio = 4 / T: the lower ends, half of it, cross at 2, the upper ends at 8.
    found = crossover(points((1, 4.0), (4, 1.0), (16, 0.25), spread=2.0))
    assert found.at == pytest.approx(4.0)
    assert (found.low, found.high) == pytest.approx((2.0, 8.0))


def test_none_up_to_the_last_value() -> None:
    found = crossover(points((2, 3.0), (8, 1.5)))
    assert not found.found
    assert math.isnan(found.low)
    assert (found.first, found.last) == (2, 8)


def test_the_lower_ends_may_cross_where_the_estimate_does_not() -> None:
    found = crossover(points((2, 3.0), (8, 1.1), spread=1.2))
    assert not found.found
    assert 2 < found.low < 8


def test_below_from_the_first_value_on() -> None:
    found = crossover(points((2, 0.9), (4, 0.5)))
    assert found.at == found.low == found.high == 2


def test_it_is_the_last_time_that_counts() -> None:
    found = crossover(points((2, 0.5), (4, 2.0), (8, 0.5)))
    assert found.at == pytest.approx(math.sqrt(32))
    assert not crossover(points((2, 0.5), (4, 2.0))).found


def test_order_does_not_matter_and_unknown_ends_are_unknown() -> None:
    unknown = Interval(0.5, math.nan, math.nan, 1)
    found = crossover([(8, unknown), (2, Interval(2.0, 1.9, 2.1, 5))])
    assert found.at == pytest.approx(4.0)
    assert not found.bounded
    assert math.isnan(found.high)


@pytest.mark.parametrize("wrong", [[], points((2, 1.0)), points((0, 1.0), (2, 1.0))])
def test_too_little_is_refused(wrong: list[tuple[float, Interval]]) -> None:
    with pytest.raises(ValueError, match="two values"):
        crossover(wrong)
