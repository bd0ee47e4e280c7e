"""UniRepLKNet (Ding et al., CVPR 2024, arXiv 2311.15599), in the merged form that runs at inference.

In training every large kernel has parallel dilated branches and BatchNorm around it; both are linear
and are merged into one depthwise convolution with bias before the network is used.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.base import backbone

STAGES = ((3, 2), (13, 2), (13, 6), (13, 2))
"""Kernel size and number of blocks of each stage, for the sizes A, F and P."""

WIDTHS = {"a": 40, "f": 48, "p": 64}
"""Channels of the first stage; each later stage has twice as many as the one before."""


class LayerNormOfMaps(nn.Module):
    """LayerNorm over the channels of every pixel: (B, C, H, W) -> same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(x.permute(0, 2, 3, 1))
        return out.permute(0, 3, 1, 2)


class SqueezeExcitation(nn.Module):
    """Channel weights from the channels' means, hidden width a quarter: (B, C, H, W) -> same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // 4, 1)
        self.excite = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)
        weights = torch.sigmoid(self.excite(torch.relu(self.squeeze(mean))))
        return x * weights


class GlobalResponseNorm(nn.Module):
    """x·(1 + γ·N), N = a channel's norm over its mean across channels: (B, H, W, C) -> same shape.

    From ConvNeXt V2 (arXiv 2301.00808, section 4). Its bias is merged into the layer behind it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        norm = x.pow(2).sum((1, 2), keepdim=True).sqrt()
        return x * (1 + self.gamma * norm / (norm.mean(-1, keepdim=True) + 1e-6))


class LargeKernelBlock(nn.Module):
    """Depthwise k×k, squeeze-excitation, two linear layers of fourfold width, around a shortcut."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.excitation = SqueezeExcitation(channels)
        self.widen = nn.Linear(channels, 4 * channels)
        self.response = GlobalResponseNorm(4 * channels)
        self.narrow = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        out = self.excitation(self.depthwise(x)).permute(0, 2, 3, 1)
        out = self.narrow(self.response(F.gelu(self.widen(out))))
        shortcut: Tensor = x + out.permute(0, 3, 1, 2)
        return shortcut


def _down(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1), LayerNormOfMaps(out_channels)
    )


class UniRepLKNet(nn.Module):
    """Two strided 3×3 convolutions, four stages with a strided one between, LayerNorm, one linear layer.

    (B, 3, 224, 224) -> (B, classes).
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        widths = [width << stage for stage in range(len(STAGES))]
        self.stem = nn.Sequential(_down(3, width // 2), nn.GELU(), _down(width // 2, width))
        self.stages = nn.Sequential()
        for stage, (kernel, blocks) in enumerate(STAGES):
            layers = [] if stage == 0 else [_down(widths[stage - 1], widths[stage])]
            self.stages.append(
                nn.Sequential(*layers, *(LargeKernelBlock(widths[stage], kernel) for _ in range(blocks)))
            )
        self.norm = nn.LayerNorm(widths[-1], eps=1e-6)
        self.fc = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(self.stem(x))
        return self.fc(self.norm(x.mean((2, 3))))  # type: ignore[no-any-return]


@backbone("unireplknet_a", input=(3, 224, 224), classes=1000)
def unireplknet_a(classes: int) -> nn.Module:
    """UniRepLKNet-A, merged for inference: depthwise 13×13 kernels (CVPR 2024)."""
    return UniRepLKNet(WIDTHS["a"], classes)


@backbone("unireplknet_f", input=(3, 224, 224), classes=1000)
def unireplknet_f(classes: int) -> nn.Module:
    """UniRepLKNet-F, merged for inference: depthwise 13×13 kernels (CVPR 2024)."""
    return UniRepLKNet(WIDTHS["f"], classes)


@backbone("unireplknet_p", input=(3, 224, 224), classes=1000)
def unireplknet_p(classes: int) -> nn.Module:
    """UniRepLKNet-P, merged for inference: depthwise 13×13 kernels (CVPR 2024)."""
    return UniRepLKNet(WIDTHS["p"], classes)
