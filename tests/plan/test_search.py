"""The search for a knob on curves whose answer is known."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.plan.search import MOST, Curve, search_among, search_integer, search_number


def curve(share: Callable[[Any], float | str], to: float) -> tuple[Curve, list[Any]]:
    asked: list[Any] = []

    def counted(value: Any) -> float | str:
        asked.append(value)
        return share(value)

    return Curve(counted, to), asked


@given(st.integers(1, 4096), st.floats(0.3, 3))
def test_whole_number_on_a_falling_curve(answer: int, power: float) -> None:
    found, asked = curve(lambda n: n**-power, answer**-power)
    search_integer(found)
    assert found.best() == answer
    assert len(asked) == len(set(asked)) <= 13 + 12


@given(st.integers(1, 1000), st.integers(0, 500))
def test_whole_number_on_a_rising_curve_that_ends(answer: int, further: int) -> None:
    """Ranks: more than full is refused, and the answer may lie above the last power of two."""
    full = answer + further
    found, asked = curve(lambda n: n / full if n <= full else "rank above full", answer / full)
    search_integer(found)
    assert found.best() == answer
    assert len(asked) <= 24


def test_whole_number_where_the_curve_turns() -> None:
    """One step doubles the layer, many steps leave it dense: the valley between is searched."""
    found, _ = curve(lambda n: 2 / n**2 if n < 20 else 1.0, 2 / 49)
    search_integer(found)
    assert found.best() == 7


def test_whole_number_stays_between_its_bounds() -> None:
    found, asked = curve(lambda n: 1 / n, 1 / 11)
    search_integer(found, 3, 12.5)
    assert found.best() == 11
    assert (min(asked), max(asked)) == (3, 12)
    found, asked = curve(lambda n: 1 / n, 1 / 100)
    search_integer(found, 2, 12)
    assert found.best() == 12


def test_whole_number_that_nothing_accepts() -> None:
    found, asked = curve(lambda n: "nothing to replace", 0.5)
    search_integer(found)
    assert found.best() is None
    assert found.refusal == "nothing to replace"
    assert len(asked) == 13


@pytest.mark.parametrize("to", [0.05, 0.125, 0.25, 0.5, 0.9])
@pytest.mark.parametrize(
    "share",
    [
        lambda x: x,
        lambda x: 1 - x,
        lambda x: (1 - x) ** 2,
        lambda x: 0.02 + 0.98 * x**3,
        lambda x: round((1 - x) * 64) ** 2 / 4096 + 0.003,
    ],
)
def test_number_on_monotone_curves(share: Callable[[float], float], to: float) -> None:
    found, asked = curve(share, to)
    search_number(found, 0.05, 0, 1)
    assert found.error(found.best()) <= 0.035  # of 64 channels, 14 are 16 % less area than 15
    assert len(asked) <= MOST


def test_number_ends_at_once_where_it_is_the_share_itself() -> None:
    """Counting a pruned network may take a minute: a density is tried first and is enough."""
    found, asked = curve(lambda x: x + 0.001, 0.25)
    search_number(found, 0.05, 0, 1)
    assert asked == [0.25]


def test_number_between_other_bounds() -> None:
    found, _ = curve(lambda x: 10**-x, 0.05)
    search_number(found, 0.05, 0, 3)
    assert found.best() == pytest.approx(1.301, abs=0.01)


def test_number_out_of_reach_leaves_the_nearest() -> None:
    found, asked = curve(lambda x: 0.6 + 0.4 * x, 0.25)
    search_number(found, 0.05, 0, 1)
    assert found.shares[found.best()] == pytest.approx(0.604)
    assert len(asked) <= MOST


def test_among_takes_the_nearest_and_the_first_of_equals() -> None:
    found, _ = curve({"a": 0.5, "b": 0.24, "c": 0.24}.__getitem__, 0.25)
    search_among(found, ["a", "b", "c"])
    assert found.best() == "b"
