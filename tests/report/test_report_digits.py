"""Numbers as text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report import digits

NAN = math.nan
SPACE = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (digits.exact(40551040), "40,551,040"),
        (digits.short(40551040), f"40.55{SPACE}M"),
        (digits.short(999), "999"),
        (digits.size(1084544), f"1.03{SPACE}MiB"),
        (digits.size(0), f"0{SPACE}B"),
        (digits.times(0.52604), f"0.526{SPACE}×"),
        (digits.percent(-0.631), f"−63{SPACE}%"),
        (digits.percent(-0.001), f"0{SPACE}%"),
        (digits.time(0.00402), f"4.02{SPACE}ms"),
        (digits.resolution(0.016), f"±1.6{SPACE}%"),
        (digits.resolution(2.7), "a factor of 15"),
        (digits.tick(50_000), f"50{SPACE}k"),
    ],
)
def test_formats(text: str, expected: str) -> None:
    assert text == expected


@pytest.mark.parametrize(
    "write",
    [
        digits.exact,
        digits.short,
        digits.size,
        digits.times,
        digits.percent,
        digits.resolution,
        digits.time,
    ],
)
@pytest.mark.parametrize("unknown", [NAN, math.inf, None])
def test_the_unknown_is_a_dash(write: object, unknown: object) -> None:
    assert callable(write)
    assert write(unknown) == digits.MISSING


def test_decimals_follow_the_interval() -> None:
    assert digits.with_interval(1.3461, 1.3309, 1.3614) == ("1.346", "1.331 to 1.361")
    assert digits.with_interval(1.3461, 1.2, 1.5) == ("1.35", "1.20 to 1.50")
    assert digits.with_interval(134.61, 120.0, 150.0) == ("135", "120 to 150")
    assert digits.with_interval(1.6, 0.0921, 28.2) == ("1.6", "0.092 to 28")
    assert digits.with_interval(1.3461, NAN, NAN) == ("1.35", "")
    assert digits.with_interval(NAN, NAN, NAN) == (digits.MISSING, "")


def test_decimals_are_added_where_a_bound_would_round_to_one() -> None:
    assert digits.with_interval(0.99, 0.98, 0.9998) == ("0.990", "0.980 to 1.000")
    assert digits.with_interval(0.99, 0.98, 0.9998, watch=1) == ("0.9900", "0.9800 to 0.9998")


@given(st.floats(0.5, 2), st.floats(1e-6, 0.3))
def test_a_rounded_bound_never_contradicts_the_verdict(low: float, width: float) -> None:
    high = low + width
    _, interval = digits.with_interval((low + high) / 2, low, high, watch=1)
    shown = [float(bound) for bound in interval.split(" to ")]
    if abs(high - 1) > 1e-8:
        assert (shown[1] < 1) == (high < 1)
    if abs(low - 1) > 1e-8:
        assert (shown[0] > 1) == (low > 1)


def test_one_unit_for_all() -> None:
    assert digits.unit_for([0.002, 0.5, NAN]).name == "ms"
    assert digits.unit_for([2e-5, 3e-5]).name == "µs"
    assert digits.unit_for([]).name == "ms"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.77249, "0.772"), (1, "1.00"), (1.0041, "1.004"), (0.99996, "0.99996"), (2.5801, "2.58"), (NAN, "—")],
)
def test_a_ratio_has_three_digits_and_never_looks_like_one(value: float, text: str) -> None:
    assert digits.ratio(value) == text
