"""DenseNet-40 (k=12) for CIFAR, without bottleneck and compression (Huang et al. 2017, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.models.base import backbone


class DenseLayer(nn.Module):
    """BatchNorm, ReLU, 3×3 convolution to ``growth`` channels, concatenated to the input."""

    def __init__(self, in_channels: int, growth: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(in_channels)
        self.conv = nn.Conv2d(in_channels, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv(torch.relu(self.bn(x)))], 1)


class DenseNetCifar(nn.Module):
    """Depth 3n+4: a 3×3 stem of 16 channels, three blocks of n layers, two 1×1 transitions between."""

    def __init__(self, depth: int, growth: int, classes: int) -> None:
        super().__init__()
        layers, rest = divmod(depth - 4, 3)
        if rest:
            raise ValueError(f"depth must be 3n+4, not {depth}")
        channels = 16
        self.features = nn.Sequential()
        self.features.add_module("conv0", nn.Conv2d(3, channels, 3, padding=1, bias=False))
        for block in (1, 2, 3):
            for layer in range(1, layers + 1):
                self.features.add_module(f"block{block}_layer{layer}", DenseLayer(channels, growth))
                channels += growth
            if block < 3:
                transition = nn.Sequential(
                    nn.BatchNorm2d(channels),
                    nn.ReLU(inplace=True),
                    nn.Conv2d(channels, channels, 1, bias=False),
                    nn.AvgPool2d(2),
                )
                self.features.add_module(f"transition{block}", transition)
        self.features.add_module("norm", nn.BatchNorm2d(channels))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.features(x))
        return self.fc(self.pool(x).flatten(1))  # type: ignore[no-any-return]


@backbone("densenet40_k12")
def densenet40_k12(classes: int) -> nn.Module:
    """DenseNet-40 with growth 12 for CIFAR, no bottleneck, no compression (Huang et al. 2017)."""
    return DenseNetCifar(40, 12, classes)
