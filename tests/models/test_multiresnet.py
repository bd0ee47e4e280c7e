"""MultiresNet against its recursion by hand and the counts of its definition."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bench.counting.count import count
from bench.models import BACKBONES
from bench.models.multiresnet import MultiresBlock, MultiresConv, levels


def by_hand(tree: MultiresConv, x: Tensor) -> Tensor:
    """The same sum, place by place: what lies before the beginning is zero."""
    channels, _, _, taps = tree.low.shape

    def filtered(a: Tensor, taps_of: Tensor, dilation: int) -> Tensor:
        out = torch.zeros_like(a)
        for n in range(a.shape[3]):
            for k in range(taps):
                past = n - dilation * (taps - 1 - k)
                if past >= 0:
                    out[..., n] += taps_of[:, 0, :, k] * a[..., past]
        return out

    y, smooth = tree.weight[0] * x, x
    for level in range(tree.depth):
        y = y + tree.weight[level + 1] * filtered(smooth, tree.high, 2**level)
        smooth = filtered(smooth, tree.low, 2**level)
    assert channels == x.shape[1]
    return y + tree.weight[-1] * smooth


@settings(deadline=None, derandomize=True, max_examples=15)
@given(channels=st.integers(1, 4), taps=st.integers(2, 4), depth=st.integers(1, 4), length=st.integers(1, 12))
def test_tree_by_hand(channels: int, taps: int, depth: int, length: int) -> None:
    torch.manual_seed(channels + depth)
    tree = MultiresConv(channels, taps, depth)
    x = torch.randn(2, channels, 1, length)
    with torch.no_grad():
        torch.testing.assert_close(tree(x), by_hand(tree, x))
    found = count(nn.Sequential(tree), x[:1])
    assert found.disagreements == ()
    assert found.params == channels * (2 * taps + depth + 2)
    assert found.macs == found.executed_macs == depth * 2 * channels * taps * length


def test_it_is_causal_and_sees_the_whole_past() -> None:
    length = 40
    tree = MultiresConv(1, 2, levels(length, 2))
    x = torch.zeros(1, 1, 1, length, requires_grad=True)
    (of_the_last,) = torch.autograd.grad(tree(x)[0, 0, 0, -1], x)
    assert (of_the_last != 0).all()
    (of_the_tenth,) = torch.autograd.grad(tree(x)[0, 0, 0, 10], x)
    assert not of_the_tenth[..., 11:].any()


@pytest.mark.parametrize(("length", "taps", "depth"), [(1024, 2, 10), (1024, 3, 10), (2, 2, 1), (1000, 4, 9)])
def test_levels_reach_the_first_place(length: int, taps: int, depth: int) -> None:
    assert levels(length, taps) == depth
    assert 1 + (taps - 1) * (2**depth - 1) >= length > 1 + (taps - 1) * (2 ** (depth - 1) - 1)


def test_a_block_normalises_over_channels() -> None:
    y = MultiresBlock(8, 2, 3)(torch.randn(2, 8, 1, 5))
    torch.testing.assert_close(y.mean(1), torch.zeros(2, 1, 5), atol=1e-5, rtol=0)


def test_counts_of_the_definition() -> None:
    found = count(BACKBONES.get("multiresnet").network(), torch.randn(1, 3, 32, 32))
    assert found.disagreements == ()
    block = 256 * (2 * 2 + 10 + 2) + (256 * 512 + 512) + 2 * 256
    assert found.params == (3 * 256 + 256) + 10 * block + 2570 == 1_365_514
    macs = 1024 * (3 * 256 + 10 * (10 * 2 * 256 * 2 + 256 * 512)) + 2560
    assert found.macs == found.executed_macs == macs == 1_447_823_872
    assert math.isclose(found.weight_bytes, 4 * found.params)


def test_pixels_are_read_row_by_row() -> None:
    network = BACKBONES.get("multiresnet").network()
    image = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network(image), network(image.reshape(1, 3, 1, 1024)))
        assert not torch.allclose(network(image), network(image.transpose(2, 3)))
