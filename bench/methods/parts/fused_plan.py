"""How a CSR-Conv layer of one shape is laid out for its kernel: planes, blocks of registers, macros.

Pure arithmetic. What the macros mean stands in ``kernels/csr_conv.c``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property

from bench.methods.parts.c_kernel import Processor, Source

PIXELS, CHANNELS = 0, 1
"""Forms: vectors of neighbouring pixels, or of output channels."""

WORTH_SHARING = 50_000
"""Cycles of a layer from which several threads share it: they wait for each other twice a step. Two that have
their cores to themselves pay from 32,000 on (docs/performance.md)."""

FIRST_LEVEL = 32 * 1024
"""Bytes that a first-level data cache holds at least."""


@dataclass(frozen=True)
class Shape:
    """A layer with the map (height, width) that it is called with, and the bytes of its numbers."""

    in_channels: int
    out_channels: int
    kernel: int
    T: int
    stride: tuple[int, int]
    padding: tuple[int, int]
    depthwise: bool
    height: int
    width: int
    bytes_of_real: int = 4
    threads: int = 1

    @cached_property
    def gi(self) -> int:
        """Input channels of a group."""
        return math.ceil(self.in_channels / self.T)

    @cached_property
    def go(self) -> int:
        """Output channels of a group."""
        return math.ceil(self.out_channels / self.T)

    @cached_property
    def planes(self) -> Planes:
        """The input's maps, with places that are those of h too."""
        plain = Planes(self.height, self.width, self.kernel, 1, self.stride, self.padding)
        return replace(plain, row_at_least=plain.output[1] + self.reach)

    @cached_property
    def output(self) -> tuple[int, int]:
        """Height and width of the output."""
        return self.planes.output

    @cached_property
    def reach(self) -> int:
        """Zeros that V puts on each side of its map."""
        return (self.kernel - 1) // 2

    @cached_property
    def u_channels(self) -> int:
        """Input channels that one output reads in U."""
        return 1 if self.depthwise else self.gi

    @cached_property
    def v_channels(self) -> int:
        """Channels that one output reads in V."""
        return 1 if self.depthwise else self.go

    @cached_property
    def u_taps(self) -> tuple[range, range]:
        """Rows and columns of U's kernel that read anything but zeros anywhere."""
        high, wide = self.output
        return (
            _taps(self.kernel, high, self.stride[0], self.padding[0], self.height),
            _taps(self.kernel, wide, self.stride[1], self.padding[1], self.width),
        )

    @cached_property
    def v_taps(self) -> tuple[range, range]:
        """The same of V's kernel."""
        high, wide = self.output
        return (
            _taps(self.kernel, high, 1, self.reach, high),
            _taps(self.kernel, wide, 1, self.reach, wide),
        )


def _taps(kernel: int, outputs: int, stride: int, padding: int, inputs: int) -> range:
    reading = [
        tap
        for tap in range(kernel)
        if any(0 <= at * stride + tap - padding < inputs for at in range(outputs))
    ]
    return range(reading[0], reading[-1] + 1) if reading else range(0)


@dataclass(frozen=True)
class Planes:
    """How a channel (height, width) lies for its taps: see ``kernels/maps.h``. Lengths in numbers, not bytes.

    ``row_at_least``: what the rows of other maps that have the same places need.
    """

    height: int
    width: int
    kernel: int
    dilation: int
    stride: tuple[int, int]
    padding: tuple[int, int]
    row_at_least: int = 0

    @cached_property
    def output(self) -> tuple[int, int]:
        """Height and width of the convolution's output."""
        reach = self.dilation * (self.kernel - 1)
        high = (self.height + 2 * self.padding[0] - reach - 1) // self.stride[0] + 1
        wide = (self.width + 2 * self.padding[1] - reach - 1) // self.stride[1] + 1
        return high, wide

    @cached_property
    def row(self) -> int:
        """Length of a row."""
        reach, padding = self.dilation * (self.kernel - 1), self.padding[1]
        if self.stride[1] == 1 and padding <= reach:
            needed = self.width + padding  # the zeros right of a row are those left of the next one
        else:
            needed = self.output[1] + reach // self.stride[1]
        return max(needed, self.row_at_least)

    @cached_property
    def rows(self) -> int:
        """Rows of a plane."""
        return self.output[0] + self.dilation * (self.kernel - 1) // self.stride[0]

    @cached_property
    def places(self) -> int:
        """From the first output to the last, with all that lies between."""
        return (self.output[0] - 1) * self.row + self.output[1]

    def length(self, read: int, bytes_of_real: int) -> int:
        """Length of a plane of which so many places are read for each tap."""
        reach = self.dilation * (self.kernel - 1)
        tap = reach // self.stride[0] * self.row + reach // self.stride[1]
        return _off_the_page(max(read + tap, self.rows * self.row), bytes_of_real)

    def macros(self) -> dict[str, str | int]:
        """The macros of ``kernels/maps.h`` but for the length."""
        high, wide = self.output
        return {
            **{"H": self.height, "W": self.width, "HO": high, "WO": wide, "K": self.kernel},
            **{"DILATE": self.dilation, "SH": self.stride[0], "SW": self.stride[1]},
            **{"PH": self.padding[0], "PW": self.padding[1], "RS": self.row, "ROWS": self.rows},
        }


