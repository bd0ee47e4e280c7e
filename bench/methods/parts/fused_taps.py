"""Sparse kernels as one operator: every output is a sum of shifted rows, one for each tap that it keeps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.counting.operators import count_when_run
from bench.methods.parts.c_kernel import NoKernel, Processor, Source, processor
from bench.methods.parts.compiled import (
    NAMES,
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
from bench.methods.parts.fused_plan import Planes


class Sparse(NamedTuple):
    """A sparse 3×3 convolution: outputs that keep the same taps of the same inputs are a class.

    With n classes, class a has the outputs a, a + n, a + 2n …; ``weights`` of each are (outputs, taps),
    ``rows`` say which taps: tap·Ci + input.
    """

    weights: Sequence[Tensor]
    rows: Sequence[Tensor]
    bias: Tensor | None
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: int

    @property
    def out_channels(self) -> int:
        """Channels of the output."""
        return sum(map(len, self.weights))

    @property
    def tensors(self) -> tuple[Tensor | None, ...]:
        """Everything that may change."""
        return (*self.weights, self.bias)


class Block(NamedTuple):
    """R outputs by P vectors of places in the registers."""

    R: int
    P: int


def block_of(outputs: int, vectors: int, processor: Processor) -> Block:
    """The block that reads least for each product: as many outputs of a class as fit, then as many places.

    ``outputs``: of the smallest class; ``vectors``: of the map's places.
    """
    most = 14 if processor.registers == 32 else 6
    R = min(outputs, most)
    blocks = math.ceil(outputs / R)
    R = math.ceil(outputs / blocks)
    P = max(1, (processor.registers - 2) // (R + 1))
    groups = math.ceil(vectors / min(P, 8))
    return Block(R, math.ceil(vectors / groups))


def convolve(kernels: Kernels, x: Tensor, sparse: Sparse) -> Tensor | None:
    """(B, Ci, H, W) -> (B, Co, H', W'); None where there is no kernel, and ``kernels.words`` says why.

    By the registered operator in a compiler's graph, and where somebody follows the call by its operators.
    """
    if learns(x, sparse.tensors):
        return None
    if graphed(x):
        compiled = torch.compiler.is_compiling() and not is_exporting() and x.device.type == "cpu"
        return _operator(x, sparse, True) if compiled else None
    try:
        return _operator(x, sparse, False) if watched() else _run(kernels, x, sparse)
    except Gathering as later:
        return x.new_zeros(later.output)
    except NoKernel:
        return None


def _run(kernels: Kernels, x: Tensor, sparse: Sparse) -> Tensor:
    written = version(sparse.tensors)
    return kernels(x, written, lambda: _ready(x, sparse, written))


def planes_of(x: Tensor, sparse: Sparse) -> Planes:
    """How the input lies for the kernel."""
    return Planes(x.shape[2], x.shape[3], 3, sparse.dilation, sparse.stride, sparse.padding)


def _ready(x: Tensor, sparse: Sparse, written: tuple[int, ...]) -> Ready:
    reason = obstacle(x, sparse.tensors)
    if reason:
        raise NoKernel(reason)
    planes = planes_of(x, sparse)
    high, wide = planes.output
    if high < 1 or wide < 1:
        raise NoKernel("the kernel is larger than the map")
    size, threads = REALS[x.dtype], torch.get_num_threads()
    lanes = processor().lanes(size)
    vectors = math.ceil(planes.places / lanes)
    block = block_of(min(map(len, sparse.weights)), vectors, processor())
    length = planes.length(vectors * lanes, size)
    macros: dict[str, str | int] = {
        **planes.macros(),
        **{"REAL": NAMES[size], "VECTOR_BYTES": processor().vector_bytes, "PLANE": length},
        **{"CIN": x.shape[1], "COUT": sparse.out_channels, "R": block.R, "P": block.P},
    }
    if size == 8:
        macros["WIDE"] = 1
    output = (x.shape[0], sparse.out_channels, high, wide)
    found = library(Source("tap_conv.c", tuple(macros.items()), threads > 1), output)
    kept = pack(sparse, planes, length, x.shape[1], block.R)
    return ready(found, written, kept, output, threads)


def pack(sparse: Sparse, planes: Planes, length: int, in_channels: int, R: int) -> tuple[Tensor, Tensor]:
    """Weights and lists as ``kernels/tap_conv.c`` reads them; ``length`` is a plane's."""
    like = sparse.weights[0]
    with torch.inference_mode(False), torch.no_grad():
        weights = [
            like.new_zeros(sparse.out_channels) if sparse.bias is None else sparse.bias.detach().clone()
        ]
        rows: list[list[int]] = []
        places: list[int] = []
        begins = sparse.out_channels
        for first, (weight, kept) in enumerate(zip(sparse.weights, sparse.rows, strict=True)):
            outputs = range(first, sparse.out_channels, len(sparse.weights))
            start = len(places)
            places += [_place(row, in_channels, planes, length) for row in kept.tolist()]
            for at in range(0, len(outputs), R):
                some = outputs[at : at + R]
                padded = like.new_zeros(R, len(kept))
                padded[: len(some)] = weight[at : at + R]
                weights.append(padded.T.flatten())
                rows.append([start, len(kept), begins, *some, *[-1] * (R - len(some))])
                begins += R * len(kept)
        numbers = [len(rows), *(number for row in rows for number in row), *places]
        return torch.cat(weights), torch.tensor(numbers, dtype=torch.int32)


