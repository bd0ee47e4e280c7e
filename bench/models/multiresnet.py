"""MultiresNet: an image as a sequence of pixels (Shi et al., ICML 2023, arXiv 2305.01638).

The definition is that of the authors' classifier for sequential CIFAR-10 (thjashin/multires-conv, MIT).
A sequence is an image of height 1 here, so that methods for the convolutions of images find those in it.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.counting.layer_count import LayerCount
from bench.models.base import backbone

CHANNELS = 256
LAYERS = 10
TAPS = 2
LENGTH = 32 * 32


def levels(length: int, taps: int) -> int:
    """How often the dilation doubles until the last output sees the first of ``length`` inputs."""
    return math.ceil(math.log2((length - 1) / (taps - 1) + 1))


class MultiresConv(nn.Module):
    """A causal wavelet tree with two learned filters per channel, the same at every level ("fading").

    (B, C, 1, L) -> same shape. From a_0 = x, level j gives b_j = high * a_{j-1} and a_j = low * a_{j-1},
    dilation 2^(j-1), zeros before the beginning; y = Σ_j w_j·b_j + w_J·a_J + w_0·x with a weight per
    channel and term. Parameters: C·(2·taps + J + 2). MACs: J·2·C·taps·L; the J + 2 weighted sums are
    element-wise work.
    """

    def __init__(self, channels: int, taps: int, depth: int) -> None:
        super().__init__()
        bound = math.sqrt(1 / taps)
        self.low = nn.Parameter(torch.empty(channels, 1, 1, taps).uniform_(-bound, bound))
        self.high = nn.Parameter(torch.empty(channels, 1, 1, taps).uniform_(-bound, bound))
        bound = math.sqrt(1 / (depth + 2))
        self.weight = nn.Parameter(torch.empty(depth + 2, channels, 1, 1).uniform_(-bound, bound))

    @property
    def depth(self) -> int:
        """Levels of the tree, J."""
        return len(self.weight) - 2

    def forward(self, x: Tensor) -> Tensor:
        channels, _, _, taps = self.low.shape
        y = x * self.weight[0]
        smooth = x
        for level in range(self.depth):
            dilation = 2**level
            padded = F.pad(smooth, (dilation * (taps - 1), 0))
            detail = F.conv2d(padded, self.high, dilation=(1, dilation), groups=channels)
            smooth = F.conv2d(padded, self.low, dilation=(1, dilation), groups=channels)
            y = y + detail * self.weight[level + 1]
        return y + smooth * self.weight[-1]

    def closed_form(self, output_hw: tuple[int, int]) -> LayerCount:
        """Counts for an output map of that height and width."""
        params = self.low.numel() + self.high.numel() + self.weight.numel()
        filters = self.low.numel() + self.high.numel()
        return LayerCount.dense(params, self.depth * filters * math.prod(output_hw))


class MultiresBlock(nn.Module):
    """The tree, GELU, a 1×1 convolution with a gate (C -> 2C -> C), a shortcut around all; LayerNorm.

    (B, C, 1, L) -> same shape.
    """

    def __init__(self, channels: int, taps: int, depth: int) -> None:
        super().__init__()
        self.tree = MultiresConv(channels, taps, depth)
        self.mix = nn.Conv2d(channels, 2 * channels, 1)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = x + F.glu(self.mix(F.gelu(self.tree(x))), 1)
        return self.norm(y.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # type: ignore[no-any-return]


class MultiresNet(nn.Module):
    """Pixels row by row as a sequence, a 1×1 convolution, ten blocks, mean over the places, a linear layer.

    (B, 3, H, W) -> (B, classes).
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(3, CHANNELS, 1)
        depth = levels(LENGTH, TAPS)
        self.blocks = nn.Sequential(*(MultiresBlock(CHANNELS, TAPS, depth) for _ in range(LAYERS)))
        self.fc = nn.Linear(CHANNELS, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.encoder(x.flatten(2)[:, :, None]))
        return self.fc(x.mean((2, 3)))  # type: ignore[no-any-return]


@backbone("multiresnet")
def multiresnet(classes: int) -> nn.Module:
    """MultiresNet for sequential CIFAR-10: 1024 pixels in a row, filters shared by ten scales (ICML 2023)."""
    return MultiresNet(classes)
