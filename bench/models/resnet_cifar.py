"""ResNet-20/32/56/110 for CIFAR (He et al. 2016, section 4.2), shortcuts of option A."""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.base import backbone


class OptionA(nn.Module):
    """The shortcut without weights: every second pixel, new channels filled with zeros."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.new_channels = out_channels - in_channels

    def forward(self, x: Tensor) -> Tensor:
        half = self.new_channels // 2
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, half, self.new_channels - half))


class BasicBlock(nn.Module):
    """Two 3×3 convolutions around a shortcut; (B, Ci, H, W) -> (B, Co, H/stride, W/stride)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        same = stride == 1 and in_channels == out_channels
        self.shortcut = nn.Identity() if same else OptionA(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return torch.relu(out + self.shortcut(x))


class ResNetCifar(nn.Module):
    """Depth 6n+2: a 3×3 stem and three stages of n blocks with 16, 32 and 64 channels."""

    def __init__(self, depth: int, classes: int) -> None:
        super().__init__()
        blocks, rest = divmod(depth - 2, 6)
        if rest:
            raise ValueError(f"depth must be 6n+2, not {depth}")
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self._stage(16, 16, blocks, 1)
        self.layer2 = self._stage(16, 32, blocks, 2)
        self.layer3 = self._stage(32, 64, blocks, 2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64, classes)

    @staticmethod
    def _stage(in_channels: int, out_channels: int, blocks: int, stride: int) -> nn.Sequential:
        first = BasicBlock(in_channels, out_channels, stride)
        return nn.Sequential(first, *(BasicBlock(out_channels, out_channels, 1) for _ in range(blocks - 1)))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(self.pool(x).flatten(1))  # type: ignore[no-any-return]

    def as_stages(self) -> dict[str, nn.Module]:
        """The three stages, the first with the stem and the last with the classifier: see ``HasStages``."""
        stem = OrderedDict(conv1=self.conv1, bn1=self.bn1, relu=nn.ReLU(), layer1=self.layer1)
        end = OrderedDict(layer3=self.layer3, pool=self.pool, flatten=nn.Flatten(), fc=self.fc)
        return {"stage1": nn.Sequential(stem), "stage2": self.layer2, "stage3": nn.Sequential(end)}


# The residual stream has no projection: its width is that of the stem and of every conv2.


@backbone("resnet20", fixed_width=("conv1", "*.conv2"))
def resnet20(classes: int) -> nn.Module:
    """ResNet-20 for CIFAR, option A shortcuts (He et al. 2016)."""
    return ResNetCifar(20, classes)


@backbone("resnet32", fixed_width=("conv1", "*.conv2"))
def resnet32(classes: int) -> nn.Module:
    """ResNet-32 for CIFAR, option A shortcuts (He et al. 2016)."""
    return ResNetCifar(32, classes)


@backbone("resnet56", fixed_width=("conv1", "*.conv2"))
def resnet56(classes: int) -> nn.Module:
    """ResNet-56 for CIFAR, option A shortcuts (He et al. 2016)."""
    return ResNetCifar(56, classes)


@backbone("resnet110", fixed_width=("conv1", "*.conv2"))
def resnet110(classes: int) -> nn.Module:
    """ResNet-110 for CIFAR, option A shortcuts (He et al. 2016)."""
    return ResNetCifar(110, classes)
