"""Kernels with taps of their own as one operator: every output is a sum of shifted maps, one for each tap."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.counting.operators import count_when_run
from bench.methods.parts.c_kernel import NoKernel, processor
from bench.methods.parts.compiled import (
    REALS,
    ByWeight,
    Gathering,
    Kernels,
    Ready,
    graphed,
    is_exporting,
    learns,
    library,
    obstacle,
    ready,
    version,
    watched,
)
from bench.methods.parts.drawn_plan import DrawnPlan, DrawnShape
from bench.methods.parts.fused_taps import shifted

GATHERED = 1 << 20
"""Numbers that are gathered at a time, where that is more than two outputs need.

Measured on one x86 core: a quarter of it does as well, four times as many are slower on some shapes. An
output alone is a plain convolution to torch, not one in groups, and took twenty times as long.
"""


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
    """(B, Ci, H, W) -> (B, Co, H', W'); None where there is no kernel, and ``kernels.words`` says why.

    By the registered operator in a compiler's graph, and where somebody follows the call by its operators.
    """
    if learns(x, drawn.tensors):
        return None
    if graphed(x):
        compiled = torch.compiler.is_compiling() and not is_exporting() and x.device.type == "cpu"
        return _operator(x, drawn, True) if compiled else None
    try:
        return _operator(x, drawn, False) if watched() else _run(kernels, x, drawn)
    except Gathering as later:
        return x.new_zeros(later.output)
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
    output = (x.shape[0], len(drawn.weight), high, wide)
    found = library(plan.source(), output)
    return ready(found, written, pack(plan, drawn), output, shape.threads)


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


def gathered(x: Tensor, drawn: Drawn) -> Tensor:
    """The same of a padded input, by torch's own operators: some outputs at a time, in a group each."""
    maps = torch.stack(shifted(x, drawn.stride, drawn.dilation), 2).flatten(1, 2)
    out_channels, in_channels, taps = drawn.weight.shape
    first = 9 * torch.arange(in_channels, device=x.device)[:, None]
    size = in_channels * taps * maps.shape[0] * maps.shape[2] * maps.shape[3]
    outputs = max(2, GATHERED // max(1, size))
    found = []
    for at in range(0, out_channels, outputs):
        some = drawn.pattern[at : at + outputs]
        places = drawn.table.index_select(0, some.flatten().int())
        rows = places.view(len(some), in_channels, taps) + first
        weight = drawn.weight[at : at + outputs].reshape(len(some), in_channels * taps, 1, 1)
        bias = None if drawn.bias is None else drawn.bias[at : at + outputs]
        found.append(F.conv2d(maps.index_select(1, rows.flatten()), weight, bias, groups=len(some)))
    return torch.cat(found, 1)


_LIBRARY = torch.library.Library("csr_bench", "FRAGMENT")
_LIBRARY.define(
    "drawn_conv2d(Tensor x, Tensor weight, Tensor pattern, Tensor table, Tensor? bias, int[] stride, "
    "int[] padding, int[] dilation, bool or_else) -> Tensor"
)
_KNOWN = ByWeight("gathered")


def _operator(x: Tensor, drawn: Drawn, or_else: bool) -> Tensor:
    """``or_else``: without a kernel in torch's own operators, unseen; otherwise it raises NoKernel."""
    found: Tensor = torch.ops.csr_bench.drawn_conv2d(x, *drawn, or_else)
    return found


def _on_cpu(x: Tensor, *drawn: Any) -> Tensor:
    weight, pattern, table, bias, *geometry, or_else = drawn
    stride, padding, dilation = ((down, right) for down, right in geometry)
    known = Drawn(weight, pattern, table, bias, stride, padding, dilation)
    try:
        return _run(_KNOWN.of(weight), x, known)
    except NoKernel:
        if not or_else:
            raise
        top, left = padding
        return gathered(F.pad(x, (left, left, top, top)), known)


def _shape_alone(x: Tensor, weight: Tensor, *others: Any) -> Tensor:
    stride, padding, dilation, _ = others[3:]
    high, wide = (
        (size + 2 * padding[at] - 2 * dilation[at] - 1) // stride[at] + 1
        for at, size in enumerate(x.shape[2:])
    )
    return x.new_empty((x.shape[0], weight.shape[0], high, wide))


def _flops(_x: Any, weight: Any, *_rest: Any, out_shape: Any, **_options: Any) -> int:
    return int(2 * math.prod(weight) * out_shape[0] * out_shape[2] * out_shape[3])


_LIBRARY.impl("drawn_conv2d", _on_cpu, "CPU")
torch.library.register_fake("csr_bench::drawn_conv2d", _shape_alone, lib=_LIBRARY)
count_when_run(torch.ops.csr_bench.drawn_conv2d, _flops)
