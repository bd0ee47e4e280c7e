"""CSR-Conv on a CUDA device: all T steps of a tile in one program of a Triton kernel. Imports Triton.

No GPU has run this yet. Triton's interpreter shows its arithmetic, and Triton's compiler that it can be made
for compute capability 7.5, 8.0 and 9.0. It was never timed, and no number in here was chosen by a time.

A convolution is a product of matrices, (pixels, taps · channels) by (taps · channels, outputs); taps that
read the zeros around the map are masked. Products are summed in float32, and h_t is rounded to the layer's
own type, as V reads it. Programs of one launch may not wait for each other, so each computes the halo of its
tile anew (see ``fused_tiles``) and keeps h in two maps of its own by turns; its threads wait for each other
between the steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from bench.methods.parts.c_kernel import NoKernel, private
from bench.methods.parts.fused_plan import Shape
from bench.methods.parts.fused_tiles import PIXELS, Tile, tile

if TYPE_CHECKING:
    from bench.methods.parts.fused_csr import Weights

REALS = (torch.float32, torch.float16, torch.bfloat16)
"""Types of numbers that the kernel computes layers of."""

OPTIONS = {"num_warps": 4, "num_stages": 1, "enable_fp_fusion": True}
"""For Triton's compiler. One stage: no load of h is moved ahead of the step that writes it."""

LARGEST = 2**31 - 1
"""Places within an image are counted in 32 bits, and so are those of a program's scratch."""


