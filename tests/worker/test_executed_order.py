"""What a trial says about layers that were asked for a compiled kernel."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from kernel_cache import kernel_cache

from bench.case import Case, MethodCall
from bench.runtimes import RUNTIMES
from bench.worker.protocol import Job
from bench.worker.seat import Seat
from bench.worker.stages import Stages

__all__ = ["kernel_cache"]


def orders(runtime: str = "eager", **knobs: Any) -> dict[str, str]:
    methods = (MethodCall("csr_conv", {"T": 2, **knobs}),)
    case = Case("layer/4-4-k3", methods, runtime=runtime, input=(4, 8, 8))
    with torch.inference_mode():
        seat = Seat(Job(case, recipes=(None,)), Stages())
        seat()
        return seat.executed_order()


def test_a_compiled_layer_says_so_and_the_others_say_nothing() -> None:
    assert orders(order="fused") == {"conv": "fused"}
    assert orders() == {}
    assert orders(order="literal") == {}


def test_a_layer_without_its_kernel_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CC", "no-such-compiler")
    assert orders(order="fused") == {"conv": "batched: no C compiler (no-such-compiler)"}


def test_a_folded_network_s_layers_are_those_that_ran() -> None:
    assert orders("eager-folded", order="fused") == {"conv": "fused"}


@pytest.mark.skipif(bool(RUNTIMES.get("onnxruntime").absent), reason="onnxruntime is not installed")
def test_an_exported_network_runs_the_literal_order() -> None:
    assert orders("onnxruntime", order="fused") == {"conv": "literal, as it was exported"}
