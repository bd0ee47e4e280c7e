"""LSNet (Wang et al., CVPR 2025, arXiv 2503.23135): a static large kernel sees, a dynamic small one gathers.

In the form that runs at inference: BatchNorm is folded into the convolutions in front of it and into the
classifier behind it, and the parallel depthwise branches of training (3×3, 1×1 and identity) are merged
into one depthwise 3×3 convolution. The BatchNorm behind each aggregation stays: there are no weights to fold
it into. The published parameters are those of this form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.base import backbone

LARGE, SMALL = 7, 3
"""Kernel sizes of perception and of aggregation (section 3.2)."""

SHARING = 8
"""Channels that share one dynamic kernel (section 3.2)."""

HEADS, KEY = 4, 16
"""Attention heads of the last stage, and channels of each head's queries and keys."""

LAST_SIDE = 4
"""Height and width of the last stage's map at 224×224: the largest that its attention has biases for."""


@dataclass(frozen=True)
class Size:
    """Channels and blocks of the four stages."""

    widths: tuple[int, int, int, int]
    blocks: tuple[int, int, int, int]


SIZES = {
    "t": Size((64, 128, 256, 384), (0, 2, 8, 10)),
    "s": Size((96, 192, 320, 448), (1, 2, 8, 10)),
    "b": Size((128, 256, 384, 512), (4, 6, 8, 10)),
}


def _conv(
    in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1, groups: int = 1
) -> nn.Conv2d:
    """A convolution whose outputs are as large as its inputs, as if BatchNorm were folded into it."""
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="linear")
    return conv


class SqueezeExcitation(nn.Module):
    """Channel weights from the channels' means, hidden width a quarter: (B, C, H, W) -> same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = _conv(channels, channels // 4)
        self.excite = _conv(channels // 4, channels)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.excite(torch.relu(self.squeeze(mean))))


class Local(nn.Module):
    """Depthwise 3×3 with the shortcut merged into its centre, then squeeze-excitation: shape unchanged."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.near = _conv(channels, channels, 3, groups=channels)
        with torch.no_grad():
            self.near.weight[:, :, 1, 1] += 1  # the merged shortcut
        self.excitation = SqueezeExcitation(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.excitation(self.near(x))  # type: ignore[no-any-return]


class Perception(nn.Module):
    """A kernel for every position, from its 7×7 neighbourhood: (B, C, H, W) -> (B, C/8, 9, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half, self.kernels = channels // 2, channels // SHARING
        self.reduce = _conv(channels, half)
        self.large = _conv(half, half, LARGE, groups=half)
        self.mix = _conv(half, half)
        self.weigh = _conv(half, self.kernels * SMALL**2)
        self.norm = nn.GroupNorm(self.kernels, self.kernels * SMALL**2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.mix(self.large(torch.relu(self.reduce(x)))))
        weights: Tensor = self.norm(self.weigh(x))
        return weights.view(len(x), self.kernels, SMALL**2, *x.shape[2:])


class Aggregation(nn.Module):
    """Small-kernel aggregation: each position's own 3×3 kernel on its neighbourhood.

    x (B, C, H, W) and kernels (B, C/8, 9, H, W) -> (B, C, H, W); channel c takes kernel c mod C/8, the nine
    weights row by row, zeros beyond the border. It has no weights of its own: activations are multiplied by
    activations, 9·C·H·W times, which neither fvcore nor torch counts.
    """

    def forward(self, x: Tensor, kernels: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        side, reach = (batch, SHARING, channels // SHARING), SMALL // 2
        padded = F.pad(x, (reach,) * 4).view(*side, height + 2 * reach, width + 2 * reach)
        out = x.new_zeros(*side, height, width)
        for place in range(SMALL**2):
            row, column = divmod(place, SMALL)
            seen = padded[..., row : row + height, column : column + width]
            out = torch.addcmul(out, seen, kernels[:, None, :, place])
        return out.view(batch, channels, height, width)

    def activation_macs(self, output_shape: tuple[int, ...]) -> int:
        """Multiply-accumulates for an output of shape (B, C, H, W)."""
        return SMALL**2 * math.prod(output_shape)


class LSConv(nn.Module):
    """Large-small convolution around a shortcut: (B, C, H, W) -> same shape (equations 4 to 6)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.perceive = Perception(channels)
        self.aggregate = Aggregation()
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.aggregate(x, self.perceive(x))) + x  # type: ignore[no-any-return]