@triton.jit
def _dense(
    total, source, weight, row, column, stride_y, stride_x, stride_c, first_channel, length, outputs,
    MODULO: tl.constexpr, HIGH: tl.constexpr, WIDE: tl.constexpr, CHANNELS: tl.constexpr, GO: tl.constexpr,
    K: tl.constexpr, PRODUCTS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """``total`` (pixels, outputs) and a convolution of all channels; ``row``, ``column``: the first tap's."""
    for begin in range(0, length, BLOCK):
        k = begin + tl.arange(0, BLOCK)
        tap = k // CHANNELS
        channel = (first_channel + k % CHANNELS) % MODULO
        y = row[:, None] + (tap // K)[None, :]
        x = column[:, None] + (tap % K)[None, :]
        there = (y >= 0) & (y < HIGH) & (x >= 0) & (x < WIDE) & (k < length)[None, :]
        read = tl.load(source + y * stride_y + x * stride_x + (channel * stride_c)[None, :], there, other=0.0)
        known = (k < length)[:, None] & (outputs < GO)[None, :]
        by = tl.load(weight + k[:, None] * GO + outputs[None, :], known, other=0.0)
        total = tl.dot(read.to(PRODUCTS), by.to(PRODUCTS), total, input_precision="ieee")
    return total


@triton.jit
def _depthwise(
    total, source, weight, row, column, stride_y, stride_x, stride_c, first_channel, length, outputs,
    MODULO: tl.constexpr, HIGH: tl.constexpr, WIDE: tl.constexpr, MULTIPLE: tl.constexpr, GO: tl.constexpr,
    K: tl.constexpr,
):  # fmt: skip
    """The same where output n reads channel n // MULTIPLE alone; ``length``: taps."""
    known = outputs < GO
    channel = (first_channel + outputs // MULTIPLE) % MODULO
    for tap in range(0, length):
        y = row + tap // K
        x = column + tap % K
        there = (y >= 0) & (y < HIGH) & (x >= 0) & (x < WIDE)
        place = (y * stride_y + x * stride_x)[:, None] + (channel * stride_c)[None, :]
        read = tl.load(source + place, there[:, None] & known[None, :], other=0.0)
        by = tl.load(weight + tap * GO + outputs, known, other=0.0)
        total += read.to(tl.float32) * by.to(tl.float32)[None, :]
    return total


@triton.jit
def csr_conv(
    x, out, scratch, u, v, alpha, beta, bias_u, bias_v, stride_b, stride_c, stride_y, stride_x,
    T: tl.constexpr, K: tl.constexpr, CI: tl.constexpr, CO: tl.constexpr, GI: tl.constexpr, GO: tl.constexpr,
    SH: tl.constexpr, SW: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr,
    H: tl.constexpr, W: tl.constexpr, HO: tl.constexpr, WO: tl.constexpr,
    DEPTHWISE: tl.constexpr, BIAS: tl.constexpr, PRODUCTS: tl.constexpr,
    DOWN: tl.constexpr, ACROSS: tl.constexpr, ROOM_HIGH: tl.constexpr, ROOM_WIDE: tl.constexpr,
    PIXELS: tl.constexpr, OUTPUTS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Programs: tiles of all images, by blocks of outputs if depthwise; otherwise V needs all outputs.

    ``x`` (B, CI, H, W) with any strides, ``out`` (B, CO, HO, WO), ``u`` and ``v`` (taps · channels, GO),
    ``scratch`` (tiles of all images, 2, ROOM_HIGH, ROOM_WIDE, GO).
    """
    REACH: tl.constexpr = (K - 1) // 2
    SIDE: tl.constexpr = (WO + ACROSS - 1) // ACROSS
    TILES: tl.constexpr = (HO + DOWN - 1) // DOWN * SIDE
    ROOM: tl.constexpr = ROOM_HIGH * ROOM_WIDE * GO
    LENGTH_U: tl.constexpr = K * K if DEPTHWISE else K * K * GI
    LENGTH_V: tl.constexpr = K * K if DEPTHWISE else K * K * GO
    program = tl.program_id(0)
    image = (program // TILES).to(tl.int64)
    top = program % TILES // SIDE * DOWN
    left = program % TILES % SIDE * ACROSS
    # Scratch begins at the first pixel of the first step; less its corner, places are those of the map.
    corner = tl.maximum(top - (T - 1) * REACH, 0) * ROOM_WIDE + tl.maximum(left - (T - 1) * REACH, 0)
    corner = corner * GO
    x += image * stride_b
    out += image * (CO * HO * WO)
    scratch += program.to(tl.int64) * (2 * ROOM)
    a = tl.load(alpha).to(tl.float32)
    b = 1.0 - tl.load(beta).to(tl.float32)
    for t in range(0, T):
        halo = (T - 1 - t) * REACH
        y0 = tl.maximum(top - halo, 0)
        x0 = tl.maximum(left - halo, 0)
        wide = tl.minimum(left + ACROSS + halo, WO) - x0
        count = (tl.minimum(top + DOWN + halo, HO) - y0) * wide
        before = scratch + ((t + 1) % 2 * ROOM - corner)
        now = scratch + (t % 2 * ROOM - corner)
        for begin in range(0, count, PIXELS):
            p = begin + tl.arange(0, PIXELS)
            inside = p < count
            row = tl.where(inside, y0 + p // wide, -K)  # those past the last read zeros above the map
            column = x0 + p % wide
            for block in range(tl.program_id(1) * OUTPUTS, GO, tl.num_programs(1) * OUTPUTS):
                n = block + tl.arange(0, OUTPUTS)
                sum_u = tl.zeros((PIXELS, OUTPUTS), tl.float32)
                sum_v = tl.zeros((PIXELS, OUTPUTS), tl.float32)
                length_v = tl.where(t > 0, LENGTH_V, 0)
                if DEPTHWISE:
                    sum_v = _depthwise(
                        sum_v, before, v, row - REACH, column - REACH, ROOM_WIDE * GO, GO, 1, 0, length_v, n,
                        GO, HO, WO, 1, GO, K,
                    )  # fmt: skip
                    sum_u = _depthwise(
                        sum_u, x, u, row * SH - PH, column * SW - PW, stride_y, stride_x, stride_c, t * GI,
                        LENGTH_U, n, CI, H, W, GO // GI, GO, K,
                    )  # fmt: skip
                else:
                    sum_v = _dense(
                        sum_v, before, v, row - REACH, column - REACH, ROOM_WIDE * GO, GO, 1, 0, length_v, n,
                        GO, HO, WO, GO, GO, K, PRODUCTS, BLOCK,
                    )  # fmt: skip
                    sum_u = _dense(
                        sum_u, x, u, row * SH - PH, column * SW - PW, stride_y, stride_x, stride_c, t * GI,
                        LENGTH_U, n, CI, H, W, GI, GO, K, PRODUCTS, BLOCK,
                    )  # fmt: skip
                if BIAS:
                    sum_u += tl.load(bias_u + n, n < GO, other=0.0).to(tl.float32)[None, :]
                    sum_v += tl.load(bias_v + n, n < GO, other=0.0).to(tl.float32)[None, :]
                both = sum_u + sum_v
                both = a * tl.where(both < 0, 0.0, both) + b * sum_v
                h = tl.where(t > 0, both, sum_u).to(out.dtype.element_ty)
                own = (row >= top) & (row < top + DOWN) & (column >= left) & (column < left + ACROSS) & inside
                o = t * GO + n
                written = own[:, None] & ((n < GO) & (o < CO))[None, :]
                tl.store(out + (row * WO + column)[:, None] + (o * (HO * WO))[None, :], h, written)
                kept = inside[:, None] & ((n < GO) & (t < T - 1))[None, :]
                tl.store(now + ((row * ROOM_WIDE + column) * GO)[:, None] + n[None, :], h, kept)
        tl.debug_barrier()


def ready(x: Tensor, weights: Weights, shape: Shape) -> Callable[[Tensor], Tensor]:
    """A call (B, Ci, H, W) -> (B, Co, H', W') for inputs like ``x``, tried with it. Raises NoKernel.

    The weights are packed: another call is needed once they change. Compilers and drivers raise anything, and
    the layer then runs without a kernel.
    """
    if not INTERPRETED:
        private(Path(triton.knobs.cache.dir))
    call = _call(x, weights, shape)
    try:
        call(x)
    except Exception as error:
        said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        said = f"{type(error).__name__}: {said}" if said else type(error).__name__
        raise NoKernel(f"Triton {triton.__version__} makes no kernel: {said}") from error
    return call


def constants(shape: Shape, plan: Tile, dtype: torch.dtype, bias: bool) -> dict[str, Any]:
    """What the kernel is compiled for, by the names of its arguments."""
    high, wide = shape.output
    products = getattr(tl, str(torch.float32 if INTERPRETED else dtype).removeprefix("torch."))
    return {
        **{"T": shape.T, "K": shape.kernel, "CI": shape.in_channels, "CO": shape.out_channels},
        **{"GI": shape.gi, "GO": shape.go, "SH": shape.stride[0], "SW": shape.stride[1]},
        **{"PH": shape.padding[0], "PW": shape.padding[1], "H": shape.height, "W": shape.width},
        **{"HO": high, "WO": wide, "DEPTHWISE": shape.depthwise, "BIAS": bias, "PRODUCTS": products},
        **{"DOWN": plan.high, "ACROSS": plan.wide, "ROOM_HIGH": plan.room_high, "ROOM_WIDE": plan.room_wide},
        **{"PIXELS": PIXELS, "OUTPUTS": _outputs(shape), "BLOCK": 32},
    }


INTERPRETED = not isinstance(csr_conv, triton.JITFunction)
"""Whether Triton's interpreter runs the kernel. It holds bfloat16 as bits and would multiply these, so it
multiplies in float32, in which every product of two halves is exact, as it is on a device."""


def _outputs(shape: Shape) -> int:
    """Outputs that a program computes at a time: a power of two from 16, the least of a product, to 64."""
    return min(max(1 << (shape.go - 1).bit_length(), 16), 64)


def _call(x: Tensor, weights: Weights, shape: Shape) -> Callable[[Tensor], Tensor]:
    images, (high, wide) = x.shape[0], shape.output
    farthest = sum((size - 1) * step for size, step in zip(x.shape[1:], x.stride()[1:], strict=True))
    if max(farthest, 2 * shape.out_channels * high * wide) > LARGEST:
        raise NoKernel("an image has more places than 32 bits count")
    plan = tile(shape, images, _processors(x))
    programs = images * math.ceil(high / plan.high) * math.ceil(wide / plan.wide)
    room = programs * 2 * plan.room_high * plan.room_wide * shape.go
    grid = programs, math.ceil(shape.go / _outputs(shape)) if shape.depthwise else 1
    given = constants(shape, plan, x.dtype, weights.bias_u is not None)
    u, v = packed(weights.u), packed(weights.v)
    biases = [like if bias is None else bias for bias, like in ((weights.bias_u, u), (weights.bias_v, v))]
    kept = u, v, weights.alpha, weights.beta, *biases

    def call(x: Tensor) -> Tensor:
        out = x.new_empty((images, shape.out_channels, high, wide))
        scratch = x.new_empty(room)
        with torch.cuda.device_of(x):
            csr_conv[grid](x, out, scratch, *kept, *x.stride(), **given, **OPTIONS)
        return out

    return call


def _processors(x: Tensor) -> int:
    """Multiprocessors of the device: programs that run side by side, one on each."""
    return torch.cuda.get_device_properties(x.device).multi_processor_count if x.is_cuda else 1


def packed(weight: Tensor) -> Tensor:
    """(go, C, k, k) -> (k·k·C, go): taps, in each its channels, and the outputs side by side."""
    with torch.inference_mode(False), torch.no_grad():
        return weight.detach().permute(2, 3, 1, 0).reshape(-1, weight.shape[0]).contiguous()
