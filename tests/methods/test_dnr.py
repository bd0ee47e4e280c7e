from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pruning_checks import CONTEXT, WEIGHTS, check_all, compressed, kept, masks, tiny

from bench.methods.dnr import prepare, proportional_counts


def test_holds_what_every_masking_method_holds() -> None:
    check_all("dnr")


def test_densities_are_proportional_to_the_momentum_by_hand() -> None:
    # c·(100·1 + 100·3 + 200·1) = 120 -> c = 0.2: densities 0.2, 0.6, 0.2
    assert proportional_counts({"a": 100, "b": 100, "c": 200}, {"a": 1, "b": 3, "c": 1}, 120) == {
        "a": 20,
        "b": 60,
        "c": 40,
    }


def test_a_full_layer_passes_its_surplus_on() -> None:
    # b would have density 2: it is full, and a shares the other 50 of its 100
    assert proportional_counts({"a": 100, "b": 10}, {"a": 1, "b": 9}, 60) == {"a": 50, "b": 10}


@given(
    layers=st.lists(st.tuples(st.integers(1, 500), st.floats(0, 10)), min_size=1, max_size=6),
    share=st.floats(0.01, 1),
)
@settings(deadline=None, derandomize=True, max_examples=30)
def test_counts_add_up_and_fit(layers: list[tuple[int, float]], share: float) -> None:
    sizes = {str(at): size for at, (size, _) in enumerate(layers)}
    means = {str(at): mean for at, (_, mean) in enumerate(layers)}
    total = max(1, int(share * sum(sizes.values())))
    if not any(means.values()):
        with pytest.raises(ValueError, match="momentum is zero"):
            proportional_counts(sizes, means, total)
        return
    counts = proportional_counts(sizes, means, total)
    assert sum(counts.values()) == total
    assert all(0 <= counts[name] <= sizes[name] for name in sizes)


def test_each_layer_keeps_its_largest_weights() -> None:
    dense = tiny()
    counts = prepare(dense, CONTEXT, density=0.3)
    pruned = compressed("dnr", dense, {"density": 0.3}).network
    assert kept(pruned) == counts
    for name, mask in masks(pruned).items():
        weight = dense.get_parameter(f"{name}.weight").abs()
        if 0 < counts[name] < WEIGHTS[name]:
            assert weight[mask].min() >= weight[~mask].max()
