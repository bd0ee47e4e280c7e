from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from method_checks import alone, counts, left, rewrite, single, sound, tiny
from torch import Tensor, nn

from bench.errors import InputError
from bench.methods.lean_conv import STENCILS, LeanConv2d
from bench.plan.knobs import check_call


def as_dense(lean: LeanConv2d) -> Tensor:
    """The weight (Co, Ci, 3, 3) of the one dense convolution that a lean layer is."""
    point, stencil = lean.point, lean.stencil
    weight = torch.zeros(point.out_channels, point.in_channels, 3, 3)
    weight[:, :, 1, 1] = point.weight[:, :, 0, 0]
    for channel in range(stencil.channels):
        first = channel // stencil.group_size * stencil.group_size
        for j in range(stencil.group_size):
            for tap, position in enumerate(stencil.positions):
                weight[channel, first + j, position // 3, position % 3] += stencil.taps[channel, j, tap]
    return weight


@settings(deadline=None, derandomize=True, max_examples=20)
@given(
    groups=st.integers(1, 4),
    group_size=st.sampled_from([1, 2, 3]),
    extra=st.sampled_from([(0, 0), (3, 0), (0, 5)]),
    variant=st.sampled_from(list(STENCILS)),
    stride=st.sampled_from([1, 2]),
    side=st.integers(3, 9),
    bias=st.booleans(),
)
def test_it_equals_one_dense_3x3(
    groups: int, group_size: int, extra: tuple[int, int], variant: str, stride: int, side: int, bias: bool
) -> None:
    ci, co = groups * group_size + extra[0], groups * group_size + extra[1]
    lean = LeanConv2d(ci, co, variant, group_size, (stride, stride), bias=bias)
    x = torch.randn(2, ci, side, side)
    with torch.no_grad():
        expected = F.conv2d(x, as_dense(lean), lean.point.bias, stride, 1)
        torch.testing.assert_close(lean(x), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(lean(x), expected, rtol=1e-4, atol=1e-5)


def test_the_corners_of_the_four_point_form_are_zero_and_its_centre_is_the_1x1() -> None:
    lean = LeanConv2d(4, 4)
    weight = as_dense(lean)
    assert not weight[:, :, ::2, ::2].any()
    torch.testing.assert_close(weight[:, :, 1, 1], lean.point.weight[:, :, 0, 0])


@pytest.mark.parametrize(("variant", "taps"), [("4-point", 4), ("5-point", 5), ("3x3", 9)])
def test_four_counts_of_a_square_layer(variant: str, taps: int) -> None:
    network = rewrite(single(64, 64, 3), "lean_conv", alone(64), variant=variant).network
    found = counts(network, (64, 8, 8))
    assert found.params == found.logical_params == 64 * 64 + taps * 64
    assert found.macs == 8 * 8 * (64 * 64 + taps * 64)
    assert found.executed_macs == 8 * 8 * (64 * 64 + 9 * 64)
    assert found.weight_bytes == 4 * found.params


def test_published_count_against_the_dense_layer() -> None:
    dense = single(64, 64, 3)
    assert counts(dense, (64, 8, 8)).params == 36864
    assert counts(rewrite(dense, "lean_conv", alone(64)).network, (64, 8, 8)).params == 4352


def test_tiny_network_by_hand() -> None:
    rewritten = rewrite(tiny(), "lean_conv", group_size=2)
    assert left(rewritten) == {
        "stem": "the network's first convolution",
        "point": "1×1 kernel: only 3×3 is replaced",
    }
    found = counts(rewritten.network)
    rest = 3 * 8 * 9 + 16 * 12 + 12 * 5 + 5
    assert found.params == found.logical_params == rest + (64 + 4 * 2 * 8) + (128 + 4 * 2 * 8)
    other_macs = 64 * 216 + 16 * 192 + 60
    assert found.macs == other_macs + 64 * (64 + 4 * 16) + 16 * (128 + 4 * 16)
    assert found.executed_macs == other_macs + 64 * (64 + 9 * 16) + 16 * (128 + 9 * 16)


@pytest.mark.parametrize("variant", list(STENCILS))
def test_sound(variant: str) -> None:
    sound(rewrite(tiny(bias=True), "lean_conv", variant=variant).network)


def test_a_change_of_the_taps_is_seen_without_gradients() -> None:
    lean = LeanConv2d(3, 3)
    x = torch.randn(1, 3, 5, 5)
    with torch.no_grad():
        before = lean(x)
        lean.stencil.taps.zero_()
        torch.testing.assert_close(lean(x), lean.point(x))
    assert not torch.allclose(before, lean(x))


def test_where_the_form_is_not_defined_the_layer_is_left() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ok = nn.Conv2d(6, 6, 3, padding="same")
            self.valid = nn.Conv2d(6, 6, 3)
            self.wide = nn.Conv2d(6, 6, 5, padding=2)
            self.depthwise = nn.Conv2d(6, 6, 3, padding=1, groups=6)
            self.reflect = nn.Conv2d(6, 4, 3, padding=1, padding_mode="reflect")
            self.odd = nn.Conv2d(4, 7, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            return self.odd(self.reflect(self.depthwise(self.wide(self.valid(self.ok(x))))))  # type: ignore[no-any-return]

    rewritten = rewrite(Odd().eval(), "lean_conv", alone(6), group_size=3)
    assert [entry.name for entry in rewritten.replaced] == ["ok"]
    assert left(rewritten) == {
        "valid": "padding 0: the 1×1 would not meet the centre of the kernel",
        "wide": "5×5 kernel: only 3×3 is replaced",
        "depthwise": "depthwise convolution",
        "reflect": "padding mode reflect",
        "odd": "4 channels are no multiple of the group size 3",
    }


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"variant": "4-pint"}, "did you mean '4-point'"),
        ({"group_size": 0}, "at least 1 channel"),
    ],
)
def test_bad_knobs(knobs: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_call("lean_conv", knobs)
