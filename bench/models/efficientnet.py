"""EfficientNet-B0 with a CIFAR stem, from torchvision (Tan and Le 2019)."""

from __future__ import annotations

from torch import nn

from bench.models.base import backbone
from bench.models.torchvision_guard import torchvision_models


@backbone("efficientnet_b0")
def efficientnet_b0(classes: int) -> nn.Module:
    """EfficientNet-B0 for CIFAR: torchvision's network, stem stride 1 instead of 2."""
    network: nn.Module = torchvision_models().efficientnet_b0(num_classes=classes)
    stem = network.get_submodule("features.0.0")
    assert isinstance(stem, nn.Conv2d)
    stem.stride = (1, 1)
    return network
