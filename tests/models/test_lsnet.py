"""LSNet: its parts by hand; parameters and MACs of T and S are rows of the published figures."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bench.counting.count import count
from bench.counting.protocols import HasActivationMacs, HasClosedForm
from bench.methods import METHODS
from bench.methods.parts.method import Context
from bench.models import BACKBONES
from bench.models.lsnet import SIZES, Aggregation, Attention, Local, LSConv


def by_hand(size: str) -> int:
    """Parameters with BatchNorm folded and the depthwise branches merged, counted from the definition."""

    def conv(i: int, o: int, k: int = 1, groups: int = 1) -> int:
        return k * k * i * o // groups + o

    def mixer(c: int, at: int, last: bool) -> int:
        if at % 2 == 0:
            return conv(c, c, 3, c) + conv(c, c // 4) + conv(c // 4, c)
        if last:
            return conv(c, 128 + c) + conv(64, 64, 3, 64) + conv(c, c) + 4 * 16
        kernels = 9 * c // 8
        perceive = conv(c, c // 2) + conv(c // 2, c // 2, 7, c // 2) + conv(c // 2, c // 2)
        return perceive + conv(c // 2, kernels) + 2 * kernels + 2 * c

    widths, blocks = SIZES[size].widths, SIZES[size].blocks
    first = widths[0]
    total = conv(3, first // 4, 3) + conv(first // 4, first // 2, 3) + conv(first // 2, first, 3)
    total += sum(conv(a, a, 3, a) + conv(a, b) for a, b in pairwise(widths))
    for stage, (c, n) in enumerate(zip(widths, blocks, strict=True)):
        total += sum(mixer(c, at, stage == 3) + conv(c, 2 * c) + conv(2 * c, c) for at in range(n))
    return total + conv(widths[-1], 1000)


@pytest.mark.parametrize(("size", "params"), [("t", 11_370_488), ("s", 16_098_232), ("b", 23_249_320)])
def test_parameters_by_hand(size: str, params: int) -> None:
    network = BACKBONES.get(f"lsnet_{size}").network()
    assert sum(p.numel() for p in network.parameters()) == by_hand(size) == params


def test_products_between_activations_stand_beside_the_macs_and_in_no_witness() -> None:
    """T at 64×64: stages of 8, 4, 2 and 1 pixels a side, and blocks 0, 2, 8 and 10."""
    counts = count(BACKBONES.get("lsnet_t").network(), torch.randn(1, 3, 64, 64))
    assert counts.disagreements == ()
    aggregation = 9 * (1 * 128 * 4 * 4 + 4 * 256 * 2 * 2)
    attention = (
        5 * 4 * (16 + 96)
    )  # five blocks, four heads: keys of 16 channels and values of 96, one position
    assert counts.activation_macs == aggregation + attention
    assert sum(layer.executed_macs for layer in counts.layers) == counts.executed_macs
    assert not [layer for layer in counts.layers if layer.kind == "Aggregation"]


def test_other_networks_have_no_products_between_activations() -> None:
    assert count(BACKBONES.get("resnet20").network(), torch.randn(1, 3, 32, 32)).activation_macs == 0


def test_an_aggregation_announces_its_products_and_no_closed_form() -> None:
    assert isinstance(Aggregation(), HasActivationMacs)
    assert not isinstance(Aggregation(), HasClosedForm)
    assert Aggregation().activation_macs((1, 16, 5, 7)) == 9 * 16 * 5 * 7


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 2), st.integers(1, 3), st.integers(1, 6), st.integers(1, 6))
def test_aggregation_is_a_weighted_sum_of_neighbours(
    batch: int, eighth: int, height: int, width: int
) -> None:
    channels = 8 * eighth
    x = torch.randn(batch, channels, height, width, dtype=torch.float64)
    kernels = torch.randn(batch, eighth, 9, height, width, dtype=torch.float64)
    around = F.unfold(x, 3, padding=1).view(batch, channels, 9, height, width)
    own = kernels[:, [c % eighth for c in range(channels)]]
    torch.testing.assert_close(Aggregation()(x, kernels), (around * own).sum(2))


def test_a_kernel_with_its_centre_alone_copies_the_map() -> None:
    x, kernels = torch.randn(1, 16, 4, 4), torch.zeros(1, 2, 9, 4, 4)
    kernels[:, :, 4] = 1
    torch.testing.assert_close(Aggregation()(x, kernels), x)


def test_large_small_convolution_sees_nine_pixels_of_values_and_seven_of_weights() -> None:
    layer = LSConv(16).eval()
    x = torch.randn(1, 16, 21, 21, requires_grad=True)
    kernels: Tensor = layer.perceive(x)
    # The norm of the weights is over the whole map: what the convolutions see is in front of it.
    seen = layer.perceive.weigh(
        torch.relu(layer.perceive.mix(layer.perceive.large(layer.perceive.reduce(x))))
    )
    assert kernels.shape == (1, 2, 9, 21, 21)
    (gradient,) = torch.autograd.grad(seen[0, :, 10, 10].sum(), x)
    rows = gradient.abs().sum((0, 1, 3)).nonzero().flatten()
    assert (int(rows.min()), int(rows.max())) == (7, 13)


def test_the_merged_shortcut_is_in_the_centre() -> None:
    """A depthwise kernel of zeros and the merged shortcut give the map back, weighed by channel."""
    mixer = Local(8).eval()
    nn.init.zeros_(mixer.near.weight)
    assert mixer.near.bias is not None
    nn.init.zeros_(mixer.near.bias)
    with torch.no_grad():
        mixer.near.weight[:, :, 1, 1] += 1
    x = torch.rand(1, 8, 5, 5) + 0.5
    ratio = mixer(x) / x
    torch.testing.assert_close(ratio, ratio[:, :, :1, :1].expand_as(ratio))


def test_attention_by_hand() -> None:
    layer = Attention(32).eval()
    x = torch.randn(2, 32, 3, 2)
    q, k, v = layer.project_in(x).split([64, 64, 32], 1)
    q = layer.spread(q)
    places = [(row, column) for row in range(3) for column in range(2)]
    out = torch.zeros(2, 32, 3, 2)
    for head in range(4):
        scores = torch.empty(2, 6, 6)
        for a, (ra, ca) in enumerate(places):
            for b, (rb, cb) in enumerate(places):
                product = (
                    q[:, 16 * head : 16 * head + 16, ra, ca] * k[:, 16 * head : 16 * head + 16, rb, cb]
                ).sum(1)
                scores[:, a, b] = product / 4 + layer.biases[head, 4 * abs(ra - rb) + abs(ca - cb)]
        share = scores.softmax(-1)
        for a, (ra, ca) in enumerate(places):
            values = torch.stack([v[:, 8 * head : 8 * head + 8, rb, cb] for rb, cb in places], 1)
            out[:, 8 * head : 8 * head + 8, ra, ca] = (share[:, a, :, None] * values).sum(1)
    torch.testing.assert_close(layer(x), x + layer.project_out(out))


def test_a_map_too_large_for_the_attention_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match=r"map is 5×4; its attention has biases for at most 4×4"):
        Attention(32)(torch.randn(1, 32, 5, 4))


def test_bug_removing_channels_of_dynamic_kernels_took_all_memory() -> None:
    network, context = BACKBONES.get("lsnet_t").network(), Context(0, (3, 64, 64))
    prepare = METHODS.get("filter_l1").prepare
    assert prepare is not None
    with pytest.raises(ValueError, match=r"channels of stages\.1\.3\.0\.aggregate \(Aggregation\) cannot be"):
        prepare(network, context, ratio=0.5)
