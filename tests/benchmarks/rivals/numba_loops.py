"""CSR-Conv in numba: the C kernel's vectors of pixels, as plain loops that LLVM is left to vectorise.

As there, rows lie end to end with one shared column of zeros, so that a tap is a fixed distance, h keeps such
planes too, and four outputs are made at a time. What plain loops cannot say is that sums stay in registers
over all channels: a sum is read and written once for each channel and row of taps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.methods.csr_conv import CSRConv2d

Floats = np.ndarray[Any, np.dtype[np.float32]]

BLOCK = 4
"""Outputs that are made together."""


def strict(layer: CSRConv2d, side: int) -> Callable[[Tensor], Tensor]:
    """Products and sums rounded one by one, as numba does unasked."""
    return _layer(layer, side, False)


def contracted(layer: CSRConv2d, side: int) -> Callable[[Tensor], Tensor]:
    """Fused multiply-adds allowed, as the C kernel's flags do; no other freedom."""
    return _layer(layer, side, {"contract"})


def _layer(layer: CSRConv2d, side: int, fastmath: bool | set[str]) -> Callable[[Tensor], Tensor]:
    run, scratch = _kernel(layer.gi, layer.go, side, layer.T, fastmath)
    u, v = _pack(layer.u), _pack(layer.v)
    alpha, rest = np.float32(layer.alpha.item()), np.float32(1 - layer.beta.item())

    def call(x: Tensor) -> Tensor:
        out = torch.empty(1, layer.out_channels, side, side)
        run(x.numpy()[0], out.numpy()[0], u, v, alpha, rest, *scratch)
        return out

    return call


def _pack(weight: Tensor) -> Floats:
    """(go, C, 3, 3) -> blocks of outputs, in each: by channel, by tap, the block's outputs side by side."""
    blocks = weight.detach().unflatten(0, (-1, BLOCK)).permute(0, 2, 3, 4, 1)
    found: Floats = blocks.contiguous().numpy()
    return found


def _kernel(
    ci: int, co: int, side: int, T: int, fastmath: bool | set[str]
) -> tuple[Callable[..., None], tuple[Floats, ...]]:
    """The kernel of a 3×3 layer with zeros around its map, all sizes constants; and the scratch it needs."""
    import numba

    row = side + 1
    places = (side - 1) * row + side
    first = row + 1
    plane = (side + 2) * row + 2

    def add(sums: Floats, planes: Floats, channels: int, weights: Floats) -> None:
        s0, s1, s2, s3 = sums[0], sums[1], sums[2], sums[3]
        for c in range(channels):
            for dy in range(3):
                at = c * plane + dy * row
                left, middle, right = (
                    planes[at : at + places],
                    planes[at + 1 : at + 1 + places],
                    planes[at + 2 : at + 2 + places],
                )
                w = weights[c, dy]
                l0, l1, l2, l3 = w[0, 0], w[0, 1], w[0, 2], w[0, 3]
                m0, m1, m2, m3 = w[1, 0], w[1, 1], w[1, 2], w[1, 3]
                r0, r1, r2, r3 = w[2, 0], w[2, 1], w[2, 2], w[2, 3]
                for p in range(places):
                    a, b, c_ = left[p], middle[p], right[p]
                    s0[p] += l0 * a + m0 * b + r0 * c_
                    s1[p] += l1 * a + m1 * b + r1 * c_
                    s2[p] += l2 * a + m2 * b + r2 * c_
                    s3[p] += l3 * a + m3 * b + r3 * c_

    compiled: Any = numba.njit(fastmath=fastmath)
    add_ = compiled(add)

    def run(
        x: Floats,
        out: Floats,
        u: Floats,
        v: Floats,
        alpha: np.float32,
        rest: np.float32,
        planes: Floats,
        h: Floats,
        sums: Floats,
        kept: Floats,
    ) -> None:
        zero = np.float32(0)
        for t in range(T):
            for c in range(ci):
                for y in range(side):
                    at = c * plane + first + y * row
                    for i in range(side):
                        planes[at + i] = x[t * ci + c, y, i]
            old, new = h[(t + 1) % 2], h[t % 2]
            for block in range(co // BLOCK):
                for r in range(BLOCK):
                    for p in range(places):
                        sums[r, p] = zero
                if t > 0:
                    add_(sums, old, co, v[block])
                    for r in range(BLOCK):
                        for p in range(places):
                            kept[r, p] = sums[r, p]
                add_(sums, planes, ci, u[block])
                for r in range(BLOCK):
                    o = block * BLOCK + r
                    to = new[o * plane + first : o * plane + first + places]
                    if t > 0:
                        for p in range(places):
                            to[p] = alpha * max(sums[r, p], zero) + rest * kept[r, p]
                    else:
                        for p in range(places):
                            to[p] = sums[r, p]
                    for y in range(side):
                        for i in range(side):
                            out[t * co + o, y, i] = to[y * row + i]
                    for y in range(1, side):
                        to[y * row - 1] = zero  # what the shared column got belongs to no pixel

    sizes = ((ci * plane,), (2, co * plane), (BLOCK, places), (BLOCK, places))
    return compiled(run), tuple(np.zeros(size, np.float32) for size in sizes)
