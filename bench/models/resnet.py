"""ResNet-18 and ResNet-50 with a CIFAR stem: 3×3, stride 1, no max-pooling (He et al. 2016)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.models.base import backbone


class BasicBlock(nn.Module):
    """Two 3×3 convolutions; shortcut of option B (1×1 projection where the shape changes)."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _projection(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return torch.relu(out + self.downsample(x))


class Bottleneck(nn.Module):
    """1×1, 3×3 (carries the stride), 1×1 to four times the width; shortcut of option B."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        out_channels = width * self.expansion
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample = _projection(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.bn1(self.conv1(x)))
        out = torch.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return torch.relu(out + self.downsample(x))


def _projection(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
    )


class ResNet(nn.Module):
    """Four stages of 64, 128, 256 and 512 channels (times the block's expansion) behind a CIFAR stem."""

    def __init__(
        self, block: type[BasicBlock] | type[Bottleneck], blocks: tuple[int, ...], classes: int
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        channels = 64
        for stage, (count, width) in enumerate(zip(blocks, (64, 128, 256, 512), strict=True), start=1):
            layers = nn.Sequential()
            for index in range(count):
                layers.append(block(channels, width, 2 if stage > 1 and index == 0 else 1))
                channels = width * block.expansion
            self.add_module(f"layer{stage}", layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        for stage in ("layer1", "layer2", "layer3", "layer4"):
            x = self.get_submodule(stage)(x)
        return self.fc(self.pool(x).flatten(1))  # type: ignore[no-any-return]


@backbone("resnet18")
def resnet18(classes: int) -> nn.Module:
    """ResNet-18 with a CIFAR stem (3×3, stride 1, no max-pooling)."""
    return ResNet(BasicBlock, (2, 2, 2, 2), classes)


@backbone("resnet50")
def resnet50(classes: int) -> nn.Module:
    """ResNet-50 with a CIFAR stem (3×3, stride 1, no max-pooling)."""
    return ResNet(Bottleneck, (3, 4, 6, 3), classes)
