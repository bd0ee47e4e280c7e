"""MobileNetV2 for CIFAR (Sandler et al. 2018), in two layouts."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.base import backbone

# Expansion factor, output channels, repetitions (Sandler et al. 2018, table 2).
STAGES = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))


def _conv_bn(in_channels: int, out_channels: int, kernel: int, stride: int, groups: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class InvertedResidual(nn.Module):
    """1×1 expansion, 3×3 depthwise, 1×1 linear projection; a shortcut where the shape stays."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, factor: int, keep_expansion: bool
    ) -> None:
        super().__init__()
        hidden = in_channels * factor
        expands = factor != 1 or keep_expansion
        self.expand = _conv_bn(in_channels, hidden, 1, 1, 1) if expands else nn.Identity()
        self.expands = expands
        self.depthwise = _conv_bn(hidden, hidden, 3, stride, hidden)
        self.project = _conv_bn(hidden, out_channels, 1, 1, 1)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = F.relu6(self.expand(x)) if self.expands else x
        out = self.project(F.relu6(self.depthwise(out)))
        return x + out if self.residual else out


class MobileNetV2(nn.Module):
    """Stem of 32 channels, 17 inverted residuals, 1×1 to 1280 channels, one linear layer."""

    def __init__(self, classes: int, strides: tuple[int, ...], keep_expansion: bool) -> None:
        super().__init__()
        self.stem = _conv_bn(3, 32, 3, 1, 1)
        channels = 32
        self.blocks = nn.Sequential()
        for (factor, out_channels, count), stride in zip(STAGES, strides, strict=True):
            for index in range(count):
                block = InvertedResidual(
                    channels, out_channels, stride if index == 0 else 1, factor, keep_expansion
                )
                self.blocks.append(block)
                channels = out_channels
        self.head = _conv_bn(channels, 1280, 1, 1, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(1280, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(F.relu6(self.stem(x)))
        return self.fc(self.pool(F.relu6(self.head(x))).flatten(1))  # type: ignore[no-any-return]


@backbone("mobilenet_v2")
def mobilenet_v2(classes: int) -> nn.Module:
    """MobileNetV2 for CIFAR: the paper's blocks, stem and first two strides of 1 (final map 4×4)."""
    return MobileNetV2(classes, (1, 1, 2, 2, 1, 2, 1), keep_expansion=False)


@backbone("mobilenet_v2_csr")
def mobilenet_v2_csr(classes: int) -> nn.Module:
    """MobileNetV2 in the layout of CSR-Conv's notebook: 32→32 expansion kept in block 0, final map 8×8."""
    return MobileNetV2(classes, (1, 1, 1, 2, 1, 2, 1), keep_expansion=True)
