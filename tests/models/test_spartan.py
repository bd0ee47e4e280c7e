"""SpaRTAN: its mixers by hand; parameters and MACs of T are rows of the published figures."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.counting.count import count
from bench.models import BACKBONES
from bench.models.spartan import SpatialMixer, WaveMixer


def test_three_witnesses_agree_and_the_first_half_is_dense() -> None:
    network = BACKBONES.get("spartan_t").network()
    counted = count(network, torch.randn(1, 3, 64, 64))
    assert counted.disagreements == ()
    assert counted.params == 3_820_296
    mixers = [module for module in network.modules() if isinstance(module, SpatialMixer)]
    assert [mixer.wide.groups for mixer in mixers] == [1] * 6 + [64] * 12 + [128] * 2
    groups = [m.conv[0].groups for m in network.modules() if isinstance(m, WaveMixer)]
    assert groups == [128] * 3 + [256] * 3 + [128] * 12 + [256] * 2


@pytest.mark.parametrize(("branch", "reach"), [("near", 3), ("wide", 9)])
def test_reach_of_both_branches(branch: str, reach: int) -> None:
    mixer = SpatialMixer(16, depthwise=True).eval()
    x = torch.randn(1, 8, 21, 21, requires_grad=True)
    out: Tensor = mixer.near(x) if branch == "near" else mixer.wider(mixer.wide(x))
    out[0, :, 10, 10].sum().backward()
    assert x.grad is not None
    rows = x.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert int(rows.max() - rows.min()) + 1 == reach


def test_contrast_moves_channels_away_from_their_mean() -> None:
    mixer = SpatialMixer(16, depthwise=True).eval()
    seen: list[Tensor] = []
    mixer.near.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0]))
    x = torch.randn(1, 16, 5, 5)
    mixer(x)
    nn.init.ones_(mixer.contrast)
    mixer(x)
    reduced = mixer.reduce(x)
    torch.testing.assert_close(seen[0], reduced, atol=1e-4, rtol=0)
    torch.testing.assert_close(seen[1], 2 * reduced - reduced.mean((2, 3), keepdim=True))


def test_turning_is_a_complex_product() -> None:
    mixer = WaveMixer(8, 2, grouped=True)
    wave = torch.randn(2, 16, 3, 3)
    pairs = torch.view_as_complex(wave.permute(0, 2, 3, 1).reshape(2, 3, 3, 8, 2).contiguous())
    expected = torch.view_as_real(pairs * torch.view_as_complex(mixer.turn))
    torch.testing.assert_close(mixer._turned(wave), expected.reshape(2, 3, 3, 16).permute(0, 3, 1, 2))


def test_the_strongest_channel_is_added_to_all_others() -> None:
    """A phase of 100 and an amplitude of 3 in the strongest channel alone: every wave gets 300."""
    mixer = WaveMixer(8, 2, grouped=True).eval()
    seen: list[Tensor] = []
    mixer.conv.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0]))
    convs: tuple[tuple[Any, float], ...] = ((mixer.phase, 100.0), (mixer.amplitude, 3.0))  # gelu(100) is 100
    for conv, bias in convs:
        nn.init.zeros_(conv.weight)
        nn.init.zeros_(conv.bias)
        conv.bias.data[5] = bias
    mixer.turn.data[:] = torch.tensor([1.0, 0.0])
    x = torch.zeros(1, 8, 2, 2)
    x[:, 5] = 1
    mixer(x)
    expected = torch.full((16,), 300.0)
    expected[5] = 600
    torch.testing.assert_close(seen[0], expected[:, None, None].expand(16, 2, 2)[None])
