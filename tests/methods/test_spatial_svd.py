from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_checks import alone, counts, rewrite, single, tiny
from torch import nn


@settings(deadline=None, derandomize=True, max_examples=15)
@given(
    ci=st.integers(1, 10),
    co=st.integers(1, 10),
    kernel=st.sampled_from([3, 5]),
    ratio=st.sampled_from([0.3, 1.0]),
    stride=st.sampled_from([1, 2]),
)
def test_equation(ci: int, co: int, kernel: int, ratio: float, stride: int) -> None:
    network = rewrite(single(ci, co, kernel, stride), "spatial_svd", alone(ci), ratio=ratio).network
    rank = max(1, round(ratio * kernel * min(ci, co)))
    out = 8 // stride
    found = counts(network, (ci, 8, 8))
    assert found.params == kernel * rank * (ci + co)
    assert found.macs == found.executed_macs == kernel * rank * (out * 8 * ci + out * out * co)


def test_rectangular_strided_dilated_kernels() -> None:
    conv = nn.Conv2d(4, 6, (3, 5), (2, 1), (1, 4), (1, 2))
    network = rewrite(nn.Sequential(conv).eval(), "spatial_svd", alone(4), ratio=1.0).network
    x = torch.randn(2, 4, 9, 11)
    with torch.no_grad():
        torch.testing.assert_close(network(x), conv(x), rtol=1e-4, atol=1e-5)


def test_padding_in_words() -> None:
    conv = nn.Conv2d(4, 6, 3, padding="same", dilation=2)
    network = rewrite(nn.Sequential(conv).eval(), "spatial_svd", alone(4), ratio=1.0).network
    x = torch.randn(2, 4, 9, 11)
    with torch.no_grad():
        torch.testing.assert_close(network(x), conv(x), rtol=1e-4, atol=1e-5)


def test_tiny_network_by_hand() -> None:
    found = counts(rewrite(tiny(), "spatial_svd", rank=4).network)
    assert found.params == found.logical_params == 216 + 3 * 4 * 16 + 3 * 4 * 24 + 192 + 65
    macs = 64 * 216 + 64 * 192 + (4 * 8 * 3 * 8 * 4 + 16 * 3 * 4 * 16) + 16 * 192 + 60
    assert found.macs == found.executed_macs == macs
