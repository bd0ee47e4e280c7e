"""Kernels with taps of their own as one operator: every output is a sum of shifted maps, one for each tap."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bench.counting.operators import count_when_run
from bench.methods.parts.c_kernel import NoKernel, processor
from bench.methods.parts.compiled import (
    REALS,
    ByWeight,
    Kernels,
    Ready,
    graphed,
    learns,
    library,
    obstacle,
    ready,
    version,
    watched,
)
from bench.methods.parts.drawn_plan import DrawnPlan, DrawnShape


class Drawn(NamedTuple):
    """A 3×3 convolution whose kernels each keep n taps: ``weight`` (Co, Ci, n).

    ``pattern`` (Co, Ci), uint8: the row of ``table`` (patterns, n) with the kernel's taps, 0 … 8 row-major.
    """

    weight: Tensor
    pattern: Tensor
    table: Tensor
    bias: Tensor | None
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]

    @property
    def tensors(self) -> tuple[Tensor | None, ...]:
        """Everything that is learned."""
        return self.weight, self.bias


def convolve(kernels: Kernels, x: Tensor, drawn: Drawn) -> Tensor | None:
    """(B, Ci, H, W) -> (B, Co, H', W'); None where there is no kernel, and ``kernels.words`` says why."""
    if graphed(x) or learns(x, drawn.tensors):
        return None
    try:
        return _operator(x, drawn) if watched() else _run(kernels, x, drawn)
    except NoKernel:
        return None


def _run(kernels: Kernels, x: Tensor, drawn: Drawn) -> Tensor:
    written = version((*drawn.tensors, drawn.pattern))
    return kernels(x, written, lambda: _ready(x, drawn, written))


def _ready(x: Tensor, drawn: Drawn, written: tuple[int, ...]) -> Ready:
    reason = obstacle(x, drawn.tensors)
    if reason:
        raise NoKernel(reason)
    shape = shape_of(x, drawn)
    high, wide = shape.output
    if high < 1 or wide < 1:
        raise NoKernel("the kernel is larger than the map")
    plan = DrawnPlan(shape, processor())
    found = library(plan.source())
    return ready(
        found, written, pack(plan, drawn), (x.shape[0], len(drawn.weight), high, wide), shape.threads
    )


def shape_of(x: Tensor, drawn: Drawn) -> DrawnShape:
    """What the kernel for such an input is made for."""
    return DrawnShape(
        in_channels=x.shape[1],
        out_channels=drawn.weight.shape[0],
        taps=drawn.weight.shape[2],
        height=x.shape[2],
        width=x.shape[3],
        stride=drawn.stride,
        padding=drawn.padding,
        dilation=drawn.dilation,
        bytes_of_real=REALS[x.dtype],
        threads=torch.get_num_threads(),
    )


def pack(plan: DrawnPlan, drawn: Drawn) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, patterns and places in the order in which ``kernels/drawn_conv.c`` reads them."""
    weight = drawn.weight
    with torch.inference_mode(False), torch.no_grad():
        bias = weight.new_zeros(plan.blocks * plan.block.R)
        if drawn.bias is not None:
            bias[: len(weight)] = drawn.bias
        places = [[plan.distance(tap) for tap in taps] for taps in drawn.table.tolist()]
        return (
            torch.cat([bias, _in_blocks(plan, weight)]),
            _in_blocks(plan, drawn.pattern),
            torch.tensor(places, dtype=torch.int32),
        )


def _in_blocks(plan: DrawnPlan, of_kernels: Tensor) -> Tensor:
    """(Co, Ci, …) -> by block of inputs, by block of outputs, by input, by output; nothing is 0."""
    padded = of_kernels.new_zeros(plan.blocks * plan.block.R, *of_kernels.shape[1:])
    padded[: len(of_kernels)] = of_kernels
    blocks = padded.view(plan.blocks, plan.block.R, *of_kernels.shape[1:]).transpose(1, 2)
    return torch.cat([some.flatten() for some in blocks.split(plan.block.inputs, 1)])


_LIBRARY = torch.library.Library("csr_bench", "FRAGMENT")
_LIBRARY.define(
    "drawn_conv2d(Tensor x, Tensor weight, Tensor pattern, Tensor table, Tensor? bias, int[] stride, "
    "int[] padding, int[] dilation) -> Tensor"
)
_KNOWN = ByWeight("gathered")


def _operator(x: Tensor, drawn: Drawn) -> Tensor:
    found: Tensor = torch.ops.csr_bench.drawn_conv2d(x, *drawn)
    return found


def _on_cpu(x: Tensor, *drawn: Any) -> Tensor:
    weight, pattern, table, bias, *geometry = drawn
    stride, padding, dilation = ((down, right) for down, right in geometry)
    return _run(_KNOWN.of(weight), x, Drawn(weight, pattern, table, bias, stride, padding, dilation))


def _flops(_x: Any, weight: Any, *_rest: Any, out_shape: Any, **_options: Any) -> int:
    return int(2 * math.prod(weight) * out_shape[0] * out_shape[2] * out_shape[3])


_LIBRARY.impl("drawn_conv2d", _on_cpu, "CPU")
count_when_run(torch.ops.csr_bench.drawn_conv2d, _flops)
