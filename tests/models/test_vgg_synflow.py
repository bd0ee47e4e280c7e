"""vgg16_bn_synflow: the network of SynFlow's stored results, BatchNorm as PyTorch makes it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from bench.counting.count import count
from bench.models import BACKBONES

BACKBONE = BACKBONES.get("vgg16_bn_synflow")


def test_weights_that_can_be_pruned_and_counts() -> None:
    network = BACKBONE.network()
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == 14
    assert sum(layer.weight.numel() for layer in layers) == 14_761_664
    counts = count(network, torch.randn(1, *BACKBONE.input))
    assert counts.disagreements == ()
    # 13 convolutions of VGG-16 at 32×32 (methods.md, section 2) and 512 -> 100
    assert counts.macs == 313_196_544 + 51_200


def test_the_last_pooling_is_an_average() -> None:
    network: Any = BACKBONE.network()
    assert sum(isinstance(m, nn.MaxPool2d) for m in network.modules()) == 4
    with torch.no_grad():
        assert network.features(torch.randn(1, 3, 32, 32)).shape == (1, 512, 2, 2)
        assert network(torch.randn(2, 3, 32, 32)).shape == (2, 100)


def test_weights_are_kaiming_normal_and_normalisation_is_fresh() -> None:
    network = BACKBONE.network()
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            fan_in = module.weight[0].numel()
            assert float(module.weight.detach().std()) == pytest.approx(math.sqrt(2 / fan_in), rel=0.05)
            assert module.bias is not None
            assert not bool(module.bias.any())
        if isinstance(module, nn.BatchNorm2d):
            fresh = nn.BatchNorm2d(module.num_features).state_dict()
            torch.testing.assert_close(module.state_dict(), fresh, rtol=0, atol=0)


def test_other_backbones_still_draw_their_normalisation() -> None:
    network: Any = BACKBONES.get("vgg16_bn").network()
    assert not bool((network.features[1].weight == 1).any())
