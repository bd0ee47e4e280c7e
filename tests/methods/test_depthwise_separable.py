from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from method_checks import alone, counts, left, rewrite, single, sound, tiny
from torch import nn


@settings(deadline=None, derandomize=True, max_examples=15)
@given(
    ci=st.integers(1, 9),
    co=st.integers(1, 9),
    kernel=st.sampled_from([3, 5]),
    stride=st.sampled_from([1, 2]),
)
def test_shape_and_equation(ci: int, co: int, kernel: int, stride: int) -> None:
    dense = single(ci, co, kernel, stride)
    network = rewrite(dense, "depthwise_separable", alone(ci)).network
    x = torch.randn(2, ci, 8, 8)
    with torch.no_grad():
        assert network(x).shape == dense(x).shape
    found = counts(network, (ci, 8, 8))
    assert found.params == found.logical_params == ci * kernel**2 + ci * co
    assert found.macs == found.executed_macs == (8 // stride) ** 2 * (ci * kernel**2 + ci * co)


def test_it_equals_one_dense_convolution_of_rank_one_kernels() -> None:
    layer: Any = rewrite(single(5, 7, 3), "depthwise_separable", alone(5)).network.conv
    weight = layer[1].weight * layer[0].weight.transpose(0, 1)
    x = torch.randn(2, 5, 6, 6)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), F.conv2d(x, weight, None, 1, 1), rtol=1e-4, atol=1e-5)


def test_tiny_network_by_hand() -> None:
    found = counts(rewrite(tiny(), "depthwise_separable").network)
    assert found.params == found.logical_params == 216 + (72 + 64) + (72 + 128) + 192 + 65
    macs = 64 * 216 + 64 * (72 + 64) + 16 * (72 + 128) + 16 * 192 + 60
    assert found.macs == found.executed_macs == macs
    assert found.weight_bytes == 4 * found.params


def test_sound() -> None:
    sound(rewrite(tiny(bias=True), "depthwise_separable").network)


def test_what_is_left() -> None:
    assert left(rewrite(tiny(), "depthwise_separable"))["point"] == "1×1 kernel: it has no depthwise part"
    network = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Conv2d(8, 8, 3, groups=2))
    with pytest.raises(ValueError, match=r"nothing to replace .depthwise convolution; grouped convolution"):
        rewrite(network.eval(), "depthwise_separable", alone(8))
