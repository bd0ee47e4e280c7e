"""CSR-Conv by oneDNN's convolutions with the layouts that they like: through torch, in three ways.

Weights are reordered once. What changes is who keeps the layout between steps, and who calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bench.methods.csr_conv import CSRConv2d

SAME: tuple[Any, ...] = ((1, 1), (1, 1), (1, 1), 1)
"""Padding, stride and dilation (a 3×3 convolution that keeps its map), and groups."""


def blocked(layer: CSRConv2d, side: int) -> Callable[[Tensor], Tensor]:
    """Opaque tensors, whose layout is oneDNN's own choice: only input and output are reordered.

    They can be neither split nor joined, so the U convolutions run step by step.
    """
    u, v = (
        torch.ops.aten.mkldnn_reorder_conv2d_weight(
            w.detach().to_mkldnn(), *SAME, [1, w.shape[1], side, side]
        )
        for w in (layer.u, layer.v)
    )
    alpha, rest = layer.alpha.item(), 1 - layer.beta.item()

    def call(x: Tensor) -> Tensor:
        steps = []
        h: Any = None
        for part in x.split(layer.gi, 1):
            found = torch.mkldnn_convolution(part.to_mkldnn(), u, None, *SAME)
            if h is not None:
                vh = torch.mkldnn_convolution(h, v, None, *SAME)
                found = torch.add(torch.relu_(found + vh).mul_(alpha), vh, alpha=rest)
            h = found
            steps.append(h.to_dense())
        return torch.cat(steps, 1)

    return call


def prepacked(layer: CSRConv2d, side: int) -> Callable[[Tensor], Tensor]:
    """Weights in oneDNN's blocks, a pixel's channels together; addition and ReLU within the convolution.

    All U convolutions but the first add what V gave, and so run step by step.
    """
    u, v = (
        torch.ops.mkldnn._reorder_convolution_weight(w.detach(), *SAME, [1, w.shape[1], side, side])
        for w in (layer.u, layer.v)
    )
    alpha, rest = layer.alpha.item(), 1 - layer.beta.item()
    plain = torch.ops.mkldnn._convolution_pointwise.default
    added = torch.ops.mkldnn._convolution_pointwise.binary

    def call(x: Tensor) -> Tensor:
        steps: list[Tensor] = []
        flat = x.unflatten(1, (layer.T, layer.gi))[0].contiguous(memory_format=torch.channels_last)
        for part in flat.split(1):
            if not steps:
                steps.append(plain(part, u, None, *SAME, "none", [], ""))
                continue
            vh = plain(steps[-1], v, None, *SAME, "none", [], "")
            sum_ = added(part, vh, u, None, *SAME, "add", None, "relu", [], "")
            steps.append(torch.add(sum_.mul_(alpha), vh, alpha=rest))
        return torch.cat(steps, 1).contiguous()

    return call


class _Planar(nn.Module):
    """A layer whose output has each channel's pixels together, as its input has, whatever lies between."""

    def __init__(self, layer: CSRConv2d) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.layer(x)
        return found.contiguous()


def frozen(layer: CSRConv2d, side: int) -> Callable[[Tensor], Tensor]:
    """torch.compile with Inductor's freezing: weights are constants, packed for oneDNN, the rest is fused.

    Raises RuntimeError where Inductor packs none on this processor.
    """
    from torch._dynamo.utils import counters
    from torch._inductor import config
    from torch._inductor.async_compile import shutdown_compile_workers

    packed = "mkldnn_conv_weight_pack_matcher_count"
    before = counters["inductor"][packed]
    torch._dynamo.reset()  # or the next layer would be compiled for maps of any size
    compiled: Callable[[Tensor], Tensor] = torch.compile(_Planar(layer))
    # As an option of torch.compile it would come too late: weights are inputs of the graph by then.
    with torch.inference_mode(), config.patch(freezing=True):
        compiled(torch.zeros(1, layer.in_channels, side, side))
    shutdown_compile_workers()  # nothing runs beside what is timed
    if counters["inductor"][packed] == before:
        raise RuntimeError("Inductor packed no weights for oneDNN on this processor")
    return compiled
