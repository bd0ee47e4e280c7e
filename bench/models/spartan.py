"""SpaRTAN (Pay et al., IJCNN 2025, arXiv 2507.10999)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.base import backbone

WIDTHS = (32, 64, 128, 256)
BLOCKS = (3, 3, 12, 2)
EXPANSIONS = (4, 4, 2, 2)
GROUPED_FROM = 2
"""The first stage, from 0, whose spatial convolutions are depthwise and whose channel mixers' are grouped."""


def _conv_bn(conv: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels, eps=1e-6))


class SqueezeExcitation(nn.Module):
    """Channel weights from the channels' means: (B, C, H, W) -> same shape."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.excite = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        weights = torch.sigmoid(self.excite(torch.relu(self.squeeze(self.mean(x)))))
        return x * weights


class SpatialMixer(nn.Module):
    """Half the channels see 3×3 pixels, a second copy of them 9×9 by two dilated convolutions.

    (B, C, H, W) -> same shape. Before that each channel is moved away from its mean by a learned share.
    """

    def __init__(self, channels: int, depthwise: bool) -> None:
        super().__init__()
        half = channels // 2
        groups = half if depthwise else 1
        self.reduce = nn.Conv2d(channels, half, 1)
        self.contrast = nn.Parameter(torch.full((half,), 1e-5))
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.near = _conv_bn(nn.Conv2d(half, half, 3, padding=1, groups=groups, bias=False))
        self.wide = nn.Conv2d(half, half, 3, padding=2, dilation=2, groups=groups, bias=False)
        self.wider = _conv_bn(nn.Conv2d(half, half, 3, padding=2, dilation=2, groups=groups, bias=False))
        self.near_weights = SqueezeExcitation(half, half // 4)
        self.wide_weights = SqueezeExcitation(half, half // 4)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduce(x)
        x = x + self.contrast[:, None, None] * (x - self.mean(x))
        near = self.near_weights(F.gelu(self.near(x)))
        wide = self.wide_weights(F.gelu(self.wider(self.wide(x))))
        return self.out(torch.cat([near, wide], 1))  # type: ignore[no-any-return]


class WaveMixer(nn.Module):
    """Channels as waves: amplitudes times phases, then every pair of channels turned as a complex number.

    (B, C, H, W) -> same shape. Each pixel's strongest input channel names the amplitude and the phase
    that are added to all of its others.
    """

    def __init__(self, channels: int, expansion: int, grouped: bool) -> None:
        super().__init__()
        wide = channels * expansion
        self.phase = nn.Conv2d(channels, wide, 1)
        self.amplitude = nn.Conv2d(channels, wide, 1)
        self.turn = nn.Parameter(torch.randn(wide // 2, 2))
        groups = channels if grouped else wide
        self.conv = _conv_bn(nn.Conv2d(wide, wide, 3, padding=1, groups=groups, bias=False))
        self.weights = SqueezeExcitation(wide, channels // 4)
        self.out = nn.Conv2d(wide, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        strongest = x.argmax(1, keepdim=True)
        phase, amplitude = F.gelu(self.phase(x)), self.amplitude(x)
        wave = amplitude * phase + amplitude.gather(1, strongest) * phase.gather(1, strongest)
        return self.out(self.weights(F.gelu(self.conv(self._turned(wave)))))  # type: ignore[no-any-return]

    def _turned(self, wave: Tensor) -> Tensor:
        """Channels 2j and 2j+1 are the real and imaginary part of one number, times the learned j-th."""
        real, imaginary = wave[:, 0::2], wave[:, 1::2]
        c, s = self.turn[:, 0, None, None], self.turn[:, 1, None, None]
        return torch.stack([real * c - imaginary * s, real * s + imaginary * c], 2).flatten(1, 2)


class SpartanBlock(nn.Module):
    """A spatial and a wave mixer, each behind a norm over the whole map and scaled around a shortcut."""

    def __init__(self, channels: int, expansion: int, grouped: bool) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(1, channels, eps=1e-6)
        self.spatial = SpatialMixer(channels, grouped)
        self.scale1 = nn.Parameter(torch.full((channels,), 1e-5))
        self.norm2 = nn.GroupNorm(1, channels, eps=1e-6)
        self.wave = WaveMixer(channels, expansion, grouped)
        self.scale2 = nn.Parameter(torch.full((channels,), 1e-5))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.add(x, self.scale1[:, None, None] * self.spatial(self.norm1(x)))
        return torch.add(x, self.scale2[:, None, None] * self.wave(self.norm2(x)))


class Spartan(nn.Module):
    """Two strided 3×3 convolutions, four stages with a strided 2×2 one between, mean, one linear layer.

    (B, 3, 256, 256) -> (B, classes).
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        half = WIDTHS[0] // 2
        self.stem = nn.Sequential(
            _conv_bn(nn.Conv2d(3, half, 3, 2, 1, bias=False)),
            nn.GELU(),
            _conv_bn(nn.Conv2d(half, WIDTHS[0], 3, 2, 1, bias=False)),
            nn.GELU(),
        )
        self.stages = nn.Sequential()
        for stage, (width, blocks, expansion) in enumerate(zip(WIDTHS, BLOCKS, EXPANSIONS, strict=True)):
            layers = nn.Sequential()
            if stage:
                layers.append(_conv_bn(nn.Conv2d(WIDTHS[stage - 1], width, 2, 2, bias=False)))
                layers.append(nn.SiLU())
            for _ in range(blocks):
                layers.append(SpartanBlock(width, expansion, grouped=stage >= GROUPED_FROM))
            self.stages.append(layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(WIDTHS[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(self.stem(x))
        return self.fc(self.pool(x).flatten(1))  # type: ignore[no-any-return]


@backbone("spartan_t", input=(3, 256, 256), classes=1000)
def spartan_t(classes: int) -> nn.Module:
    """SpaRTAN-T for 256×256: spatial mixers of two reaches, wave-based channel mixers (IJCNN 2025)."""
    return Spartan(classes)