def _off_the_page(length: int, bytes_of_real: int) -> int:
    """The length, or a little more: maps a page apart would fall on the same places of the caches."""
    line = 64 // bytes_of_real
    length = math.ceil(length / line) * line
    return length + line if length * bytes_of_real % 1024 == 0 else length


@dataclass(frozen=True)
class Tile:
    """A block of registers, by form.

    PIXELS: R outputs by P vectors of pixels. CHANNELS: R vectors of outputs by down × across pixels.
    """

    form: int
    R: int
    P: int = 1
    down: int = 1
    across: int = 1


@dataclass(frozen=True)
class Layout:
    """The maps of a shape, for a processor and a tile; lengths in numbers, not bytes."""

    shape: Shape
    processor: Processor
    tile: Tile

    @cached_property
    def lanes(self) -> int:
        """Numbers in a vector."""
        return self.processor.lanes(self.shape.bytes_of_real)

    @cached_property
    def planes(self) -> Planes:
        """The input's maps."""
        return self.shape.planes

    @cached_property
    def read(self) -> int:
        """Places that are computed, the last vector's surplus among them."""
        if self.tile.form == CHANNELS:
            return self.planes.places
        return math.ceil(self.planes.places / self.lanes) * self.lanes

    @cached_property
    def direct_x(self) -> bool:
        """Whether the input itself is a set of planes."""
        shape = self.shape
        plain = shape.kernel == 1 and shape.stride == (1, 1) and shape.padding == (0, 0)
        whole = shape.gi * shape.T == shape.in_channels
        return plain and whole and self.read == shape.height * shape.width

    @cached_property
    def direct_h(self) -> bool:
        """Whether the output itself is a set of planes of h."""
        shape = self.shape
        high, wide = shape.output
        whole = shape.go * shape.T == shape.out_channels
        even = self.planes.row == wide and self.read == high * wide and shape.go % self.tile.R == 0
        return self.tile.form == PIXELS and shape.kernel == 1 and whole and even

    @cached_property
    def plane(self) -> int:
        """Length of a plane of x."""
        shape = self.shape
        if self.direct_x:
            return shape.height * shape.width
        return self.planes.length(self.read, shape.bytes_of_real)

    @cached_property
    def plane_h(self) -> int:
        """Length of a plane of h; in form CHANNELS places with all channels each."""
        shape = self.shape
        high, wide = shape.output
        if self.direct_h:
            return high * wide
        row = self.planes.row
        taps = (shape.kernel - 1) * (row + 1)
        length = max(self.read + taps, (high + 2 * shape.reach) * row + shape.reach)
        return _off_the_page(length, shape.bytes_of_real) if self.tile.form == PIXELS else length

    @cached_property
    def outputs(self) -> int:
        """Outputs of one block."""
        return self.tile.R * (self.lanes if self.tile.form == CHANNELS else 1)

    @cached_property
    def padded(self) -> int:
        """Outputs of a group with the last block's surplus."""
        return math.ceil(self.shape.go / self.outputs) * self.outputs

    def source(self) -> Source:
        """The kernel's text with this layout's macros."""
        shape, tile = self.shape, self.tile
        (uy, ux), (vy, vx) = shape.u_taps, shape.v_taps
        macros: dict[str, str | int] = {
            "REAL": "float" if shape.bytes_of_real == 4 else "double",
            "VECTOR_BYTES": self.processor.vector_bytes,
            **self.planes.macros(),
            **{"PLANE": self.plane, "PLANE_H": self.plane_h, "PV": shape.reach, "T": shape.T},
            **{"CIN": shape.in_channels, "COUT": shape.out_channels, "CI": shape.gi, "CO": shape.go},
            **{"U_CHANNELS": shape.u_channels, "V_CHANNELS": shape.v_channels},
            **{"UY0": uy.start, "UY1": uy.stop, "UX0": ux.start, "UX1": ux.stop},
            **{"VY0": vy.start, "VY1": vy.stop, "VX0": vx.start, "VX1": vx.stop},
            **{"FORM": tile.form, "R": tile.R, "P": tile.P, "PY": tile.down, "PX": tile.across},
            "GOV": self.padded,
        }
        flags = {
            "WIDE": shape.bytes_of_real == 8,
            "DEPTHWISE": shape.depthwise,
            "DIRECT_X": self.direct_x,
            "DIRECT_H": self.direct_h,
            "WEIGHTS_ONCE": self._maps_fit(),
        }
        macros |= {name: 1 for name, given in flags.items() if given}
        return Source("csr_conv.c", tuple(macros.items()), shape.threads > 1)

    def _maps_fit(self) -> bool:
        """Whether a step's maps stay in the first cache, so that it is the weights that are read once."""
        planes = self.shape.stride[0] * self.shape.stride[1]
        reals = self.shape.gi * planes * self.plane + 2 * self.shape.go * self.plane_h
        return reals * self.shape.bytes_of_real <= FIRST_LEVEL


