"""Three outcomes and a resolution, alone and together."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.stats import Interval
from bench.analysis.verdict import CANNOT_TELL, FASTER, SAME, SLOWER, holm, verdict, verdicts


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (1.04, 1.06, SLOWER),
        (0.94, 0.96, FASTER),
        (0.98, 1.02, SAME),
        (1.001, 1.029, SAME),
        (1.001, 1.05, SLOWER),
        (0.95, 1.02, CANNOT_TELL),
        (0.5, 2.0, CANNOT_TELL),
        (math.nan, math.nan, CANNOT_TELL),
    ],
)
def test_what_an_interval_says_at_three_percent(low: float, high: float, word: str) -> None:
    assert verdict(Interval(1.0, low, high, 5), 0.03) == word


@given(st.floats(0.1, 10), st.floats(1.0001, 2))
def test_swapping_the_arms_swaps_faster_and_slower(low: float, width: float) -> None:
    interval = Interval(low, low, low * width, 5)
    swapped = Interval(1 / low, 1 / interval.high, 1 / interval.low, 5)
    opposite = {FASTER: SLOWER, SLOWER: FASTER, SAME: SAME, CANNOT_TELL: CANNOT_TELL}
    assert verdict(swapped, 0.03) == opposite[verdict(interval, 0.03)]


def test_holm_by_hand() -> None:
    # sorted .001 .01 .02 .04 against .05/4 .05/3 .05/2 .05/1
    assert holm([0.04, 0.001, 0.02, 0.01], 0.05) == [True, True, True, True]
    # .02 is not below .05/3: it and all larger ones stand
    assert holm([0.04, 0.001, 0.03, 0.02], 0.05) == [False, True, False, False]
    assert holm([math.nan, 0.04], 0.05) == [False, True]
    assert holm([], 0.05) == []


def test_one_case_of_forty_that_is_barely_significant_is_not_called_slower() -> None:
    barely = Interval(1.04, 1.001, 1.08, 5)
    same = Interval(1.0, 0.99, 1.01, 5)
    words = verdicts([barely] + [same] * 39, [0.04] + [0.5] * 39, 0.03)
    assert words == [CANNOT_TELL] + [SAME] * 39
    assert verdicts([barely], [0.04], 0.03) == [SLOWER]


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.5, 2.0, SAME),  # log1p(1) is just log 2
        (0.5, 2.01, CANNOT_TELL),
        (0.49, 2.0, CANNOT_TELL),
        (1.0, 3.0, CANNOT_TELL),
        (1.001, 3.0, SLOWER),
        (0.1, 1.0, CANNOT_TELL),
        (0.1, 0.999, FASTER),
    ],
)
def test_a_limit_that_is_just_met(low: float, high: float, word: str) -> None:
    assert verdict(Interval(1.0, low, high, 5), 1.0) == word


def test_holm_rejects_what_just_meets_its_limit() -> None:
    assert holm([0.05], 0.05) == [True]
    assert holm([0.025, 0.05], 0.05) == [True, True]
    assert holm([0.026, 0.05], 0.05) == [False, False]


def test_each_ratio_has_its_p_value() -> None:
    ratio = Interval(1.1, 1.05, 1.15, 5)
    assert verdicts([ratio, ratio, ratio], [0.001, 0.5, math.nan], 0.01) == [SLOWER, CANNOT_TELL, CANNOT_TELL]
    faster = Interval(0.9, 0.85, 0.95, 5)
    assert verdicts([faster, faster], [0.5, 0.01], 0.01) == [CANNOT_TELL, FASTER]
    with pytest.raises(ValueError, match="shorter"):
        verdicts([ratio], [], 0.01)
