"""OSNet, the omni-scale network for person re-identification (Zhou et al., ICCV 2019, arXiv 1905.00953)."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from bench.models.base import backbone

STREAMS = 4
"""Streams of a block; stream t sees (2t+1)×(2t+1) pixels (section 3.2)."""

REDUCTION = 4
"""A block's streams have a quarter of its output channels."""

GATE_REDUCTION = 16
"""Width of the gate's hidden layer: channels over 16 (section 3.2)."""


def _conv_bn(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
    )


def _lite(channels: int) -> nn.Sequential:
    """Lite 3×3: a linear 1×1 convolution, then a depthwise 3×3, BatchNorm and ReLU (section 3.1)."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


class AggregationGate(nn.Module):
    """Weights between 0 and 1 for every channel, from the channels' means: (B, C, H, W) -> same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // GATE_REDUCTION
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.excite = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        weights = torch.sigmoid(self.excite(torch.relu(self.squeeze(self.mean(x)))))
        return x * weights


class OmniScaleBlock(nn.Module):
    """Four streams of one to four lite 3×3 layers, summed by one shared gate, around a shortcut (figure 4).

    (B, Ci, H, W) -> (B, Co, H, W); the shortcut is a 1×1 convolution where Ci and Co differ.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        width = out_channels // REDUCTION
        self.reduce = _conv_bn(in_channels, width, 1)
        self.streams = nn.ModuleList(
            nn.Sequential(*(_lite(width) for _ in range(length))) for length in range(1, STREAMS + 1)
        )
        self.gate = AggregationGate(width)
        self.expand = _conv_bn(width, out_channels, 1)
        same = in_channels == out_channels
        self.downsample = nn.Identity() if same else _conv_bn(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        reduced = torch.relu(self.reduce(x))
        mixed: Tensor = self.gate(self.streams[0](reduced))
        for stream in self.streams[1:]:
            mixed = mixed + self.gate(stream(reduced))
        return torch.relu(self.expand(mixed) + self.downsample(x))


class OSNet(nn.Module):
    """Table 1 of the paper: a 7×7 stem, three stages of two blocks, transitions between, 512 features.

    (B, 3, 256, 128) -> (B, classes). The features are those behind the hidden linear layer.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        widths = (64, 256, 384, 512)
        self.stem = nn.Sequential(_conv_bn(3, widths[0], 7, 2), nn.ReLU(inplace=True))
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.stages = nn.Sequential()
        for stage, (before, width) in enumerate(itertools.pairwise(widths)):
            self.stages.append(OmniScaleBlock(before, width))
            self.stages.append(OmniScaleBlock(width, width))
            if stage < 2:
                transition = (_conv_bn(width, width, 1), nn.ReLU(inplace=True), nn.AvgPool2d(2))
                self.stages.append(nn.Sequential(*transition))
        self.head = nn.Sequential(_conv_bn(widths[-1], widths[-1], 1), nn.ReLU(inplace=True))
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.hidden = nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(inplace=True))
        self.fc = nn.Linear(512, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(self.stages(self.pool(self.stem(x))))
        return self.fc(self.hidden(self.mean(x).flatten(1)))  # type: ignore[no-any-return]


@backbone("osnet_x1_0", input=(3, 256, 128), classes=751)
def osnet_x1_0(classes: int) -> nn.Module:
    """OSNet x1.0 for person re-identification; 751 classes are the people of Market-1501."""
    return OSNet(classes)
