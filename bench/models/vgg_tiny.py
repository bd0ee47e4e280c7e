"""VGG-16 with BatchNorm for Tiny-ImageNet: 64×64 images, 200 classes (arXiv 2001.10710)."""

from __future__ import annotations

from torch import nn

from bench.models.base import backbone
from bench.models.vgg import VGG


@backbone("vgg16_bn_tiny", input=(3, 64, 64), classes=200)
def vgg16_bn_tiny(classes: int) -> nn.Module:
    """VGG-16 with BatchNorm and convolution biases for Tiny-ImageNet, one linear layer 2048 -> classes."""
    network = VGG(classes, conv_bias=True)
    network.pool = nn.AdaptiveAvgPool2d(2)
    network.fc = nn.Linear(4 * 512, classes)
    return network
