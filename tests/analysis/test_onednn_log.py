"""oneDNN's log, by lines that it wrote: what ran, in which layout, and the MACs of whole blocks."""

from __future__ import annotations

import pytest

from bench.analysis.onednn_log import blocks, read

BEFORE = "onednn_verbose,v1,primitive,exec,cpu,convolution,"
NARROW = (
    f"{BEFORE}jit:avx512_core,forward_training,src:f32:a:blocked:aBcd16b::f0 "
    "wei:f32:a:blocked:ABcd16b16a::f0 bia:undef::undef::: dst:f32:a:blocked:aBcd16b::f0,attr-scratchpad:user,"
    "alg:convolution_direct,mb4_ic4oc4_ih32oh32kh3sh1dh0ph1_iw32ow32kw3sw1dw0pw1,0.0405"
)
DEPTHWISE = (
    f"{BEFORE}jit_dw:avx512_core,forward_training,src:f32:a:blocked:aBcd16b::f0 "
    "wei:f32:a:blocked:Abcde16a::f0 bia:f32:a:blocked:a::f0 dst:f32:a:blocked:aBcd16b::f0,"
    "attr-scratchpad:user,alg:convolution_direct,g24mb1_ic24oc24_ih16oh8kh3sh2dh0ph1_iw16ow8kw3sw2dw0pw1,0.0148926"
)
REORDER = (
    "onednn_verbose,v1,primitive,exec,cpu,reorder,jit:blk,undef,src:f32::blocked:abcd::f0 "
    "dst:f32::blocked:aBcd16b::f0,attr-scratchpad:user,,1x32x16x16,0.00585938"
)
OLD = (
    "onednn_verbose,exec,cpu,convolution,brgconv:avx512_core,forward_inference,src_f32::blocked:acdb:f0 "
    "wei_f32::blocked:Acdb16a:f0 bia_undef::undef::f0 dst_f32::blocked:acdb:f0,,alg:convolution_direct,"
    "mb1_ic4oc20_ih8oh8kh1sh1dh0ph0_iw8ow8kw1sw1dw0pw0,0.01"
)


def test_a_narrow_convolution_is_filled_up_to_blocks_of_sixteen() -> None:
    (found,) = read([NARROW])
    assert (found.kind, found.implementation) == ("convolution", "jit:avx512_core")
    assert found.layouts["wei"] == "ABcd16b16a"
    assert found.macs == 4 * 4 * 4 * 9 * 1024
    assert found.padded_macs == 4 * 16 * 16 * 9 * 1024
    assert found.seconds == pytest.approx(40.5e-6)


def test_a_depthwise_one_is_filled_up_by_groups() -> None:
    (found,) = read([DEPTHWISE])
    assert found.macs == 24 * 9 * 64
    assert found.padded_macs == 32 * 9 * 64


def test_a_reorder_multiplies_nothing() -> None:
    (found,) = read([REORDER])
    assert (found.kind, found.macs, found.padded_macs) == ("reorder", 0, 0)
    assert found.layouts == {"src": "abcd", "dst": "aBcd16b"}
    assert found.seconds == pytest.approx(5.85938e-6)


def test_lines_of_older_releases_are_read() -> None:
    (found,) = read([OLD])
    assert (found.macs, found.padded_macs) == (4 * 20 * 64, 4 * 32 * 64)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "onednn_verbose,v1,info,oneDNN v3.12.0 (commit 80afa71)",
        "onednn_verbose,v1,primitive,info,template:operation,engine,primitive,exec_time",
        "onednn_verbose,v1,primitive,exec,cpu",
        f"{REORDER}x",
        "something else",
    ],
)
def test_other_lines_are_skipped(line: str) -> None:
    assert read([line]) == []


@pytest.mark.parametrize(
    ("tag", "found"),
    [
        ("abcd", {}),
        ("Acdb16a", {"a": 16}),
        ("ABcd16b16a", {"a": 16, "b": 16}),
        ("ABcd8b16a2b", {"a": 16, "b": 16}),
    ],
)
def test_blocks_of_a_layout(tag: str, found: dict[str, int]) -> None:
    assert blocks(tag) == found
