"""LeanConv: a stencil per channel plus a full 1×1 convolution (Ephrath et al. 2019, arXiv 1904.06952)."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.counting.layer_count import LayerCount
from bench.errors import nearest
from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.per_layer import not_plain, not_square, pads, replace_each

STENCILS: dict[str, tuple[int, ...]] = {
    "4-point": (1, 3, 5, 7),
    "5-point": (1, 3, 4, 5, 7),
    "3x3": tuple(range(9)),
}
"""Taps on the 3×3 kernel, positions row-major 0..8. North, west, east, south; plus the centre; all."""


class Stencil2d(nn.Module):
    """A 3×3 convolution in groups of g channels that has only the taps of its stencil.

    ``taps`` is (C, g, q): (B, C, H, W) -> (B, C, H', W'). The file holds q taps, PyTorch has no kernel
    for fewer than nine: the taps are laid out on a 3×3 kernel of zeros (once per change of the taps,
    not once per call) and nine are computed. Hence stored = logical parameters = q·g·C, logical MACs =
    H'·W'·q·g·C and executed MACs = H'·W'·9·g·C.
    """

    places: Tensor
    kernel: Tensor

    def __init__(
        self,
        channels: int,
        positions: tuple[int, ...],
        group_size: int = 1,
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if channels % group_size:
            raise ValueError(f"a group size of {group_size} does not divide {channels} channels")
        self.channels = channels
        self.group_size = group_size
        self.positions = positions
        self.stride = stride
        self.dilation = dilation
        taps = torch.empty(channels, group_size, len(positions), device=device, dtype=dtype)
        self.taps = nn.Parameter(nn.init.kaiming_uniform_(taps, a=math.sqrt(5)))
        places = [positions.index(p) if p in positions else len(positions) for p in range(9)]
        self.register_buffer("places", torch.tensor(places, device=device), persistent=False)
        self.register_buffer("kernel", self.laid_out().detach(), persistent=False)
        self._laid_out_at = self.taps._version

    def forward(self, x: Tensor) -> Tensor:
        groups = self.channels // self.group_size
        return F.conv2d(x, self._kernel(), None, self.stride, self.dilation, self.dilation, groups)

    def laid_out(self) -> Tensor:
        """The 3×3 kernel (C, g, 3, 3) with the taps at their places and zeros elsewhere."""
        kernel = F.pad(self.taps, (0, 1))[..., self.places]
        return kernel.reshape(self.channels, self.group_size, 3, 3)

    def _kernel(self) -> Tensor:
        taps = self.taps
        computed = not isinstance(taps, nn.Parameter)  # by a parametrization, anew in every call
        if computed or torch.is_grad_enabled() or torch.compiler.is_compiling():
            return self.laid_out()
        if self._laid_out_at != taps._version:
            self.kernel = self.laid_out()
            self._laid_out_at = taps._version
        return self.kernel

    def closed_form(self, output_hw: tuple[int, int]) -> LayerCount:
        """Counts for an output map of that height and width."""
        per_tap = self.channels * self.group_size
        taps, positions = len(self.positions), output_hw[0] * output_hw[1]
        params = taps * per_tap
        return LayerCount(params, params, positions * 9 * per_tap, positions * taps * per_tap)

    def extra_repr(self) -> str:
        taps = len(self.positions)
        return f"{self.channels}, taps={taps}, group_size={self.group_size}, stride={self.stride}"


class LeanConv2d(nn.Module):
    """K y = (D + P) y: a depthwise stencil D and a full 1×1 convolution P of the same input, added.

    (B, Ci, H, W) -> (B, Co, H', W'). D has q taps in groups of g channels and acts on the first
    m = min(Ci, Co) channels; both branches are strided (our rule where Ci ≠ Co or the stride is 2: the
    papers define the square layer). It equals one dense 3×3 convolution whose centre is P, whose
    diagonal (within groups) carries the stencil and whose other taps are zero.

    Parameters: Ci·Co + q·g·m (+ Co with bias). Logical MACs: H'·W'·(Ci·Co + q·g·m); executed ones have
    nine in the place of q. At Ci = Co = 64 with four taps: 4,352 parameters against 36,864.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        variant: str = "4-point",
        group_size: int = 1,
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        bias: bool = False,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        shared = min(in_channels, out_channels)
        self.variant = variant
        self.point = nn.Conv2d(in_channels, out_channels, 1, stride, bias=bias, device=device, dtype=dtype)
        self.stencil = Stencil2d(
            shared, STENCILS[variant], group_size, stride, dilation, device=device, dtype=dtype
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.point(x)
        shared = self.stencil.channels
        d = self.stencil(x if shared == x.shape[1] else x[:, :shared])
        (y if shared == y.shape[1] else y[:, :shared]).add_(d)
        return y

    def extra_repr(self) -> str:
        return f"variant={self.variant}"


def check(*, variant: str = "4-point", group_size: int = 1, **_others: Any) -> None:
    """Raises ValueError for an unknown stencil or a group size below 1."""
    if variant not in STENCILS:
        raise ValueError(f"variant '{variant}' is not known{nearest(variant, STENCILS)}")
    if group_size < 1:
        raise ValueError(f"group_size={group_size}: a group has at least 1 channel")


@method("lean_conv", check=check)
def lean_conv(
    network: nn.Module,
    context: Context,
    *,
    variant: str = "4-point",
    group_size: int = 1,
    skip: tuple[str, ...] = (),
) -> Rewritten:
    """LeanConv: every 3×3 convolution becomes a depthwise stencil plus a full 1×1, added.

    ``variant``: ``4-point`` (N, S, E, W; the 1×1 is the centre), ``5-point`` or ``3x3``.
    ``group_size``: channels that a stencil mixes, 1 for depthwise; where it does not divide the width
    the layer is left. ``skip``: globs of layers to leave dense. The weights are fresh ones.
    """

    def build(_name: str, conv: nn.Conv2d) -> nn.Module | str:
        return _obstacle(conv, group_size) or LeanConv2d(
            conv.in_channels,
            conv.out_channels,
            variant,
            group_size,
            (conv.stride[0], conv.stride[1]),
            (conv.dilation[0], conv.dilation[1]),
            conv.bias is not None,
            device=conv.weight.device,
            dtype=conv.weight.dtype,
        )

    return replace_each(network, context, skip, build)


def _obstacle(conv: nn.Conv2d, group_size: int) -> str:
    reason = not_plain(conv) or not_square(conv, 3)
    if reason:
        return reason
    if pads(conv) != tuple(conv.dilation):
        return f"padding {pads(conv)[0]}: the 1×1 would not meet the centre of the kernel"
    shared = min(conv.in_channels, conv.out_channels)
    return f"{shared} channels are no multiple of the group size {group_size}" if shared % group_size else ""
