"""What happens inside layers: operators by hand, and a real network's."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from bench.case import DENSE, Case
from bench.worker.explainer import by_operator, explain, kind_of, logged
from bench.worker.profiler import CALL_SPAN, Event
from bench.worker.protocol import Job


@dataclass
class Happened:
    """An event as torch's profile has it, in microseconds."""

    name: str
    self_cpu_time_total: float
    cpu_parent: Event | None = None


def test_an_operator_has_its_own_time_and_none_in_calls_without_it() -> None:
    calls = [Happened(CALL_SPAN, 1.0) for _ in range(3)]
    events: list[Event] = [*calls]
    for call in calls:
        outer = Happened("aten::conv2d", 9.0, call)
        events += [outer, Happened("aten::_slow_conv2d_forward", 7.0, outer)]
        events += [Happened("aten::mkldnn_convolution", 5.0, outer), Happened("other::op", 4.0, call)]
        events += [Happened("csr_bench::csr_conv2d", 4.0, call), Happened("csr_bench::kernel", 6.0, call)]
    events += [Happened("aten::add", 3.0, calls[0]), Happened("aten::mul", 3.0)]
    assert by_operator(events) == {
        "_slow_conv2d_forward": pytest.approx(7e-6),
        "kernel": pytest.approx(6e-6),
        "add": 0.0,
    }


@pytest.mark.parametrize(
    ("operator", "kind"),
    [
        ("_slow_conv2d_forward", "multiplies"),
        ("addmm", "multiplies"),
        ("kernel", "multiplies"),
        ("cat", "moves"),
        ("relu", "elementwise"),
    ],
)
def test_kinds_of_operators(operator: str, kind: str) -> None:
    assert kind_of(operator) == kind


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")
def test_one_call_s_log_is_caught() -> None:
    layer = nn.Conv2d(64, 64, 3, padding=1).eval()
    with torch.inference_mode():
        lines = logged(layer, torch.randn(2, 64, 16, 16))
    assert sum(",exec,cpu,convolution," in line for line in lines) == 1
    with torch.inference_mode():
        assert logged(nn.ReLU(), torch.randn(2, 3)) == []


def test_every_call_of_a_counted_layer_has_a_row() -> None:
    found = explain(Job(Case("layer/4-4-k3", DENSE, input=(4, 8, 8)), recipes=(None,)))
    (row,) = found.layers
    assert row.name == "conv"
    assert row.log or any(kind_of(name) == "multiplies" for name in row.operators)
