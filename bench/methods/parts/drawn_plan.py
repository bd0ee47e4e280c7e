"""How a convolution whose kernels each have taps of their own is laid out for its kernel in C.

Pure arithmetic. What the macros mean stands in ``kernels/drawn_conv.c``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from bench.methods.parts.c_kernel import Processor, Source
from bench.methods.parts.fused_plan import FIRST_LEVEL

SECOND_LEVEL = 1024 * 1024
"""Bytes up to which a layer's planes are taken to stay in a second-level data cache."""

FEWEST_ADDS = 16
"""Products that a sum in registers takes at least before it goes back to memory."""


@dataclass(frozen=True)
class DrawnShape:
    """A layer whose kernels have ``taps`` of nine each, with the map (height, width) that it is called with."""

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
    def P(self) -> int:
        """Vectors of places in registers: many, for each costs one load and a tap costs two more."""
        most = 16 if self.processor.registers == 32 else 12
        return math.ceil(self.vectors / math.ceil(self.vectors / most))

    @cached_property
    def R(self) -> int:
        """Outputs in registers: more than one only hides how long an addition takes."""
        free = self.processor.registers * 3 // 4
        most = max(1, min(free // self.P, 8))
        return math.ceil(self.shape.out_channels / math.ceil(self.shape.out_channels / most))

    @cached_property
    def blocks(self) -> int:
        """Blocks of R outputs."""
        return math.ceil(self.shape.out_channels / self.R)

    @cached_property
    def inputs(self) -> int:
        """Inputs that are added in one go: what is read of their planes stays in the first-level cache."""
        read = self.P * self.lanes + self.reach * self.shape.output[1]
        fit = FIRST_LEVEL * 3 // 4 // (self.planes * read * self.shape.bytes_of_real)
        most = max(fit, math.ceil(FEWEST_ADDS / self.shape.taps))
        return math.ceil(self.shape.in_channels / math.ceil(self.shape.in_channels / most))

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
            **{"R": self.R, "P": self.P, "IB": self.inputs},
        }
        flags = {"WIDE": shape.bytes_of_real == 8, "OWN": self.own, "DIRECT": self.direct}
        macros |= {name: 1 for name, given in flags.items() if given}
        return Source("drawn_conv.c", tuple(macros.items()), shape.threads > 1)