class Attention(nn.Module):
    """Attention over all positions around a shortcut: (B, C, H, W) -> same shape, H and W at most 4.

    A depthwise 3×3 convolution is in front of the queries; every pair of positions has a learned bias by head
    and by how many rows and columns lie between them.
    """

    offsets: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.value = channels // HEADS
        self.queries = HEADS * KEY
        self.project_in = _conv(channels, 2 * self.queries + channels)
        self.spread = _conv(self.queries, self.queries, 3, groups=self.queries)
        self.project_out = nn.Sequential(nn.ReLU(), _conv(channels, channels))
        self.biases = nn.Parameter(torch.randn(HEADS, LAST_SIDE**2))
        apart = (torch.arange(LAST_SIDE)[:, None] - torch.arange(LAST_SIDE)).abs()
        # (H, W, H, W): the number of the bias between two positions
        offsets = LAST_SIDE * apart[:, None, :, None] + apart[None, :, None, :]
        self.register_buffer("offsets", offsets, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        places = height * width
        q, k, v = self.project_in(x).split([self.queries, self.queries, channels], 1)
        q = self.spread(q).reshape(batch, HEADS, KEY, places)
        k = k.reshape(batch, HEADS, KEY, places)
        v = v.reshape(batch, HEADS, self.value, places)
        attention = (q.transpose(2, 3) @ k * KEY**-0.5 + self._bias(height, width)).softmax(-1)
        out = (v @ attention.transpose(2, 3)).reshape(batch, channels, height, width)
        return x + self.project_out(out)  # type: ignore[no-any-return]

    def _bias(self, height: int, width: int) -> Tensor:
        if height > LAST_SIDE or width > LAST_SIDE:
            raise ValueError(
                f"the last stage's map is {int(height)}×{int(width)}; its attention has biases for at most "
                f"{LAST_SIDE}×{LAST_SIDE}, which is what images of up to 256×256 give"
            )
        places = self.offsets[:height, :width, :height, :width].reshape(height * width, height * width)
        return self.biases[:, places]


class FeedForward(nn.Module):
    """Two 1×1 convolutions with twice the channels between, around a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.widen = _conv(channels, 2 * channels)
        self.narrow = _conv(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.narrow(torch.relu(self.widen(x)))  # type: ignore[no-any-return]


def _blocks(channels: int, number: int, last: bool) -> list[nn.Module]:
    """Local and wide mixers in turn, each with a feed-forward behind it."""
    layers: list[nn.Module] = []
    for at in range(number):
        wide = at % 2 == 1
        mixer: nn.Module = Local(channels)
        if wide:
            mixer = Attention(channels) if last else LSConv(channels)
        layers.append(nn.Sequential(mixer, FeedForward(channels)))
    return layers


class LSNet(nn.Module):
    """Three strided 3×3 convolutions, four stages with a depthwise strided one between, mean, linear.

    (B, 3, 224, 224) -> (B, classes).
    """

    def __init__(self, size: Size, classes: int) -> None:
        super().__init__()
        first, last = size.widths[0], size.widths[-1]
        self.stem = nn.Sequential(
            _conv(3, first // 4, 3, 2),
            nn.ReLU(),
            _conv(first // 4, first // 2, 3, 2),
            nn.ReLU(),
            _conv(first // 2, first, 3, 2),
        )
        self.stages = nn.Sequential(nn.Sequential(*_blocks(first, size.blocks[0], last=False)))
        for stage, (before, channels) in enumerate(pairwise(size.widths), start=1):
            self.stages.append(
                nn.Sequential(
                    _conv(before, before, 3, 2, groups=before),
                    _conv(before, channels),
                    *_blocks(channels, size.blocks[stage], last=stage == len(size.widths) - 1),
                )
            )
        self.fc = nn.Linear(last, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(self.stem(x))
        return self.fc(x.mean((2, 3)))  # type: ignore[no-any-return]


@backbone("lsnet_t", input=(3, 224, 224), classes=1000)
def lsnet_t(classes: int) -> nn.Module:
    """LSNet-T, merged for inference: large-kernel perception, dynamic 3×3 aggregation (CVPR 2025)."""
    return LSNet(SIZES["t"], classes)


@backbone("lsnet_s", input=(3, 224, 224), classes=1000)
def lsnet_s(classes: int) -> nn.Module:
    """LSNet-S, merged for inference: large-kernel perception, dynamic 3×3 aggregation (CVPR 2025)."""
    return LSNet(SIZES["s"], classes)


@backbone("lsnet_b", input=(3, 224, 224), classes=1000)
def lsnet_b(classes: int) -> nn.Module:
    """LSNet-B, merged for inference: large-kernel perception, dynamic 3×3 aggregation (CVPR 2025)."""
    return LSNet(SIZES["b"], classes)
