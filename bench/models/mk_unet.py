"""MK-UNet (Rahman and Marculescu, ICCV workshops 2025, arXiv 2509.18493): a light U-Net for segmentation.

As it runs at inference: the three smaller maps that training also learns from are not computed.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.base import backbone

WIDTHS = {
    "t": (4, 8, 16, 24, 32),
    "s": (8, 16, 32, 48, 80),
    "base": (16, 32, 64, 96, 160),
    "m": (32, 64, 128, 192, 320),
    "l": (64, 128, 256, 384, 512),
}
"""Channels of the five encoder stages."""

KERNELS = (1, 3, 5)
"""Depthwise kernels that look at the same map side by side."""

EXPANSION = 2
REDUCTIONS = (16, 16, 16, 8, 4)
"""By how much each channel attention narrows, from the deepest stage up; at most to one channel."""

REACH = 7
"""Kernel size of the spatial attention."""

HALVINGS = 5


class MultiKernel(nn.Module):
    """Depthwise convolutions of several sizes on one map, each with BatchNorm and ReLU6, summed."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU6(inplace=True),
            )
            for kernel in KERNELS
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.branches[0](x)
        for branch in self.branches[1:]:
            out = out + branch(x)
        return out


class MultiKernelBlock(nn.Module):
    """Inverted residual block around several depthwise kernels: (B, Ci, H, W) -> (B, Co, H, W).

    Channels are shuffled before the projection; the shortcut is a 1×1 convolution where Ci and Co differ.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        wide = EXPANSION * in_channels
        self.expand = nn.Sequential(
            nn.Conv2d(in_channels, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(inplace=True)
        )
        self.kernels = MultiKernel(wide)
        self.shuffle = nn.ChannelShuffle(math.gcd(wide, out_channels))
        self.project = nn.Sequential(
            nn.Conv2d(wide, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels)
        )
        same = in_channels == out_channels
        self.shortcut = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out = self.project(self.shuffle(self.kernels(self.expand(x))))
        return out + self.shortcut(x)  # type: ignore[no-any-return]


class ChannelAttention(nn.Module):
    """Channel weights from means and from maxima, through the same two layers: shape unchanged."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.squeeze = nn.Conv2d(channels, hidden, 1, bias=False)
        self.excite = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        found = self._seen(F.adaptive_avg_pool2d(x, 1)) + self._seen(F.adaptive_max_pool2d(x, 1))
        return x * torch.sigmoid(found)

    def _seen(self, pooled: Tensor) -> Tensor:
        return self.excite(torch.relu(self.squeeze(pooled)))  # type: ignore[no-any-return]


class SpatialAttention(nn.Module):
    """Pixel weights from the mean and the maximum of each pixel's channels: shape unchanged."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, REACH, padding=REACH // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        found = torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True).values], 1)
        return x * torch.sigmoid(self.conv(found))


class AttentionGate(nn.Module):
    """The encoder's map, weighed by itself and the decoder's: two maps (B, C, H, W) -> one of that shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.encoder = self._grouped(channels, half)
        self.decoder = self._grouped(channels, half)
        self.weigh = nn.Sequential(nn.Conv2d(half, 1, 1), nn.BatchNorm2d(1))

    @staticmethod
    def _grouped(channels: int, half: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(channels, half, 3, padding=1, groups=half), nn.BatchNorm2d(half))

    def forward(self, encoded: Tensor, decoded: Tensor) -> Tensor:
        both = torch.relu(self.encoder(encoded) + self.decoder(decoded))
        return encoded * torch.sigmoid(self.weigh(both))


class MKUNet(nn.Module):
    """Five blocks down, each in front of a pooling, five up, each behind channel and spatial attention.

    (B, 3, H, W) -> (B, classes, H, W), H and W multiples of 32; a single class is the map of one logit.
    One spatial attention serves all five stages.
    """

    def __init__(self, widths: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(map(MultiKernelBlock, (3, *widths[:-1]), widths))
        upwards = widths[::-1]
        self.channels = nn.ModuleList(map(ChannelAttention, upwards, REDUCTIONS))
        self.space = SpatialAttention()
        self.up = nn.ModuleList(map(MultiKernelBlock, upwards, (*upwards[1:], widths[0])))
        self.gates = nn.ModuleList(map(AttentionGate, upwards[1:]))
        self.head = nn.Conv2d(widths[0], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = int(x.shape[2]), int(x.shape[3])
        if height % (1 << HALVINGS) or width % (1 << HALVINGS):
            raise ValueError(
                f"an image of {height}×{width} cannot be halved {HALVINGS} times: multiples of 32 work"
            )
        encoded: list[Tensor] = []
        for block in self.down:
            x = F.max_pool2d(block(x), 2)
            encoded.append(x)
        skipped = encoded[-2::-1]
        for stage, block in enumerate(self.up):
            x = block(self.space(self.channels[stage](x)))
            x = torch.relu(F.interpolate(x, scale_factor=2.0, mode="bilinear"))
            if stage < len(skipped):
                x = x + self.gates[stage](skipped[stage], x)
        return self.head(x)  # type: ignore[no-any-return]


@backbone("mk_unet_t", input=(3, 256, 256), classes=1, output="map", head=("head",))
def mk_unet_t(classes: int) -> nn.Module:
    """MK-UNet-T for segmentation: a map, from depthwise kernels of three sizes (ICCV-W 2025)."""
    return MKUNet(WIDTHS["t"], classes)


@backbone("mk_unet_s", input=(3, 256, 256), classes=1, output="map", head=("head",))
def mk_unet_s(classes: int) -> nn.Module:
    """MK-UNet-S for segmentation: a map, from depthwise kernels of three sizes (ICCV-W 2025)."""
    return MKUNet(WIDTHS["s"], classes)


@backbone("mk_unet", input=(3, 256, 256), classes=1, output="map", head=("head",))
def mk_unet(classes: int) -> nn.Module:
    """MK-UNet for segmentation: a map, from depthwise kernels of three sizes (ICCV-W 2025)."""
    return MKUNet(WIDTHS["base"], classes)


@backbone("mk_unet_m", input=(3, 256, 256), classes=1, output="map", head=("head",))
def mk_unet_m(classes: int) -> nn.Module:
    """MK-UNet-M for segmentation: a map, from depthwise kernels of three sizes (ICCV-W 2025)."""
    return MKUNet(WIDTHS["m"], classes)


@backbone("mk_unet_l", input=(3, 256, 256), classes=1, output="map", head=("head",))
def mk_unet_l(classes: int) -> nn.Module:
    """MK-UNet-L for segmentation: a map, from depthwise kernels of three sizes (ICCV-W 2025)."""
    return MKUNet(WIDTHS["l"], classes)
