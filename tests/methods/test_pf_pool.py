from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_checks import alone, counts, left, rewrite, single, sound, tiny
from torch import nn

from bench.methods import Context
from bench.models import BACKBONES


def test_published_figures_of_resnet50() -> None:
    network = BACKBONES.get("torchvision/resnet50").network()
    rewritten = rewrite(network, "pf_pool", Context(input=(3, 224, 224)))
    assert len(rewritten.replaced) == 16
    found = counts(rewritten.network, (3, 224, 224))
    assert found.params == found.logical_params == 14_232_232
    assert found.macs == found.executed_macs
    assert round(found.macs / 1e9, 3) == 2.239


@settings(deadline=None, derandomize=True, max_examples=10)
@given(channels=st.integers(1, 9), stride=st.sampled_from([1, 2]), side=st.integers(3, 9))
def test_shape_and_meaning(channels: int, stride: int, side: int) -> None:
    dense = single(channels, channels, 3, stride)
    network = rewrite(dense, "pf_pool", alone(channels)).network
    x = torch.randn(2, channels, side, side)
    with torch.no_grad():
        y = network(x)
        assert y.shape == dense(x).shape
    assert torch.equal(y[:, :, 1, 1], x[:, :, stride - 1 : stride + 2, stride - 1 : stride + 2].amax((2, 3)))


def test_tiny_network_by_hand() -> None:
    rewritten = rewrite(tiny(), "pf_pool")
    assert left(rewritten) == {
        "stem": "the network's first convolution",
        "wide": "8→16 channels: a pooling keeps their number",
        "point": "1×1 kernel: only 3×3 is replaced",
    }
    found = counts(rewritten.network)
    assert found.params == found.logical_params == 216 + 1152 + 192 + 65
    assert found.macs == found.executed_macs == 64 * 216 + 16 * (1152 + 192) + 60
    assert found.weight_bytes == 4 * found.params


def test_sound() -> None:
    sound(rewrite(tiny(), "pf_pool").network)


def test_other_windows_are_left() -> None:
    network = nn.Sequential(
        nn.Conv2d(6, 6, 3),
        nn.Conv2d(6, 6, 3, padding=2, dilation=2),
        nn.Conv2d(6, 6, 3, padding=1, groups=6),
    )
    rewritten = rewrite(network.eval(), "pf_pool", alone(6))
    assert [entry.name for entry in rewritten.replaced] == ["2"]
    assert left(rewritten) == {
        "0": "dilation 1, padding 0: not the window that is pooled",
        "1": "dilation 2, padding 2: not the window that is pooled",
    }


def test_nothing_to_replace() -> None:
    with pytest.raises(ValueError, match="pf_pool: nothing to replace"):
        rewrite(single(4, 8, 3), "pf_pool", alone(4))


def test_only_the_batchnorm_behind_a_pooled_layer_goes() -> None:
    rewritten = rewrite(BACKBONES.get("resnet20").network(), "pf_pool", Context())
    network: Any = rewritten.network
    assert isinstance(network.layer1[0].bn1, nn.Identity)
    assert isinstance(network.layer2[0].bn1, nn.BatchNorm2d)
    assert isinstance(network.bn1, nn.BatchNorm2d)
    assert {"layer2.0.conv1", "layer3.0.conv1"} == {
        n for n, reason in left(rewritten).items() if "→" in reason
    }
    assert counts(network, (3, 32, 32)).params == 432 + 2 * 16 + 9 * 16 * 32 + 64 + 9 * 32 * 64 + 128 + 650
