from __future__ import annotations

from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_checks import alone, counts, rewrite, single, tiny


@settings(deadline=None, derandomize=True, max_examples=15)
@given(
    ci=st.integers(1, 12),
    co=st.integers(1, 12),
    ratio=st.sampled_from([0.3, 1.0]),
    stride=st.sampled_from([1, 2]),
)
def test_equation(ci: int, co: int, ratio: float, stride: int) -> None:
    network = rewrite(single(ci, co, 1, stride), "svd", alone(ci), ratio=ratio).network
    rank = max(1, round(ratio * min(ci, co)))
    found = counts(network, (ci, 8, 8))
    assert found.params == rank * (ci + co)
    assert found.macs == found.executed_macs == (8 // stride) ** 2 * rank * (ci + co)


def test_it_is_the_best_approximation_of_its_rank() -> None:
    dense = single(10, 14, 1)
    layer: Any = rewrite(dense, "svd", alone(10), rank=4).network.conv
    weight = dense.conv.weight[:, :, 0, 0]
    made = layer[1].weight[:, :, 0, 0] @ layer[0].weight[:, :, 0, 0]
    lost = torch.linalg.svdvals(weight)[4:].square().sum()
    torch.testing.assert_close((weight - made).square().sum(), lost)


def test_tiny_network_by_hand() -> None:
    found = counts(rewrite(tiny(), "svd", rank=3).network)
    assert found.params == found.logical_params == 216 + 576 + 1152 + 3 * (16 + 12) + 65
    macs = 64 * 216 + 64 * 576 + 16 * 1152 + 16 * 3 * 28 + 60
    assert found.macs == found.executed_macs == macs
