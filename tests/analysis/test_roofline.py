"""Attainable time by hand, and peaks that belong to one host."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from bench.analysis.roofline import (
    Peak,
    intensity,
    layer_bytes,
    network_attainable,
    peak_for,
    read_peaks,
    write_peaks,
)
from bench.counting.counts import LayerCounts

CONV = LayerCounts("conv", "Conv2d", (2, 4, 4), (3, 4, 4), 54, 54, 864, 864, 864, 864)
PEAK = Peak(flops=1000.0, bandwidth=100.0)


def test_bytes_are_input_output_and_weights_once() -> None:
    assert layer_bytes(CONV) == 4 * (32 + 48 + 54)
    assert layer_bytes(CONV, batch=10) == 4 * (10 * 80 + 54)


def test_the_slower_of_arithmetic_and_memory_decides() -> None:
    assert PEAK.attainable(macs=500, moved=10) == 1.0
    assert PEAK.attainable(macs=500, moved=1000) == 10.0


def test_a_network_takes_the_sum_of_its_layers() -> None:
    # 1728 FLOPs take 1.728 s, 536 bytes take 5.36 s
    assert math.isclose(network_attainable([CONV, CONV], PEAK), 2 * 5.36)


def test_intensity_by_hand() -> None:
    assert math.isclose(intensity([CONV]), 1728 / 536)
    assert math.isnan(intensity([]))


def test_peaks_are_kept_with_their_host_and_used_for_no_other(tmp_path: Path) -> None:
    row = {"threads": 1, "flops": {"float32": 5.0}, "bandwidth": 7.0}
    write_peaks(tmp_path, {"id": "h", "name": "n"}, [row])
    stored = read_peaks(tmp_path)
    assert peak_for(stored, "h", 1) == Peak(5.0, 7.0)
    assert peak_for(stored, "h", 2) is None
    assert peak_for(stored, "other", 1) is None
    assert peak_for(None, "h", 1) is None


def test_a_broken_or_missing_file_is_no_peaks(tmp_path: Path) -> None:
    assert read_peaks(tmp_path) is None
    (tmp_path / "peaks.json").write_text("{")
    assert read_peaks(tmp_path) is None


@pytest.mark.parametrize(
    "odd",
    [
        {"host": 3, "peaks": []},
        {"host": {"id": "h"}, "peaks": 3},
        {"host": {"id": "h"}, "peaks": [{"threads": 1}]},
        {"host": {"id": "h"}, "peaks": [{"threads": 1, "flops": {"float32": "fast"}, "bandwidth": 1}]},
    ],
)
def test_bug_odd_peaks_ended_in_a_traceback(odd: dict[str, object]) -> None:
    assert peak_for(odd, "h", 1) is None
