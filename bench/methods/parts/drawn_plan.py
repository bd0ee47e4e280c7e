"""How a convolution whose kernels each have taps of their own is laid out for its kernel in C.

Pure arithmetic. What the macros mean stands in ``kernels/drawn_conv.c``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from bench.methods.parts.c_kernel import Processor, Source
from bench.methods.parts.fused_plan import FIRST_LEVEL

SECOND_LEVEL = 1024 * 1024
"""Bytes up to which a layer's planes are taken to stay in a second-level data cache."""

FEWEST_ADDS = 16
"""Products that a sum in registers takes at least before it goes back to memory."""


@dataclass(frozen=True)
class DrawnShape:
    """A layer whose kernels have ``taps`` of nine each, with the map (height, width) that it gets."""

    in_channels: int
    out_channels: int
    taps: int
    height: int
    width: int
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    bytes_of_real: int = 4
    threads: int = 1

    @property
    def output(self) -> tuple[int, int]:
        """Height and width of the output."""
        high, wide = (
            (size + 2 * padding - 2 * dilation - 1) // stride + 1
            for size, padding, dilation, stride in zip(
                (self.height, self.width), self.padding, self.dilation, self.stride, strict=True
            )
        )
        return high, wide


class Block(NamedTuple):
    """R outputs by P vectors of places in the registers, to which so many inputs are added in one go."""

    R: int
    P: int
    inputs: int


@dataclass(frozen=True)
class DrawnPlan:
    """Planes and blocks of such a layer; lengths in numbers, not bytes."""

    shape: DrawnShape
    processor: Processor

    @cached_property
    def places(self) -> int:
        """Places of the output: rows lie end to end."""
        return self.shape.output[0] * self.shape.output[1]

    @cached_property
    def vector_bytes(self) -> int:
        """The processor's, or less where a whole map needs less."""
        needed = 1 << (self.places * self.shape.bytes_of_real - 1).bit_length()
        return min(self.processor.vector_bytes, max(16, needed))

    @cached_property
    def lanes(self) -> int:
        """Numbers in a vector."""
        return self.vector_bytes // self.shape.bytes_of_real

    @cached_property
    def vectors(self) -> int:
        """Vectors of places of a map."""
        return math.ceil(self.places / self.lanes)

    @cached_property
    def direct(self) -> bool:
        """Whether the sums of an output fill whole vectors, so that they can stand in the output."""
        return self.places % self.lanes == 0

    @cached_property
    def own(self) -> bool:
        """Whether every tap has a plane of its own, so that none reads across the lines of a cache.

        Not where rows are whole vectors anyhow, nor where filling the planes would take much of the time.
        """
        shape = self.shape
        if shape.stride[0] > 2:
            return True
        whole_rows = shape.output[1] % self.lanes == 0
        room = 9 * shape.in_channels * self.vectors * self.vector_bytes
        return not whole_rows and shape.taps * shape.out_channels >= 128 and room <= SECOND_LEVEL

    @cached_property
    def planes(self) -> int:
        """Planes of a channel of the input."""
        return 9 if self.own else 3 * self.shape.stride[0]

    @cached_property
    def reach(self) -> int:
        """Rows of a plane below those of the output."""
        return 0 if self.own else 2 * self.shape.dilation[0] // self.shape.stride[0]

    @cached_property
    def plane(self) -> int:
        """Length of a plane."""
        length = self.vectors * self.lanes + self.reach * self.shape.output[1]
        length = math.ceil(length / self.lanes) * self.lanes
        # Maps a page apart would fall on the same places of the caches.
        return length + self.lanes if length * self.shape.bytes_of_real % 1024 == 0 else length

    @cached_property
    def block(self) -> Block:
        """As many vectors of places as fit, for each costs one load and every tap costs two more.

        More outputs than one only hide how long an addition takes. What is read of the inputs of one go
        stays in the first-level cache.
        """
        shape, registers = self.shape, self.processor.registers
        P = _share(self.vectors, 16 if registers == 32 else 12)
        R = _share(shape.out_channels, max(1, min(registers * 3 // 4 // P, 8)))
        read = self.planes * (P * self.lanes + self.reach * shape.output[1]) * shape.bytes_of_real
        inputs = max(FIRST_LEVEL * 3 // 4 // read, math.ceil(FEWEST_ADDS / shape.taps))
        return Block(R, P, _share(shape.in_channels, inputs))

    @cached_property
    def blocks(self) -> int:
        """Blocks of outputs."""
        return math.ceil(self.shape.out_channels / self.block.R)

    def distance(self, tap: int) -> int:
        """Where tap 0 … 8 (row-major) is read, from the place of the output in a channel's first plane."""
        row, column = divmod(tap, 3)
        if self.own:
            return tap * self.plane
        down, group = divmod(row * self.shape.dilation[0], self.shape.stride[0])
        return (group * 3 + column) * self.plane + down * self.shape.output[1]

    def source(self) -> Source:
        """The kernel's text with the macros of this layer."""
        shape = self.shape
        high, wide = shape.output
        macros: dict[str, str | int] = {
            "REAL": "float" if shape.bytes_of_real == 4 else "double",
            "VECTOR_BYTES": self.vector_bytes,
            **{"H": shape.height, "W": shape.width, "HO": high, "WO": wide, "K": 3},
            **{"SH": shape.stride[0], "SW": shape.stride[1], "PH": shape.padding[0], "PW": shape.padding[1]},
            **{"DILATE": shape.dilation[0], "DILATE_W": shape.dilation[1]},
            **{"RS": wide, "ROWS": high + self.reach, "PLANE": self.plane},
            **{"CIN": shape.in_channels, "COUT": shape.out_channels, "TAPS": shape.taps},
            **{"R": self.block.R, "P": self.block.P, "IB": self.block.inputs},
        }
        flags = {"WIDE": shape.bytes_of_real == 8, "OWN": self.own, "DIRECT": self.direct}
        macros |= {name: 1 for name, given in flags.items() if given}
        return Source("drawn_conv.c", tuple(macros.items()), shape.threads > 1)


def _share(whole: int, most: int) -> int:
    """The largest of the shares, each up to ``most``, when a whole is shared out evenly."""
    return math.ceil(whole / math.ceil(whole / most))
