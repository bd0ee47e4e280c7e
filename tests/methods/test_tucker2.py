from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_checks import alone, counts, rewrite, single, tiny


@pytest.mark.parametrize(("channels", "rank", "params"), [(64, 16, 4352), (256, 64, 69632)])
def test_reference_counts(channels: int, rank: int, params: int) -> None:
    network = rewrite(single(channels, channels, 3), "tucker2", alone(channels), rank=rank).network
    assert counts(network, (channels, 4, 4)).params == params


@settings(deadline=None, derandomize=True, max_examples=15)
@given(
    ci=st.integers(2, 10),
    co=st.integers(2, 10),
    ratio=st.sampled_from([0.3, 0.5, 1.0]),
    stride=st.sampled_from([1, 2]),
    side=st.integers(4, 9),
)
def test_equation(ci: int, co: int, ratio: float, stride: int, side: int) -> None:
    network: Any = rewrite(single(ci, co, 3, stride), "tucker2", alone(ci), ratio=ratio).network
    r1, r2 = network.conv.ranks
    assert (r1, r2) == (max(1, round(ratio * ci)), max(1, round(ratio * co)))
    out = -(-side // stride)
    found = counts(network, (ci, side, side))
    assert found.params == ci * r1 + 9 * r1 * r2 + r2 * co
    assert found.macs == side * side * ci * r1 + out * out * (9 * r1 * r2 + r2 * co)


def test_bases_are_orthonormal_and_the_core_is_the_projection() -> None:
    layer: Any = rewrite(single(8, 12, 3), "tucker2", alone(8), ratio=0.5).network.conv
    inner, outer = layer[0].weight[:, :, 0, 0], layer[2].weight[:, :, 0, 0]
    torch.testing.assert_close(inner @ inner.T, torch.eye(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(outer.T @ outer, torch.eye(6), atol=1e-5, rtol=0)


def test_tiny_network_by_hand() -> None:
    found = counts(rewrite(tiny(), "tucker2", rank=2).network)
    rest = 216 + 192 + 65
    assert found.params == found.logical_params == rest + (16 + 36 + 16) + (16 + 36 + 32)
    macs = 64 * 216 + 16 * 192 + 60
    macs += 64 * (16 + 36 + 16) + 64 * 16 + 16 * (36 + 32)
    assert found.macs == found.executed_macs == macs
    assert found.weight_bytes == 4 * found.params
