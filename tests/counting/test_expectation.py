"""Means over inputs that leave at several exits."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.counting.counts import Counts, LayerCounts
from bench.counting.expectation import expected, mean


@given(
    st.lists(st.tuples(st.integers(0, 10**15), st.integers(0, 64)), min_size=1, max_size=8).filter(
        lambda pairs: any(number for _, number in pairs)
    )
)
def test_the_mean_is_exact_to_half_a_unit(pairs: list[tuple[int, int]]) -> None:
    values, left = [v for v, _ in pairs], [n for _, n in pairs]
    exact = Fraction(sum(v * n for v, n in pairs), sum(left))
    assert abs(mean(values, left) - exact) <= Fraction(1, 2)
    reached = [v for v, n in pairs if n]
    assert min(reached) <= mean(values, left) <= max(reached)


def way(macs: int, *names: str, disagreements: tuple[str, ...] = ()) -> Counts:
    layers = tuple(LayerCounts(name, "Conv2d", (3,), (4,), 5, 5, 10, 10, 10, 10) for name in names)
    return Counts(
        params=5 * len(names),
        logical_params=5 * len(names),
        macs=macs,
        executed_macs=2 * macs,
        flops=4 * macs,
        other_elements=macs + 1,
        weight_bytes=20 * len(names),
        witnesses={"closed_form": 2 * macs, "fvcore": 2 * macs},
        disagreements=disagreements,
        layers=layers,
    )


def test_the_expectation_of_three_exits_by_hand() -> None:
    ways = [way(100, "a"), way(200, "a", "b", disagreements=("b: no",)), way(300, "a", "b", "c")]
    found = expected(ways, ("one", "two", "end"), (2, 1, 1))
    assert (found.macs, found.executed_macs, found.flops, found.other_elements) == (175, 350, 700, 176)
    assert found.witnesses == {"closed_form": 350, "fvcore": 350}
    assert (found.params, found.weight_bytes) == (15, 60)
    assert [(row.name, row.share) for row in found.layers] == [("a", 1.0), ("b", 0.5), ("c", 0.25)]
    assert [(e.name, e.inputs, e.macs, e.executed_macs) for e in found.exits] == [
        ("one", 2, 100, 200),
        ("two", 1, 200, 400),
        ("end", 1, 300, 600),
    ]
    assert found.disagreements == ("leaving at two: b: no",)


def test_a_network_without_exits_has_whole_shares() -> None:
    row = way(100, "a").layers[0]
    assert row.share == 1.0
    assert way(100, "a").exits == ()


def test_shares_and_ways_of_different_number_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="zip"):
        mean([1, 2], [1])
