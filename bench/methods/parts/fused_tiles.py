"""How a CSR-Conv layer's map is shared out among programs that may not wait for each other.

Pure arithmetic. A program does all T steps of its tile, and step t needs the tile grown by (T - t) times the
reach of V's kernel on each side, its halo: what lies in several halos is computed several times.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from bench.methods.parts.fused_plan import Shape

PIXELS = 64
"""Pixels that a program computes at a time."""

MOST_COMPUTED = 2.0
"""Times the layer's own pixels of all steps that may be computed at most, halos included."""

SIDES = (4, 8, 16, 32, 64, 128)


class Tile(NamedTuple):
    """A rectangle of the output's map, and that rectangle with the halo of the first step."""

    high: int
    wide: int
    room_high: int
    room_wide: int


@cache
def tile(shape: Shape, images: int, at_once: int) -> Tile:
    """The tile with which ``at_once`` programs are through first; of equals the largest.

    One whose halos make more than MOST_COMPUTED is not taken; the whole map has none.
    """
    high, wide = shape.output
    found = [
        (_turns(shape, images, at_once, down, across), -down * across, down, across)
        for down in _sides(high)
        for across in _sides(wide)
        if (down, across) == (high, wide) or computed(shape, down, across) <= MOST_COMPUTED
    ]
    _, _, down, across = min(found)
    return tiled(shape, down, across)


def tiled(shape: Shape, down: int, across: int) -> Tile:
    """The tile of that size; its halo is that of all steps behind the first."""
    return Tile(down, across, *_grown(shape, down, across, shape.T - 1))


def computed(shape: Shape, down: int, across: int) -> float:
    """What is computed in tiles of that size, as a multiple of the map's own pixels of all steps."""
    high, wide = shape.output
    tiles = math.ceil(high / down) * math.ceil(wide / across)
    pixels = sum(math.prod(_grown(shape, down, across, left)) for left in range(shape.T))
    return tiles * pixels / (shape.T * high * wide)


def _sides(length: int) -> Iterator[int]:
    yield from (side for side in SIDES if side < length)
    yield length


def _grown(shape: Shape, down: int, across: int, steps: int) -> tuple[int, int]:
    """The tile with the halo for so many steps behind it; no program computes more than the map."""
    high, wide = shape.output
    halo = 2 * steps * shape.reach
    return min(down + halo, high), min(across + halo, wide)


def _turns(shape: Shape, images: int, at_once: int, down: int, across: int) -> int:
    """Blocks of pixels one after the other, until the last program is through."""
    high, wide = shape.output
    programs = images * math.ceil(high / down) * math.ceil(wide / across)
    blocks = (math.ceil(math.prod(_grown(shape, down, across, left)) / PIXELS) for left in range(shape.T))
    return math.ceil(programs / at_once) * sum(blocks)
