"""Where the time goes: nested spans by hand, and a real network's table."""

from __future__ import annotations

import json
from typing import Any

from bench.case import Case, MethodCall
from bench.worker.profiler import CALL_SPAN, PARTS, U_SPAN, Span, kernel_times, profile


def test_own_time_goes_to_the_part_that_did_the_work() -> None:
    spans = [
        Span(CALL_SPAN, 0, 1000),
        Span(U_SPAN, 10, 300),
        Span("aten::conv2d", 20, 280),  # a wrapper: dispatch
        Span("aten::mkldnn_convolution", 40, 200),
        Span("aten::empty", 50, 20),  # an allocation inside: dispatch
        Span("aten::conv2d", 320, 200),
        Span("aten::mkldnn_convolution", 330, 150),
        Span("aten::add", 530, 40),
        Span("aten::relu", 580, 60),
        Span("aten::clamp_min", 590, 40),
        Span("aten::cat", 700, 90),
    ]
    assert kernel_times(spans) == [
        {"U convolutions": 180, "V convolutions": 150, "element-wise": 100, "split and concatenate": 90}
    ]


def test_every_call_is_counted_by_itself() -> None:
    spans = [
        Span(CALL_SPAN, 0, 100),
        Span("aten::add", 10, 5),
        Span(CALL_SPAN, 200, 100),
        Span("aten::add", 210, 7),
    ]
    assert [call["element-wise"] for call in kernel_times(spans)] == [5, 7]


def test_a_real_layer_is_explained_down_to_dispatch() -> None:
    case = Case("layer/32-32-k3", (MethodCall("csr_conv", {"T": 4}),), input=(32, 16, 16))
    answer: dict[str, Any] = profile({"case": case.as_dict(), "recipes": [None]})
    (layer,) = answer["layers"]
    assert layer["name"] == "conv"
    assert set(layer["parts"]) == set(PARTS)
    assert all(seconds >= 0 for seconds in layer["parts"].values())
    assert layer["parts"]["U convolutions"] > 0
    assert layer["parts"]["V convolutions"] > 0
    assert answer["seconds"] > 0


def test_the_command_shows_every_layer(bench: Any) -> None:
    said = bench("profile", "layer/16-16-k3/csr_conv(T=2)/eager/cpu/b1/16x8x8", "--json")
    assert said.code == 0
    data = json.loads(said.out)
    assert [row["layer"] for row in data["layers"]] == ["conv"]
    assert data["layers"][0]["macs"] == 8 * 8 * 9 * (2 * 8 * 8 + 8 * 8)
    assert bench("profile", "resnet56").code == 2
    assert bench("profile", "layer/2-2-k3/csr_conv(T=2)/eager/cpu/b1/3x8x8").code == 3
