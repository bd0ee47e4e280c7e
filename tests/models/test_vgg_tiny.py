"""VGG-16 for Tiny-ImageNet: the classifier sees the last map flat."""

import torch
from torch import nn

from bench.models import BACKBONES


def test_classifier_takes_the_flat_2x2_map() -> None:
    backbone = BACKBONES.get("vgg16_bn_tiny")
    network = backbone.network()
    assert backbone.input == (3, 64, 64)
    assert sum(p.numel() for p in network.parameters()) == 14_728_266 - 5_130 + 2048 * 200 + 200
    x = torch.randn(2, 3, 64, 64)
    features, fc = network.get_submodule("features"), network.get_submodule("fc")
    assert isinstance(fc, nn.Linear)
    with torch.no_grad():
        torch.testing.assert_close(network(x), fc(features(x).flatten(1)))
