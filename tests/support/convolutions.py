"""Convolutions of many shapes, for what must hold of every layer that takes the place of a 3×3 one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn


@dataclass(frozen=True)
class Convolution:
    """A 3×3 convolution, ``channels`` (in, out), and the map (height, width) that it is tried on."""

    channels: tuple[int, int]
    size: tuple[int, int]
    stride: Any
    padding: Any
    dilation: int
    bias: bool
    padding_mode: Any

    def layer(self, dtype: torch.dtype = torch.float32) -> nn.Conv2d:
        """The layer, with torch's initial weights."""
        return nn.Conv2d(
            *self.channels,
            3,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            bias=self.bias,
            padding_mode=self.padding_mode,
            dtype=dtype,
        )

    def image(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """Two random inputs."""
        return torch.randn(2, self.channels[0], *self.size, dtype=dtype)


@st.composite
def convolutions(draw: st.DrawFn, paddings: Sequence[Any], modes: Sequence[str] = ("zeros",)) -> Convolution:
    """Up to 40 channels and maps of 3 to 9 pixels, 2 more where the dilated kernel needs them."""
    padding = draw(st.sampled_from(paddings))
    dilation = draw(st.sampled_from([1, 1, 2]))
    strides, pixels = st.integers(1, 3), st.integers(3, 9)
    return Convolution(
        channels=(draw(st.integers(1, 40)), draw(st.integers(1, 40))),
        size=(draw(pixels) + 2 * (dilation - 1), draw(pixels) + 2 * (dilation - 1)),
        stride=1 if padding == "same" else (draw(strides), draw(strides)),
        padding=padding,
        dilation=dilation,
        bias=draw(st.booleans()),
        padding_mode=draw(st.sampled_from(modes)),
    )
