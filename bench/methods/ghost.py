"""Ghost modules (Han et al., CVPR 2020, arXiv 1911.11907)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from bench.methods.parts.low_rank import like
from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.per_layer import in_groups, replace_each
from bench.models.base import draw_norm_statistics


class GhostConv2d(nn.Module):
    """A few channels by the full convolution, the rest from them by a cheap depthwise one.

    With m = ceil(Co/ratio): primary k×k (Ci -> m) + BatchNorm, cheap dw×dw depthwise (m -> m·(ratio-1))
    + BatchNorm; y is the concatenation of both, cut to Co channels: (B, Ci, H, W) -> (B, Co, H', W').
    With ``relu`` a ReLU follows each BatchNorm, as between the layers of GhostNet. The network's own
    BatchNorm and activation behind the layer stay where they are.

    Parameters: Ci·m·k² + m·(ratio-1)·dw² + 2·m·ratio. MACs: H'·W'·(Ci·m·k² + m·(ratio-1)·dw²).
    A bias of the dense layer goes into the BatchNorms, which have their own.
    """

    def __init__(self, conv: nn.Conv2d, ratio: int, dw: int, relu: bool) -> None:
        super().__init__()
        primary = math.ceil(conv.out_channels / ratio)
        ghosts = primary * (ratio - 1)
        self.out_channels = conv.out_channels
        self.ratio = ratio
        self.dw = dw
        self.primary = _stage(
            like(
                conv,
                conv.in_channels,
                primary,
                kernel_size=conv.kernel_size,
                stride=conv.stride,
                padding=conv.padding,
                dilation=conv.dilation,
                padding_mode=conv.padding_mode,
            ),
            relu,
        )
        self.cheap = _stage(
            like(conv, primary, ghosts, kernel_size=dw, padding=dw // 2, groups=primary), relu
        )

    def forward(self, x: Tensor) -> Tensor:
        primary = self.primary(x)
        y = torch.cat([primary, self.cheap(primary)], 1)
        return y if y.shape[1] == self.out_channels else y[:, : self.out_channels]

    def extra_repr(self) -> str:
        return f"ratio={self.ratio}, dw={self.dw}"


def _stage(conv: nn.Conv2d, relu: bool) -> nn.Sequential:
    norm = nn.BatchNorm2d(conv.out_channels, device=conv.weight.device, dtype=conv.weight.dtype)
    draw_norm_statistics(norm)
    return nn.Sequential(conv, norm, nn.ReLU(inplace=True)) if relu else nn.Sequential(conv, norm)


def check(*, ratio: int = 2, dw: int = 3, **_others: Any) -> None:
    """Raises ValueError for a ratio without ghosts and for an even depthwise kernel."""
    if ratio < 2:
        raise ValueError(f"ratio={ratio}: a Ghost module has at least 2 outputs per primary one")
    if dw < 1 or dw % 2 == 0:
        raise ValueError(f"dw={dw}: an odd kernel keeps the map's size")


@method("ghost", check=check)
def ghost(
    network: nn.Module,
    context: Context,
    *,
    ratio: int = 2,
    dw: int = 3,
    relu: bool = False,
    skip: tuple[str, ...] = (),
) -> Rewritten:
    """Ghost modules: 1/ratio of the outputs by the convolution, the others by a cheap depthwise one.

    ``dw``: side of the depthwise kernel. ``relu``: a ReLU inside, after each BatchNorm; without it the
    layer stays linear, as the convolution it stands for. ``skip``: globs of layers to leave dense.
    Depthwise and grouped convolutions are left. The weights are fresh ones.
    """

    def build(_name: str, conv: nn.Conv2d) -> nn.Module | str:
        reason = in_groups(conv)
        if not reason and conv.out_channels < ratio:
            reason = f"{conv.out_channels} output channels are fewer than the ratio {ratio}"
        return reason or GhostConv2d(conv, ratio, dw, relu)

    return replace_each(network, context, skip, build)
