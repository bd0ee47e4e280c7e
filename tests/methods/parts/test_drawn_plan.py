"""Planes and blocks of kernels with taps of their own, by hand and for any shape."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bench.methods.parts.c_kernel import Processor
from bench.methods.parts.drawn_plan import DrawnPlan, DrawnShape

WIDE, MIDDLE, NARROW = Processor(64, 32, "wide"), Processor(32, 16, "middle"), Processor(16, 32, "narrow")


def plan(
    ci: int, co: int, side: int, stride: int = 1, processor: Processor = WIDE, taps: int = 4
) -> DrawnPlan:
    shape = DrawnShape(ci, co, taps, side, side, (stride, stride), (1, 1), (1, 1))
    return DrawnPlan(shape, processor)


def test_rows_of_whole_vectors_share_their_columns_planes() -> None:
    """16×16 in vectors of 16: three planes of 18 rows; tap 5 is the third plane, a row down."""
    one = plan(32, 32, 16)
    assert (one.own, one.planes, one.reach, one.direct, one.vectors) == (False, 3, 2, True, 16)
    assert one.plane == 18 * 16
    assert [one.distance(tap) for tap in (0, 1, 5, 8)] == [0, 288, 2 * 288 + 16, 2 * 288 + 32]
    assert one.block[:2] == (1, 16)


def test_other_rows_have_a_plane_for_every_tap() -> None:
    """8×8 in vectors of 16: four vectors a plane, one of the nine for each tap."""
    one = plan(64, 64, 8)
    assert (one.own, one.planes, one.reach, one.plane) == (True, 9, 0, 64)
    assert [one.distance(tap) for tap in range(9)] == [64 * tap for tap in range(9)]
    assert (*one.block[:2], one.blocks) == (6, 4, 11)


def test_strided_rows_lie_apart_by_their_remainders() -> None:
    """32×32 to 16×16: even and odd rows, of each three planes; tap 8 is an even row, one further down."""
    one = plan(16, 32, 32, stride=2)
    assert (one.own, one.planes, one.reach, one.plane) == (False, 6, 1, 17 * 16)
    assert one.distance(3) == 3 * one.plane
    assert one.distance(8) == 2 * one.plane + 16


def test_small_maps_take_small_vectors() -> None:
    assert plan(64, 64, 2).vector_bytes == 16
    assert plan(64, 64, 4).vector_bytes == 64
    assert plan(64, 64, 1).vector_bytes == 16
    assert plan(64, 64, 8, processor=MIDDLE).vector_bytes == 32


def test_planes_a_page_apart_are_moved() -> None:
    """14 rows and two more of 16 numbers would be 1024 bytes."""
    shape = DrawnShape(8, 8, 4, 14, 16, (1, 1), (1, 1), (1, 1))
    assert DrawnPlan(shape, WIDE).plane == 16 * 16 + 16


@given(
    channels=st.tuples(st.integers(1, 600), st.integers(1, 600)),
    taps=st.integers(1, 8),
    size=st.tuples(st.integers(5, 70), st.integers(5, 70)),
    stride=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    size_of_real=st.sampled_from([4, 8]),
    processor=st.sampled_from([WIDE, MIDDLE, NARROW]),
)
def test_nothing_is_read_beyond_its_plane_and_sums_fit_the_registers(
    channels: tuple[int, int],
    taps: int,
    size: tuple[int, int],
    stride: Any,
    padding: Any,
    dilation: Any,
    size_of_real: int,
    processor: Processor,
) -> None:
    shape = DrawnShape(*channels, taps, *size, stride, padding, dilation, size_of_real)
    one = DrawnPlan(shape, processor)
    R, P, inputs = one.block
    assert 1 <= R * P <= processor.registers * 3 // 4
    assert (one.blocks - 1) * R < channels[1] <= one.blocks * R
    assert 1 <= inputs <= channels[0]
    assert one.vectors * one.lanes >= one.places
    for tap in range(9):
        within = one.distance(tap) % one.plane
        assert within + one.vectors * one.lanes <= one.plane
        assert one.distance(tap) < one.planes * one.plane
    assert (shape.output[0] + one.reach) * shape.output[1] <= one.plane
