"""MK-UNet: its parts by hand, and its output, a map."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench.case import Case, MethodCall
from bench.counting.count import count
from bench.models import BACKBONES
from bench.models.mk_unet import (
    WIDTHS,
    AttentionGate,
    ChannelAttention,
    MKUNet,
    MultiKernel,
    MultiKernelBlock,
    SpatialAttention,
)
from bench.network import check_answer, prepare


def by_hand(widths: tuple[int, ...], classes: int = 1) -> int:
    """Parameters of the definition without the three outputs that training adds."""

    def block(i: int, o: int) -> int:
        wide = 2 * i
        kernels = wide * (1 + 9 + 25) + 3 * 2 * wide
        return i * wide + 2 * wide + kernels + wide * o + 2 * o + (i * o if i != o else 0)

    def gate(c: int) -> int:
        half = c // 2
        return 2 * (2 * 9 * half + half + 2 * half) + half + 1 + 2

    up = widths[::-1]
    total = sum(map(block, (3, *widths), widths)) + sum(map(block, up, (*up[1:], widths[0])))
    hidden = [max(1, c // r) for c, r in zip(up, (16, 16, 16, 8, 4), strict=True)]
    total += sum(2 * c * h for c, h in zip(up, hidden, strict=True)) + sum(map(gate, up[1:])) + 2 * 49
    return total + widths[0] * classes + classes


@pytest.mark.parametrize(
    ("name", "size", "params"),
    [
        ("mk_unet_t", "t", 27_353),
        ("mk_unet_s", "s", 92_991),
        ("mk_unet", "base", 315_451),
        ("mk_unet_m", "m", 1_149_939),
        ("mk_unet_l", "l", 3_757_667),
    ],
)
def test_parameters_by_hand(name: str, size: str, params: int) -> None:
    network = BACKBONES.get(name).network()
    assert sum(p.numel() for p in network.parameters()) == by_hand(WIDTHS[size]) == params


def test_three_witnesses_agree_and_shared_layers_count_their_parameters_once() -> None:
    network = BACKBONES.get("mk_unet_t").network()
    counts = count(network, torch.randn(1, 3, 64, 64))
    assert counts.disagreements == ()
    space = [layer for layer in counts.layers if layer.name == "space.conv"]
    assert [layer.params for layer in space] == [98, 0, 0, 0, 0]
    assert [layer.macs for layer in space] == [98 * side * side for side in (2, 4, 8, 16, 32)]


@pytest.mark.parametrize("classes", [1, 3])
def test_the_output_is_a_map_as_large_as_the_image(classes: int) -> None:
    network = BACKBONES.get("mk_unet_t").network(classes=classes)
    with torch.no_grad():
        assert network(torch.randn(2, 3, 64, 96)).shape == (2, classes, 64, 96)


def test_an_image_that_cannot_be_halved_five_times_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="an image of 48×64 cannot be halved 5 times: multiples of 32 work"):
        MKUNet(WIDTHS["t"], 1)(torch.randn(1, 3, 48, 64))


def test_kernels_of_three_sizes_are_summed() -> None:
    kernels = MultiKernel(4).eval()
    x = torch.randn(1, 4, 11, 11)
    torch.testing.assert_close(kernels(x), sum(branch(x) for branch in kernels.branches))
    assert [branch[0].kernel_size for branch in kernels.branches] == [(1, 1), (3, 3), (5, 5)]  # type: ignore[index]


def test_a_block_shuffles_before_it_projects() -> None:
    block = MultiKernelBlock(4, 6).eval()
    x = torch.randn(1, 4, 5, 5)
    mixed = block.kernels(block.expand(x))
    order = torch.arange(8).view(2, 4).T.flatten()  # gcd(8, 6) = 2 groups
    torch.testing.assert_close(block(x), block.project(mixed[:, order]) + block.shortcut(x))
    assert isinstance(MultiKernelBlock(4, 4).shortcut, nn.Identity)


def test_attentions_weigh_and_keep_the_shape() -> None:
    x = torch.rand(2, 32, 6, 5) + 0.5
    by_channel = ChannelAttention(32, 16)(x) / x
    torch.testing.assert_close(by_channel, by_channel[:, :, :1, :1].expand_as(x))
    by_pixel = SpatialAttention()(x) / x
    torch.testing.assert_close(by_pixel, by_pixel[:, :1].expand_as(x))
    by_gate = AttentionGate(32).eval()(x, torch.randn(2, 32, 6, 5)) / x
    torch.testing.assert_close(by_gate, by_gate[:, :1].expand_as(x))
    assert ChannelAttention(8, 16).squeeze.out_channels == 1


def test_methods_leave_the_layer_that_makes_the_map() -> None:
    case = Case("mk_unet_t", (MethodCall("csr_conv", {"T": 2}),), input=(3, 64, 64))
    rewritten, _ = prepare(case)
    assert {item.name: item.reason for item in rewritten.left}["head"] == "makes the output"
    check_answer(rewritten.network, case)


def test_bug_channels_behind_a_shuffle_would_be_removed_as_if_it_were_not_there() -> None:
    case = Case("mk_unet_t", (MethodCall("filter_l1", {"ratio": 0.5}),), input=(3, 64, 64))
    with pytest.raises(
        ValueError, match=r"channels of down\.0\.shuffle \(ChannelShuffle\) cannot be removed"
    ):
        prepare(case)