def _place(row: int, in_channels: int, planes: Planes, length: int) -> int:
    """Where the tap and input of a row of the unfolded map are read, from the place of the output."""
    tap, channel = divmod(row, in_channels)
    down, right = (planes.dilation * at for at in divmod(tap, 3))
    (sh, sw), number = planes.stride, planes.stride[0] * planes.stride[1]
    plane = channel * number + down % sh * sw + right % sw
    return plane * length + down // sh * planes.row + right // sw


def shifted(x: Tensor, stride: tuple[int, ...], dilation: tuple[int, ...]) -> list[Tensor]:
    """The padded input (B, Ci, H, W) as each of the nine taps sees it, (B, Ci, H', W')."""
    down, right = stride
    height = (x.shape[2] - 2 * dilation[0] - 1) // down + 1
    width = (x.shape[3] - 2 * dilation[1] - 1) // right + 1
    shifts = [(i * dilation[0], j * dilation[1]) for i in range(3) for j in range(3)]
    return [
        x[:, :, i : i + (height - 1) * down + 1 : down, j : j + (width - 1) * right + 1 : right]
        for i, j in shifts
    ]


def by_class(x: Tensor, sparse: Sparse) -> Tensor:
    """The same by torch's own operators, a product for each class."""
    (top, left), dilation = sparse.padding, (sparse.dilation, sparse.dilation)
    maps = torch.cat(shifted(F.pad(x, (left, left, top, top)), sparse.stride, dilation), 1)
    out = x.new_empty(x.shape[0], sparse.out_channels, *maps.shape[2:])
    number = len(sparse.weights)
    for first, (weight, rows) in enumerate(zip(sparse.weights, sparse.rows, strict=True)):
        bias = None if sparse.bias is None else sparse.bias[first::number]
        out[:, first::number] = F.conv2d(maps.index_select(1, rows), weight[:, :, None, None], bias)
    return out


_LIBRARY = torch.library.Library("csr_bench", "FRAGMENT")
_LIBRARY.define(
    "tap_conv2d(Tensor x, Tensor[] weights, Tensor[] rows, Tensor? bias, int[] stride, int[] padding, "
    "int dilation, bool or_else) -> Tensor"
)
_KNOWN = ByWeight("unfolded")


def _operator(x: Tensor, sparse: Sparse, or_else: bool) -> Tensor:
    """``or_else``: without a kernel in torch's own operators, unseen; otherwise it raises NoKernel."""
    found: Tensor = torch.ops.csr_bench.tap_conv2d(x, *sparse, or_else)
    return found


def _on_cpu(x: Tensor, *known: Any) -> Tensor:
    weights, rows, bias, (down, right), (top, left), dilation, or_else = known
    sparse = Sparse(weights, rows, bias, (down, right), (top, left), dilation)
    try:
        return _run(_KNOWN.of(weights[0]), x, sparse)
    except NoKernel:
        if not or_else:
            raise
        return by_class(x, sparse)


def _shape_alone(x: Tensor, weights: list[Tensor], *others: Any) -> Tensor:
    stride, padding, dilation, _ = others[2:]
    high, wide = (
        (size + 2 * padding[at] - 2 * dilation - 1) // stride[at] + 1 for at, size in enumerate(x.shape[2:])
    )
    return x.new_empty((x.shape[0], sum(len(weight) for weight in weights), high, wide))


def _flops(_x: Any, weights: Any, *_rest: Any, out_shape: Any, **_options: Any) -> int:
    taps = sum(math.prod(weight) for weight in weights)
    return int(2 * taps * out_shape[0] * out_shape[2] * out_shape[3])


_LIBRARY.impl("tap_conv2d", _on_cpu, "CPU")
torch.library.register_fake("csr_bench::tap_conv2d", _shape_alone, lib=_LIBRARY)
count_when_run(torch.ops.csr_bench.tap_conv2d, _flops)
