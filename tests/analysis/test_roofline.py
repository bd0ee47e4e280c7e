"""Attainable time by hand, and peaks that belong to one host."""

from __future__ import annotations

import json
import math
from dataclasses import replace
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
from bench.errors import InputError

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


def test_half_precision_moves_half_the_bytes() -> None:
    assert layer_bytes(CONV, 10, "float16") == 2 * (10 * 80 + 54)
    assert math.isclose(intensity([CONV], dtype="bfloat16"), 2 * intensity([CONV]))
    assert math.isclose(network_attainable([CONV], PEAK, dtype="bfloat16"), 2.68)


def test_a_peak_is_that_of_its_dtype_or_unknown() -> None:
    row = {"threads": 1, "flops": {"float32": 5.0, "bfloat16": 11.0}, "bandwidth": 7.0}
    stored = {"host": {"id": "h"}, "peaks": [row]}
    assert peak_for(stored, "h", 1, "bfloat16") == Peak(11.0, 7.0)
    assert peak_for(stored, "h", 1, "float16") is None


def test_peaks_are_kept_with_their_host_and_used_for_no_other(tmp_path: Path) -> None:
    row = {"threads": 1, "flops": {"float32": 5.0}, "bandwidth": 7.0}
    write_peaks(tmp_path, {"id": "h", "name": "n"}, [row])
    stored = read_peaks(tmp_path)
    assert peak_for(stored, "h", 1) == Peak(5.0, 7.0)
    assert peak_for(stored, "h", 2) is None
    assert peak_for(stored, "other", 1) is None
    assert peak_for(None, "h", 1) is None


def test_a_missing_file_is_no_peaks(tmp_path: Path) -> None:
    assert read_peaks(tmp_path) is None
    assert read_peaks(tmp_path / "no folder") is None


ODD = {
    "a torn line": "{",
    "a list": "[]",
    "a number for peaks": '{"host": {"id": "h"}, "peaks": 3}',
    "no host": '{"peaks": []}',
    "a row of words": '{"host": {"id": "h"}, "peaks": ["x"]}',
    "no float32": '{"host": {}, "peaks": [{"threads": 1, "flops": {}, "bandwidth": 1}]}',
    "a rate of nothing": '{"host": {}, "peaks": [{"threads": 1, "flops": {"float32": 0}, "bandwidth": 1}]}',
    "an infinite rate": (
        '{"host": {}, "peaks": [{"threads": 1, "flops": {"float32": 1}, "bandwidth": Infinity}]}'
    ),
    "a deep nest": "[" * 100_000,
}


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_file_is_named_with_its_mend(tmp_path: Path, kind: str) -> None:
    (tmp_path / "peaks.json").write_text(ODD[kind])
    with pytest.raises(InputError, match=r"peaks\.json: .*`bench doctor --peaks` writes it anew"):
        read_peaks(tmp_path)


def test_a_folder_in_its_place_and_a_file_in_its_folders_place_are_named(tmp_path: Path) -> None:
    (tmp_path / "peaks.json").mkdir()
    with pytest.raises(InputError, match=r"peaks\.json: Is a directory"):
        read_peaks(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: is a file, not a folder"):
        read_peaks(tmp_path / "file")
    with pytest.raises(InputError, match=r"peaks\.json: cannot be written: Is a directory"):
        write_peaks(tmp_path, {}, [])
    assert {path.name for path in tmp_path.iterdir()} == {"peaks.json", "file"}


def test_rates_of_several_thread_counts_stand_side_by_side() -> None:
    one, two = ({"threads": n, "flops": {"float32": 5.0 * n}, "bandwidth": 7.0 * n} for n in (1, 2))
    peaks = {"host": {"id": "h"}, "peaks": [one, two]}
    assert peak_for(peaks, "h", 2) == Peak(10.0, 14.0)
    assert peak_for({}, "h", 1) is None
    assert peak_for({"host": {"id": "h"}, "peaks": [{"threads": 1}]}, "h", 1) is None
    assert peak_for({"host": "h", "peaks": []}, "h", 1) is None


def test_intensity_and_time_of_a_batch_by_hand() -> None:
    assert intensity([CONV, CONV], batch=2) == 4 * 1728 / (2 * 4 * (2 * 80 + 54))
    nothing_moved = replace(CONV, input=(0,), output=(0,), params=0)
    assert math.isnan(intensity([nothing_moved]))
    # a batch of ten: 17.28 s of arithmetic; 4 · (10 · 80 + 54) = 3416 bytes take 34.16 s
    assert network_attainable([CONV], PEAK, batch=10) == 34.16
    assert network_attainable([CONV], Peak(1000.0, 1e9), batch=10) == 17.28


def test_the_stored_file_is_readable_by_people(tmp_path: Path) -> None:
    file = write_peaks(tmp_path / "new", {"id": "h"}, [{"threads": 1}])
    assert file == tmp_path / "new" / "peaks.json"
    assert file.read_text(encoding="utf-8") == (
        '{\n "host": {\n  "id": "h"\n },\n "peaks": [\n  {\n   "threads": 1\n  }\n ]\n}\n'
    )


SHAPE = "no peaks: a row needs threads, flops with float32, and bandwidth, all above 0"
GOOD = {"threads": 1, "flops": {"float32": 0.5}, "bandwidth": 0.5}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"host": {}, "peaks": [GOOD]}, ""),
        ({"host": {}, "peaks": []}, ""),
        ([], "no peaks: 'host' is missing"),
        ({"host": 1, "peaks": []}, "no peaks: 'host' is missing"),
        ({"host": {}}, "no peaks: 'peaks' is not a list"),
        ({"host": {}, "peaks": [GOOD, "x"]}, SHAPE),
        ({"host": {}, "peaks": [{**GOOD, "threads": "1"}]}, SHAPE),
        ({"host": {}, "peaks": [{**GOOD, "flops": 3}]}, SHAPE),
        ({"host": {}, "peaks": [{**GOOD, "flops": {"float32": True}}]}, SHAPE),
        ({"host": {}, "peaks": [{**GOOD, "bandwidth": 0}]}, SHAPE),
        ({"host": {}, "peaks": [{**GOOD, "bandwidth": "fast"}]}, SHAPE),
        ({"host": {}, "peaks": [{**GOOD, "bandwidth": math.nan}]}, SHAPE),
    ],
)
def test_what_is_wrong_with_peaks_is_said(tmp_path: Path, data: object, words: str) -> None:
    (tmp_path / "peaks.json").write_text(json.dumps(data), encoding="utf-8")
    if not words:
        assert read_peaks(tmp_path) == data
        return
    with pytest.raises(InputError) as caught:
        read_peaks(tmp_path)
    mend = "remove it, or `bench doctor --peaks` writes it anew"
    assert str(caught.value) == f"{tmp_path / 'peaks.json'}: {words}; {mend}"


def test_what_is_no_json_is_said(tmp_path: Path) -> None:
    (tmp_path / "peaks.json").write_bytes(b"\xff{")
    with pytest.raises(InputError, match=r"peaks\.json: not JSON; remove it, or"):
        read_peaks(tmp_path)
