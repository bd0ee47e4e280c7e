"""Where the time goes: nested events by hand, and a real network's table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from bench.case import Case, MethodCall
from bench.counting.protocols import HasSpans
from bench.methods.csr_conv import CSRConv2d
from bench.worker.profiler import CALL_SPAN, PARTS, SPAN, Event, kernel_times, profile
from bench.worker.protocol import Job


@dataclass
class Happened:
    """An event as torch's profile has it, in microseconds."""

    name: str
    cpu_parent: Event | None
    self_cpu_time_total: float = 0.0


def inside(name: str, own: float, outer: Event | None) -> Happened:
    return Happened(name, outer, own)


def test_own_time_goes_to_the_part_that_did_the_work() -> None:
    call = inside(CALL_SPAN, 100, None)
    u, v = inside(f"{SPAN}U", 5, call), inside(f"{SPAN}V", 5, call)
    wrapper = inside("aten::conv2d", 80, u)  # dispatch
    first = inside("aten::mkldnn_convolution", 180, wrapper)
    empty = inside("aten::empty", 20, first)  # an allocation inside: dispatch
    second = inside("aten::mkldnn_convolution", 150, inside("aten::conv2d", 50, v))
    alone = inside("aten::mkldnn_convolution", 7, call)  # in no part that the layer names
    relu = inside("aten::relu", 20, v)
    rest = [inside("aten::add", 40, v), relu, inside("aten::clamp_min", 40, relu)]
    outside = inside("aten::add", 1000, None)
    events: list[Event] = [
        call,
        u,
        v,
        wrapper,
        first,
        empty,
        second,
        alone,
        *rest,
        inside("aten::cat", 90, call),
        outside,
    ]
    assert kernel_times(events, ("U", "V")) == [
        {"U convolutions": 180, "V convolutions": 150, "element-wise": 100, "split and concatenate": 90}
    ]


def test_a_layer_s_own_kernel_is_a_part_where_there_is_one() -> None:
    call = inside(CALL_SPAN, 10, None)
    operator = inside("csr_bench::csr_conv2d", 9, call)  # Python around the kernel: dispatch
    events: list[Event] = [call, operator, inside("csr_bench::kernel", 30, operator)]
    assert kernel_times(events, ("U",)) == [
        {"U convolutions": 0, "element-wise": 0, "split and concatenate": 0, "compiled kernel": 30}
    ]


def test_every_call_is_counted_by_itself() -> None:
    calls = [inside(CALL_SPAN, 0, None), inside(CALL_SPAN, 0, None)]
    events: list[Event] = [inside("aten::add", own, call) for own, call in zip((5, 7), calls, strict=True)]
    assert [call["element-wise"] for call in kernel_times(events, ())] == [5, 7]


def test_a_call_without_any_operator_took_no_time_in_kernels() -> None:
    assert kernel_times([inside(CALL_SPAN, 10, None)], ("A",)) == [
        {"A convolutions": 0, "element-wise": 0, "split and concatenate": 0}
    ]


def test_a_layer_names_its_spans_only_while_it_is_asked_to() -> None:
    layer, x = CSRConv2d(4, 4, 3, T=4, padding=1).eval(), torch.randn(1, 4, 6, 6)
    assert isinstance(layer, HasSpans)
    opened: list[str] = []

    @contextmanager
    def span(name: str) -> Iterator[None]:
        opened.append(name)
        yield

    own = set(vars(layer))
    with torch.no_grad():
        expected = layer(x)
        with layer.spans(span):
            assert torch.equal(layer(x), expected)
        assert opened == ["U", "V", "V", "V"]
        layer(x)
    assert len(opened) == 4
    assert set(vars(layer)) == own


def test_a_real_layer_is_explained_down_to_dispatch() -> None:
    case = Case("layer/32-32-k3", (MethodCall("csr_conv", {"T": 4}),), input=(32, 16, 16))
    answer = profile(Job(case, recipes=(None,)))
    (layer,) = answer.layers
    assert layer.name == "conv"
    assert layer.parts is not None
    assert set(layer.parts) == set(PARTS)
    assert all(seconds >= 0 for seconds in layer.parts.values())
    assert layer.parts["U convolutions"] > 0
    assert layer.parts["V convolutions"] > 0
    assert answer.seconds > 0


def test_the_command_shows_every_layer(bench: Any) -> None:
    said = bench("profile", "layer/16-16-k3/csr_conv(T=2)/eager/cpu/b1/16x8x8", "--json")
    assert said.code == 0
    data = json.loads(said.out)
    assert [row["layer"] for row in data["layers"]] == ["conv"]
    assert data["layers"][0]["macs"] == 8 * 8 * 9 * (2 * 8 * 8 + 8 * 8)
    assert bench("profile", "resnet56").code == 2
    assert bench("profile", "layer/2-2-k3/csr_conv(T=2)/eager/cpu/b1/3x8x8").code == 3
