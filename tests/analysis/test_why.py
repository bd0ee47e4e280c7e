"""Why a network takes its time: parts of made-up layers, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from bench.analysis import why
from bench.analysis.why import SeenLayer, explain, explain_layer

CONVOLUTION = (
    "onednn_verbose,v1,primitive,exec,cpu,convolution,jit:avx512_core,forward_training,"
    "src:f32:a:blocked:aBcd16b::f0 wei:f32:a:blocked:Acdb16a::f0 dst:f32:a:blocked:aBcd16b::f0,,"
    "alg:convolution_direct,mb1_ic4oc4_ih10oh10kh1sh1dh0ph0_iw10ow10kw1sw1dw0pw0,0.04"
)
REORDER = (
    "onednn_verbose,v1,primitive,exec,cpu,reorder,jit:blk,undef,src:f32::blocked:abcd::f0,,,1x4x10x10,0.01"
)


def seen(**changes: Any) -> SeenLayer:
    known: dict[str, Any] = {
        "name": "conv",
        "kind": "CSRConv2d",
        "seconds": 100e-6,
        "macs": 1600,
        "attainable_seconds": 20e-6,
        "log": [REORDER, CONVOLUTION, REORDER],
        "kernels": {},
        "elementwise": 5e-6,
        "moving": 3e-6,
    }
    return SeenLayer(**{**known, **changes})


def test_a_layer_s_parts_are_its_time() -> None:
    found = explain_layer(seen())
    assert dict(found.parts) == {
        why.ARITHMETIC: pytest.approx(10e-6),
        why.PADDING: pytest.approx(30e-6),  # 12 of 16 lanes are padding
        why.REORDERS: pytest.approx(20e-6),
        why.ELEMENTWISE: 5e-6,
        why.MOVING: 3e-6,
        why.DISPATCH: pytest.approx(32e-6),
    }
    assert found.hardware_macs == 4 * 16 * 100
    assert found.kernels == ("jit:avx512_core",)
    assert found.fraction == pytest.approx(0.2)


def test_what_torch_multiplies_itself_is_arithmetic_without_padding() -> None:
    kernels = {"thnn_conv2d": 1e-6, "_slow_conv2d_forward": 60e-6}
    found = explain_layer(seen(log=[], kernels=kernels, attainable_seconds=None))
    assert found.parts[why.ARITHMETIC] == pytest.approx(61e-6)
    assert found.parts[why.PADDING] == 0
    assert (found.kernels, found.hardware_macs, found.fraction) == ((why.NATIVE,), 1600, None)


def test_parts_that_a_slower_run_found_are_shortened_to_the_layer_s_time() -> None:
    found = explain_layer(seen(seconds=34e-6))
    assert sum(found.parts.values()) == pytest.approx(34e-6)
    assert found.parts[why.DISPATCH] == 0
    assert found.parts[why.PADDING] == pytest.approx(15e-6)


def test_the_sentence_begins_with_the_largest_part() -> None:
    found = explain("a case", 250e-6, [seen(), seen()])
    assert found.parts[why.BETWEEN] == pytest.approx(50e-6)
    assert found.sentence == (
        "of 0.25 ms 26 % is dispatch, 24 % arithmetic on padded channels, 20 % operators between the layers, "
        "16 % reorders of layout, 8 % arithmetic, 4 % element-wise work, 2 % splitting and concatenating"
    )
    assert found.as_dict()["sentence"] == found.sentence
