"""Tiles of a map for programs that may not wait for each other, and the halos that they compute."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.methods.parts.fused_plan import Shape
from bench.methods.parts.fused_tiles import MOST_COMPUTED, computed, tile, tiled


def square(side: int, kernel: int = 3, T: int = 4) -> Shape:
    return Shape(16, 16, kernel, T, (1, 1), (kernel // 2,) * 2, False, side, side)


def test_one_program_at_a_time_takes_the_whole_map() -> None:
    assert tile(square(32), 1, 1) == (32, 32, 32, 32)


def test_many_programs_share_a_map_and_compute_their_halos() -> None:
    """Tiles of 8×8: 14² + 12² + 10² + 8² = 504 pixels each, 16 of them for 4 · 32² = 4096."""
    assert computed(square(32), 8, 8) == pytest.approx(504 * 16 / 4096)
    assert tile(square(32), 1, 132) == (8, 8, 14, 14)


def test_a_large_batch_has_programs_enough() -> None:
    assert tile(square(16), 1320, 132) == (16, 16, 16, 16)


def test_without_a_halo_nothing_is_computed_twice() -> None:
    assert computed(square(32, kernel=1), 8, 8) == 1
    found = tile(square(32, kernel=1), 1, 132)
    assert (found.room_high, found.room_wide) == (found.high, found.wide)


@given(
    st.integers(1, 70), st.sampled_from([1, 3, 5]), st.integers(1, 6), st.integers(1, 64), st.integers(1, 200)
)
def test_halos_at_most_double_the_work(side: int, kernel: int, T: int, images: int, at_once: int) -> None:
    shape = square(side, kernel, T)
    found = tile(shape, images, at_once)
    assert computed(shape, found.high, found.wide) <= MOST_COMPUTED


@given(st.integers(1, 40), st.sampled_from([1, 3, 5]), st.integers(1, 5), st.integers(1, 40))
def test_the_room_holds_what_the_first_step_computes(side: int, kernel: int, T: int, down: int) -> None:
    shape = square(side, kernel, T)
    down = min(down, side)
    found = tiled(shape, down, side)
    halo = (T - 1) * shape.reach
    for at in range(math.ceil(side / down)):
        rows = range(max(at * down - halo, 0), min((at + 1) * down + halo, side))
        assert len(rows) <= found.room_high