@cache
def layout(shape: Shape, processor: Processor) -> Layout:
    """The layout with the tile of the fewest ``cycles``; for one thread where several would not pay."""
    found = min((Layout(shape, processor, tile) for tile in tiles(shape, processor)), key=cycles)
    if shape.threads > 1 and cycles(found) < WORTH_SHARING:
        return replace(found, shape=replace(shape, threads=1))
    return found


def tiles(shape: Shape, processor: Processor) -> Iterator[Tile]:
    """Tiles that fit into the registers and share the layer out evenly."""
    high, wide = shape.output
    free = processor.registers * 27 // 32  # with fewer over, compilers begin to keep sums in memory
    lanes = processor.lanes(shape.bytes_of_real)
    vectors = math.ceil(shape.planes.places / lanes)
    outputs = 1 if shape.depthwise else shape.go
    for P in range(1, min(vectors, 8) + 1):
        for R in shares(outputs, 14):
            if free >= R * P + P:
                yield Tile(PIXELS, R, P)
    if shape.depthwise:
        return
    for R in range(1, min(math.ceil(shape.go / lanes), 4) + 1):
        for down in shares(high, 8):
            for across in shares(wide, 16):
                if down * across * R + R <= free:
                    yield Tile(CHANNELS, R, 1, down, across)


def shares(whole: int, most: int) -> list[int]:
    """Sizes up to ``most`` in which a whole can be shared out with no share smaller than it need be."""
    return sorted({math.ceil(whole / number) for number in range(1, whole + 1)} & set(range(1, most + 1)))


def cycles(layout: Layout) -> float:
    """About how many cycles the layer takes, where all it reads is in the caches.

    Two multiply-adds and two loads a cycle (an unaligned load of a whole cache line counts twice), and four
    cycles until the next addition to the same register: what the processors of today have in common. Of the
    cycle more for each tap and channel, measured tiles tell: it speaks for blocks that fill the registers.
    """
    shape, tile = layout.shape, layout.tile
    high, wide = shape.output
    (uy, ux), (vy, vx) = shape.u_taps, shape.v_taps
    products = shape.T * shape.u_channels * len(uy) * len(ux)
    products += (shape.T - 1) * shape.v_channels * len(vy) * len(vx)
    blocks = layout.padded // layout.outputs
    moved = shape.T * (shape.gi * layout.plane + shape.go * layout.plane_h) / 8.0
    if tile.form == CHANNELS:
        adds = tile.down * tile.across * tile.R
        each = max(adds / 2, (adds / tile.R + tile.R) / 2, 4.0) + 1
        number = math.ceil(high / tile.down) * math.ceil(wide / tile.across)
        turned = shape.T * shape.go * high * wide * 1.5
        return blocks * number * (each * products + 4 * adds * shape.T) + turned + moved
    load = 2 if layout.processor.vector_bytes == 64 else 1.25
    whole, rest = divmod(layout.read // layout.lanes, tile.P)
    total = moved
    for P, number in ((tile.P, whole), (rest, 1)):
        if P and number:
            each = max(tile.R * P / 2, (load * P + tile.R) / 2, 4.0) + 1
            total += blocks * number * (each * products + 4 * tile.R * P * shape.T)
    return total
