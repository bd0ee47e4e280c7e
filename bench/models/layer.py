"""Single convolution layers as backbones: ``layer/64-128-k3-s2`` is one 3×3 convolution, stride 2."""

from __future__ import annotations

import re
from functools import partial

from torch import Tensor, nn

from bench.models.base import BACKBONES, Backbone

_NAME = re.compile(r"([1-9]\d*)-([1-9]\d*)-k([1-9]\d*)(?:-s([1-9]\d*))?")


class SingleLayer(nn.Module):
    """One convolution, "same" padding, no bias: (B, Ci, H, W) -> (B, Co, H/stride, W/stride)."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)  # type: ignore[no-any-return]


def _build(_classes: int, sizes: tuple[int, int, int, int]) -> nn.Module:
    return SingleLayer(*sizes)


def _layer(name: str) -> Backbone:
    match = _NAME.fullmatch(name)
    if match is None:
        raise KeyError(name)
    in_channels, out_channels, kernel, stride = (int(g) if g else 1 for g in match.groups())
    if kernel % 2 == 0:
        raise KeyError(name)  # an even kernel has no "same" padding on both sides
    build = partial(_build, sizes=(in_channels, out_channels, kernel, stride))
    summary = f"one {kernel}×{kernel} convolution {in_channels}→{out_channels}, stride {stride}"
    shape = (in_channels, 32, 32)
    return Backbone(f"layer/{name}", build, shape, 1, summary, keep_first=False, output="features")


BACKBONES.add_family("layer", _layer, lambda: ["64-64-k3", "64-128-k3-s2", "32-192-k1"])
