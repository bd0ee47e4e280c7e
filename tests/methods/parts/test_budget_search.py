from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.methods.parts.budget_search import Option, choose, front, hull

entries = st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), min_size=0, max_size=4).map(
    lambda pairs: [
        Option(0, 20.0, 0.0),
        *(Option(i + 1, float(cost), float(loss)) for i, (cost, loss) in enumerate(pairs)),
    ]
)
layers = st.lists(entries, min_size=1, max_size=4).map(
    lambda found: {f"l{i}": e for i, e in enumerate(found)}
)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(options=layers, share=st.floats(0.05, 1.0))
def test_it_fits_the_budget_and_is_one_step_from_the_best(
    options: dict[str, list[Option]], share: float
) -> None:
    limit = share * 20 * len(options)
    every = [c for c in itertools.product(*options.values()) if sum(o.cost for o in c) <= limit]
    if not every:
        with pytest.raises(ValueError, match="the cheapest choice costs"):
            choose(options, limit)
        return
    chosen = choose(options, limit)
    assert sum(o.cost for o in chosen.values()) <= limit
    best = min(sum(o.loss for o in c) for c in every)
    largest = max(o.loss for found in options.values() for o in found)
    assert best <= sum(o.loss for o in chosen.values()) <= best + largest
    assert choose(dict(reversed(options.items())), limit) == chosen


def test_by_hand() -> None:
    options = {
        "cheap to cut": [Option(0, 10, 0), Option(8, 2, 0.1)],
        "dear to cut": [Option(0, 10, 0), Option(8, 2, 0.9)],
    }
    assert {n: o.rank for n, o in choose(options, 20).items()} == {"cheap to cut": 0, "dear to cut": 0}
    assert {n: o.rank for n, o in choose(options, 15).items()} == {"cheap to cut": 8, "dear to cut": 0}
    assert {n: o.rank for n, o in choose(options, 4).items()} == {"cheap to cut": 8, "dear to cut": 8}


def test_spare_budget_buys_loss_back() -> None:
    options = {"a": [Option(0, 10, 0), Option(16, 9, 5), Option(8, 2, 5.5)]}
    assert hull(front(options["a"])) == [Option(8, 2, 5.5), Option(0, 10, 0)]
    assert choose(options, 9.5)["a"].rank == 16
    assert choose(options, 8)["a"].rank == 8


def test_the_front_drops_what_costs_more_and_loses_more() -> None:
    slow = Option(4, 12, 0.5)
    assert slow not in front([Option(0, 10, 0), slow, Option(8, 5, 0.3)])
