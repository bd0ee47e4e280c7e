"""CSR-Conv in Halide, with two schedules by hand that correspond to the C kernel's forms.

Both keep a block of sums in registers over all channels and taps, unroll blocks and taps whole, and write h_t
between the zeros that the next step reads around it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.methods.csr_conv import CSRConv2d

LANES = 16
OUTPUTS, VECTORS = 4, 4
"""Block of the form with vectors of pixels."""

PIXELS = 8
"""Pixels of a block with vectors of channels."""


def pixels(layer: CSRConv2d, side: int) -> Callable[[Tensor], Tensor]:
    """Vectors of pixels of a row: four outputs by four vectors."""
    return _layer(layer, side, channels_in_vectors=False)


def channels(layer: CSRConv2d, side: int) -> Callable[[Tensor], Tensor]:
    """Vectors of output channels: one or two by eight pixels."""
    return _layer(layer, side, channels_in_vectors=True)


def _layer(layer: CSRConv2d, side: int, channels_in_vectors: bool) -> Callable[[Tensor], Tensor]:
    import halide as hl

    kernel = _Pipeline(layer.gi, layer.go, side, layer.T, channels_in_vectors).compiled()
    u, v = (hl.Buffer(_pack(weight)) for weight in (layer.u, layer.v))
    alpha, rest = layer.alpha.item(), 1 - layer.beta.item()
    shape = (layer.T, layer.go, side, side)

    def call(x: Tensor) -> Tensor:
        out = torch.empty(1, layer.out_channels, side, side)
        kernel(hl.Buffer(x.numpy()[0]), u, v, alpha, rest, hl.Buffer(out.numpy().reshape(shape)))
        return out

    return call


def _pack(weight: Tensor) -> np.ndarray[Any, Any]:
    """(go, C, 3, 3) -> (C, 3, 3, go), so that the outputs of a block lie side by side."""
    found: np.ndarray[Any, Any] = weight.detach().permute(1, 2, 3, 0).contiguous().numpy()
    return found


class _Pipeline:
    """All steps of a 3×3 layer with a map of side × side; gi = ``ci`` and go = ``co`` channels in a group."""

    def __init__(self, ci: int, co: int, side: int, T: int, channels_in_vectors: bool) -> None:
        import halide

        self.hl: Any = halide
        self.ci, self.co, self.side, self.T = ci, co, side, T
        self.channels_in_vectors = channels_in_vectors
        self.lanes = min(LANES, co if channels_in_vectors else side)
        self.at = tuple(halide.Var(name) for name in ("x", "y", "c"))

    def compiled(self) -> Callable[..., None]:
        """The machine code, called with the input, u, v, alpha, 1 - beta and the output."""
        hl, side = self.hl, self.side
        x, y, c = self.at
        step = hl.Var("step")
        planes, u, v = (
            self._input("input", (side, side, self.T * self.ci)),
            self._input("u", (self.co, 3, 3, self.ci)),
            self._input("v", (self.co, 3, 3, self.co)),
        )
        alpha, rest = (hl.Param(hl.Float(32), name) for name in ("alpha", "rest"))
        h = self._steps(planes, u, v, alpha, rest)
        out = hl.Func("out")
        out[x, y, c, step] = hl.mux(step, [one[x, y, c] for one in h])
        for var, size in ((x, side), (y, side), (c, self.co), (step, self.T)):
            out.bound(var, 0, size)
        out.unroll(step).vectorize(x, min(LANES, side))
        _lay_out(out.output_buffer(), (side, side, self.co, self.T))
        target = hl.get_host_target()
        for feature in (hl.TargetFeature.NoAsserts, hl.TargetFeature.NoBoundsQuery):
            target = target.with_feature(feature)
        arguments = [hl.Argument(one) for one in (planes, u, v, alpha, rest)]
        found: Callable[..., None] = out.compile_to_callable(arguments, target)
        return found

    def _input(self, name: str, sizes: tuple[int, ...]) -> Any:
        found = self.hl.ImageParam(self.hl.Float(32), len(sizes), name)
        _lay_out(found, sizes)
        return found

    def _steps(self, planes: Any, u: Any, v: Any, alpha: Any, rest: Any) -> list[Any]:
        """h_1 … h_T, each with zeros around it."""
        x, y, c = self.at
        padded, inside = self._between_zeros("padded")
        padded[inside.x, inside.y, c] = planes[inside.x, inside.y, c]
        padded.vectorize(x, min(LANES, self.side))
        padded.update().vectorize(inside.x, min(LANES, self.side))
        h: list[Any] = []
        for t in range(self.T):
            sums: list[tuple[Any, Any]] = []
            if t:
                sums.append(self._convolved(f"v{t}", v, h[-1], range(self.co), 0.0))
            start = sums[0][0][x, y, c] if t else 0.0
            sums.append(self._convolved(f"u{t}", u, padded, range(t * self.ci, (t + 1) * self.ci), start))
            now, inside = self._between_zeros(f"h{t}")
            place = inside.x, inside.y, c
            found = sums[-1][0][place]
            if t:
                found = alpha * self.hl.max(found, 0.0) + rest * sums[0][0][place]
            now[place] = found
            self._schedule(now, inside, sums)
            h.append(now)
        return h

    def _between_zeros(self, name: str) -> tuple[Any, Any]:
        """Zeros, and the pixels inside that an update of theirs will write."""
        found = self.hl.Func(name)
        found[self.at] = 0.0
        found.compute_root()
        return found, self.hl.RDom([(0, self.side), (0, self.side)], f"{name}_inside")

    def _convolved(self, name: str, weights: Any, maps: Any, channels: range, start: Any) -> tuple[Any, Any]:
        """The sums over taps and channels, on top of ``start``; and what they run over."""
        x, y, c = self.at
        k = self.hl.RDom([(0, 3), (0, 3), (0, len(channels))], f"{name}_taps")
        found = self.hl.Func(name)
        found[x, y, c] = start
        found[x, y, c] += weights[c, k.x, k.y, k.z] * maps[x + k.x - 1, y + k.y - 1, channels.start + k.z]
        return found, k

    def _schedule(self, h: Any, inside: Any, sums: list[tuple[Any, Any]]) -> None:
        """Blocks of h, each with its sums in registers."""
        x, y, c = self.at
        if self.channels_in_vectors:
            across = min(self.side, PIXELS)
            down = max(1, min(self.side, PIXELS // across))
            outputs = self.lanes * min(2, self.co // self.lanes)
            order, vector = (c, x, y), c
            h.reorder_storage(c, x, y).reorder(c, x, y)
        else:
            across = self.lanes * min(VECTORS, self.side // self.lanes)
            down = max(1, min(self.side, VECTORS * self.lanes // across))
            outputs = OUTPUTS
            order, vector = (x, y, c), x
        h.vectorize(vector, self.lanes)
        left, top, column, row = (self.hl.RVar(name) for name in ("left", "top", "column", "row"))
        block, output = (self.hl.Var(name) for name in ("block", "output"))
        within = (output, column, row) if self.channels_in_vectors else (column, row, output)
        stage = h.update()
        stage.tile(inside.x, inside.y, left, top, column, row, across, down).split(c, block, output, outputs)
        stage.reorder(*within, left, top, block).vectorize(within[0], self.lanes)
        for var in within:
            stage.unroll(var)
        for found, k in sums:
            found.compute_at(h, left)
            for stage, over in ((found, ()), (found.update(), (k.x, k.y, k.z))):
                stage.reorder(*order, *over).vectorize(vector, self.lanes)
                for var in order:
                    stage.unroll(var)
            found.update().unroll(k.x).unroll(k.y)
            if self.channels_in_vectors:
                found.reorder_storage(c, x, y)


def _lay_out(buffer: Any, sizes: tuple[int, ...]) -> None:
    """Fixes a buffer's sizes, the innermost first, with nothing between its numbers."""
    stride = 1
    for dimension, size in enumerate(sizes):
        buffer.dim(dimension).set_bounds(0, size).set_stride(stride)
        stride *= size
