"""A pattern-sparse 3×3 convolution that executes only the taps it has."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.counting.layer_count import LayerCount
from bench.methods.parts.compiled import Kernels
from bench.methods.parts.fused_taps import Sparse, convolve, shifted

LINEAR_UP_TO = 16
"""Positions of the output map up to which the products run as linear layers over positions.

Measured on one x86 core against 1×1 convolutions over the same rows: at 2×2 a third to a half of
their time, at 4×4 as much, at 8×8 and above more.
"""


class TapConv2d(nn.Module):
    """A 3×3 convolution whose supports repeat with a period P, one matrix product per filter class.

    The kernel of output i and input j has the taps of row (i + j + 1) mod P of ``table``, bool (P, 9).
    All outputs i ≡ a (mod P) therefore read the same rows of the unfolded input, so that class a is one
    product of a dense (⌈(Co - a)/P⌉, K_a) matrix with the K_a rows (input, tap) it keeps:

        (B, Ci, H, W) -> nine shifted maps (B, 9·Ci, H', W') -> K_a rows of them -> (B, Co_a, H', W')

    whose concatenation over all classes, put in order, is the output (B, Co, H', W'). Stored are the
    kept taps alone, beside the row numbers; MACs are H'·W' times the number of taps. Stride, dilation
    and padding are those of ``conv``, whose kept weights are copied. Raises ValueError for a layer that
    is not 3×3 or has groups.

    ``fused``: one compiled kernel adds up the shifted rows instead, with the same counts; where it cannot
    work the layer does what is drawn above, and ``executed_order`` says why.
    """

    order: Tensor

    def __init__(self, conv: nn.Conv2d, table: Tensor, fused: bool = False) -> None:
        super().__init__()
        if conv.kernel_size != (3, 3) or conv.groups != 1:
            raise ValueError(f"taps are defined for 3×3 kernels without groups, not for {conv}")
        self.in_channels, self.out_channels = conv.in_channels, conv.out_channels
        self.stride, self.dilation = conv.stride, conv.dilation
        self.period = table.shape[0]
        self.fused = fused
        self._kernels = Kernels("unfolded")
        self._padding = list(conv._reversed_padding_repeated_twice)
        self._padding_mode = "constant" if conv.padding_mode == "zeros" else conv.padding_mode
        unfolded = conv.weight.detach().flatten(2).transpose(1, 2).flatten(1)  # (Co, 9·Ci), tap-major
        self.classes = min(self.period, self.out_channels)
        for first in range(self.classes):
            kept = table[(first + torch.arange(self.in_channels) + 1) % self.period]
            rows = kept.T.flatten().nonzero().view(-1)
            weight = nn.Parameter(unfolded[first :: self.period][:, rows].clone())
            self.register_parameter(f"weight{first}", weight)
            self.register_buffer(f"rows{first}", rows, persistent=False)
        self.bias = None if conv.bias is None else nn.Parameter(conv.bias.detach().clone())
        by_class = [torch.arange(a, self.out_channels, self.period) for a in range(self.classes)]
        self.register_buffer("order", torch.cat(by_class).argsort(), persistent=False)

    @property
    def executed_order(self) -> str:
        """What the last call did: ``fused``, or ``unfolded`` with the reason where fused was asked for."""
        return self._kernels.words if self.fused else "unfolded"

    @property
    def compiles(self) -> bool:
        """Whether a compiled kernel was asked for."""
        return self.fused

    @property
    def exported_order(self) -> str:
        """What a graph does that is made for another program."""
        return "unfolded"

    def forward(self, x: Tensor) -> Tensor:
        fused = self._fused(x) if self.fused else None
        return self._unfolded(x) if fused is None else fused

    def _fused(self, x: Tensor) -> Tensor | None:
        """The layer in one kernel; None where there is none for it."""
        left, right, top, bottom = self._padding
        obstacle = ""
        if self._padding_mode != "constant":
            obstacle = f"no kernel for padding mode {self._padding_mode}"
        elif left != right or top != bottom or self.dilation[0] != self.dilation[1]:
            obstacle = "no kernel for sides or dilations that differ"
        if obstacle:
            self._kernels.words = f"unfolded: {obstacle}"
            return None
        # Past the module's own look-up, which takes as long as a small kernel for all classes together.
        known: list[Any] = [self._parameters[f"weight{a}"] for a in range(self.classes)]
        rows: list[Any] = [self._buffers[f"rows{a}"] for a in range(self.classes)]
        stride = self.stride[0], self.stride[1]
        sparse = Sparse(known, rows, self.bias, stride, (top, left), self.dilation[0])
        return convolve(self._kernels, x, sparse)

    def _unfolded(self, x: Tensor) -> Tensor:
        x = F.pad(x, self._padding, self._padding_mode)
        parts = shifted(x, self.stride, self.dilation)
        height, width = parts[0].shape[2:]
        if height * width > LINEAR_UP_TO:
            maps = torch.cat(parts, 1)
            products = [
                F.conv2d(maps.index_select(1, rows), weight[:, :, None, None], bias)
                for rows, weight, bias in self._classes()
            ]
            return torch.cat(products, 1).index_select(1, self.order)
        maps = torch.cat([m.permute(0, 2, 3, 1) for m in parts], 3)
        flat = maps.reshape(-1, maps.shape[3])
        products = [
            F.linear(flat.index_select(1, rows), weight, bias) for rows, weight, bias in self._classes()
        ]
        out = torch.cat(products, 1).index_select(1, self.order)
        return out.view(-1, height, width, self.out_channels).permute(0, 3, 1, 2).contiguous()

    def _classes(self) -> list[tuple[Tensor, Tensor, Tensor | None]]:
        """Rows, weight and bias of every filter class."""
        return [
            (
                getattr(self, f"rows{first}"),
                getattr(self, f"weight{first}"),
                None if self.bias is None else self.bias[first :: self.period],
            )
            for first in range(self.classes)
        ]

    def closed_form(self, output_hw: tuple[int, int]) -> LayerCount:
        """Counts for an output map of that height and width: nothing is stored or computed in vain."""
        taps = sum(weight.numel() for _, weight, _ in self._classes())
        bias = 0 if self.bias is None else self.bias.numel()
        return LayerCount.dense(taps + bias, taps * output_hw[0] * output_hw[1])

    def extra_repr(self) -> str:
        return f"{self.in_channels}, {self.out_channels}, period={self.period}, stride={self.stride}"
