"""A sparse 3×3 convolution whose kernels each have taps of their own, and that executes only these."""

from __future__ import annotations

from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.counting.layer_count import LayerCount
from bench.methods.parts.compiled import Kernels
from bench.methods.parts.fused_drawn import Drawn, convolve, gathered


class DrawnConv2d(nn.Module):
    """A 3×3 convolution whose kernels keep n of nine taps each, at places that have nothing in common.

    ``mask``, bool (Co, Ci, 3, 3), has n taps in every kernel. No two outputs read the same rows of the
    unfolded input, so that each output is a product of its own:

        (B, Ci, H, W) -> nine shifted maps (B, 9·Ci, H', W') -> c·n·Ci rows of them -> (B, c, H', W')

    for c outputs at a time, as a 1×1 convolution in c groups. Stored are the kept taps (Co, Ci, n) and a
    byte for each kernel, its row in a table of all supports with n taps; MACs are H'·W' times the number
    of taps. Stride, dilation and padding are those of ``conv``, whose kept weights are copied. Raises
    ValueError for a layer that is not 3×3 or has groups, and for kernels with different numbers of taps.

    ``fused``: one compiled kernel adds up the shifted maps instead, with the same counts; where it cannot
    work the layer does what is drawn above, and ``executed_order`` says why.
    """

    pattern: Tensor
    table: Tensor

    def __init__(self, conv: nn.Conv2d, mask: Tensor, fused: bool = False) -> None:
        super().__init__()
        if conv.kernel_size != (3, 3) or conv.groups != 1:
            raise ValueError(f"taps are defined for 3×3 kernels without groups, not for {conv}")
        kept = mask.flatten(2).sum(2)
        if not bool((kept == kept[0, 0]).all()) or not bool(kept[0, 0] > 0):
            raise ValueError("every kernel must keep the same number of taps, one or more")
        self.in_channels, self.out_channels, self.taps = conv.in_channels, conv.out_channels, int(kept[0, 0])
        self.stride, self.dilation = conv.stride, conv.dilation
        self.fused = fused
        self._kernels = Kernels("gathered")
        self._padding = list(conv._reversed_padding_repeated_twice)
        self._padding_mode = "constant" if conv.padding_mode == "zeros" else conv.padding_mode
        table, pattern = patterns(mask, self.taps)
        self.register_buffer("table", table, persistent=False)
        self.register_buffer("pattern", pattern)  # persistent: no rule but the draw itself gives it back
        weight = conv.weight.detach().flatten(2).gather(2, table[pattern.long()])
        self.weight = nn.Parameter(weight)
        self.bias = None if conv.bias is None else nn.Parameter(conv.bias.detach().clone())

    @property
    def executed_order(self) -> str:
        """What the last call did: ``fused``, or ``gathered`` with the reason where fused was asked for."""
        return self._kernels.words if self.fused else "gathered"

    @property
    def compiles(self) -> bool:
        """Whether a compiled kernel was asked for."""
        return self.fused

    @property
    def exported_order(self) -> str:
        """What a graph does that is made for another program."""
        return "gathered"

    def forward(self, x: Tensor) -> Tensor:
        fused = self._fused(x) if self.fused else None
        if fused is not None:
            return fused
        return gathered(F.pad(x, self._padding, self._padding_mode), self._drawn())

    def _drawn(self) -> Drawn:
        """The layer as its kernel is told of it; zeros are as many on both sides, where there is a kernel."""
        # Past the module's own look-up, which takes as long as a small part of the kernel.
        weight, bias = self._parameters["weight"], self._parameters.get("bias")
        pattern, table = self._buffers["pattern"], self._buffers["table"]
        assert weight is not None
        assert pattern is not None
        assert table is not None
        stride, dilation = (self.stride[0], self.stride[1]), (self.dilation[0], self.dilation[1])
        return Drawn(weight, pattern, table, bias, stride, (self._padding[2], self._padding[0]), dilation)

    def _fused(self, x: Tensor) -> Tensor | None:
        """The layer in one kernel; None where there is none for it."""
        left, right, top, bottom = self._padding
        obstacle = ""
        if self._padding_mode != "constant":
            obstacle = f"no kernel for padding mode {self._padding_mode}"
        elif left != right or top != bottom:
            obstacle = "no kernel for sides that differ"
        if obstacle:
            self._kernels.words = f"gathered: {obstacle}"
            return None
        return convolve(self._kernels, x, self._drawn())

    def closed_form(self, output_hw: tuple[int, int]) -> LayerCount:
        """Counts for an output map of that height and width: nothing is stored or computed in vain."""
        taps = self.weight.numel()
        bias = 0 if self.bias is None else self.bias.numel()
        return LayerCount.dense(taps + bias, taps * output_hw[0] * output_hw[1])

    def extra_repr(self) -> str:
        return f"{self.in_channels}, {self.out_channels}, taps={self.taps}, stride={self.stride}"


def patterns(mask: Tensor, taps: int) -> tuple[Tensor, Tensor]:
    """All supports with so many taps, (patterns, taps), and the row in it of each kernel, (Co, Ci), uint8.

    ``mask`` is bool (Co, Ci, 3, 3). There are at most 126 supports, of four or five taps.
    """
    table = torch.tensor(list(combinations(range(9), taps)))
    digits = 2 ** torch.arange(9)
    row = torch.zeros(512, dtype=torch.uint8)
    row[digits[table].sum(1)] = torch.arange(len(table), dtype=torch.uint8)
    return table, row[(mask.flatten(2) * digits).sum(2)]
