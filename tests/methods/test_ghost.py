from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_checks import alone, counts, left, rewrite, single, sound, tiny
from torch import nn

from bench.errors import InputError
from bench.plan.knobs import check_call


@settings(deadline=None, derandomize=True, max_examples=20)
@given(
    ci=st.integers(1, 9),
    co=st.integers(4, 13),
    kernel=st.sampled_from([1, 3, 5]),
    stride=st.sampled_from([1, 2]),
    ratio=st.integers(2, 4),
    dw=st.sampled_from([1, 3, 5]),
    relu=st.booleans(),
)
def test_shape_and_equation(
    ci: int, co: int, kernel: int, stride: int, ratio: int, dw: int, relu: bool
) -> None:
    dense = single(ci, co, kernel, stride)
    network = rewrite(dense, "ghost", alone(ci), ratio=ratio, dw=dw, relu=relu).network
    x = torch.randn(2, ci, 8, 8)
    with torch.no_grad():
        y = network(x)
        assert y.shape == dense(x).shape
    assert not relu or bool((y >= 0).all())
    m = math.ceil(co / ratio)
    weights = ci * m * kernel**2 + m * (ratio - 1) * dw**2
    found = counts(network, (ci, 8, 8))
    assert found.params == found.logical_params == weights + 2 * m * ratio
    assert found.macs == found.executed_macs == (8 // stride) ** 2 * weights


def test_the_first_channels_are_the_primary_ones() -> None:
    layer: Any = rewrite(single(4, 7, 3), "ghost", alone(4)).network.conv
    x = torch.randn(2, 4, 6, 6)
    with torch.no_grad():
        primary = layer.primary(x)
        expected = torch.cat([primary, layer.cheap(primary)], 1)
        assert expected.shape[1] == 8
        torch.testing.assert_close(layer(x), expected[:, :7])


def test_tiny_network_by_hand() -> None:
    rewritten = rewrite(tiny(), "ghost")
    assert [entry.name for entry in rewritten.replaced] == ["same", "wide", "point"]
    found = counts(rewritten.network)
    norms = 2 * 8 + 2 * 16 + 2 * 12
    same, wide, point = 8 * 4 * 9 + 4 * 9, 8 * 8 * 9 + 8 * 9, 16 * 6 + 6 * 9
    assert found.params == found.logical_params == 216 + same + wide + point + norms + 65
    assert found.macs == found.executed_macs == 64 * 216 + 64 * same + 16 * (wide + point) + 60
    # Statistics are stored too: mean and variance in four bytes, one counter of eight per BatchNorm.
    assert found.weight_bytes == 4 * (found.params + norms) + 6 * 8


@pytest.mark.parametrize("relu", [False, True])
def test_sound(relu: bool) -> None:
    sound(rewrite(tiny(bias=True), "ghost", relu=relu).network)


def test_what_is_left() -> None:
    network = nn.Sequential(
        nn.Conv2d(8, 8, 3, padding=1, groups=8),
        nn.Conv2d(8, 8, 3, groups=2),
        nn.Conv2d(8, 3, 1),
        nn.Conv2d(3, 8, 1),
    )
    rewritten = rewrite(network.eval(), "ghost", alone(8), ratio=4)
    assert left(rewritten) == {
        "0": "depthwise convolution",
        "1": "grouped convolution",
        "2": "3 output channels are fewer than the ratio 4",
    }


@pytest.mark.parametrize(
    ("knobs", "words"), [({"ratio": 1}, "at least 2 outputs"), ({"dw": 2}, "odd kernel")]
)
def test_bad_knobs(knobs: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_call("ghost", knobs)
