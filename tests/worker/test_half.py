"""Half precision: what is cast, what cannot be, and that the answers are those of the counted network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from bench.analysis.proof import proved
from bench.analysis.records import CountRecord, Probe, typed
from bench.case import DENSE, Case, MethodCall
from bench.counting.weight_bytes import weight_bytes
from bench.network import prepare
from bench.worker.counter import count_case
from bench.worker.protocol import Job
from bench.worker.seat import Seat
from bench.worker.stages import Stages

CSR = (MethodCall("csr_conv", {"T": 4}),)
HALVES = ("bfloat16", "float16")


def seat(methods: tuple[MethodCall, ...], dtype: str, **more: Any) -> Seat:
    case = Case("resnet20", methods, dtype=dtype, **more)
    with torch.inference_mode(False):
        recipes = prepare(case)[1]
    with torch.inference_mode():
        return Seat(Job(case, recipes=tuple(recipes)), Stages())


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("methods", [DENSE, CSR], ids=["dense", "csr_conv"])
def test_network_input_and_answer_are_of_the_dtype(methods: tuple[MethodCall, ...], dtype: str) -> None:
    found = seat(methods, dtype, memory_format="channels_last")
    wanted = getattr(torch, dtype)
    assert {p.dtype for p in found.network.parameters()} == {wanted}
    assert found.example.dtype == wanted
    assert found.example.is_contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        assert found().dtype == wanted


def test_weight_bytes_follow_the_dtype_and_counts_do_not() -> None:
    whole, half = seat(CSR, "float32"), seat(CSR, "bfloat16")
    counted = {t.data_ptr(): t for t in whole.network.state_dict().values() if t.is_floating_point()}
    floats = sum(t.numel() for t in counted.values())
    assert weight_bytes(whole.network) - weight_bytes(half.network) == 2 * floats
    assert half.params() == whole.params()


@pytest.mark.parametrize("dtype", HALVES)
def test_the_answer_is_that_of_the_counted_network_within_the_dtypes_rounding(dtype: str) -> None:
    counted = count_case(Case("resnet20", CSR))
    count = CountRecord("r", "c", "ok", None, counted.counts, answers=counted.answers)
    with torch.inference_mode():
        found = seat(CSR, dtype)
        params, output = found.params(), found.output()
    probe = typed(Probe, {"run": "r", "case": "c", "status": "ok", "params": params})
    probe = replace(probe, output=output)
    assert proved(probe, count, dtype=dtype).status == "ok"
    with torch.inference_mode():
        other = seat(CSR, dtype, seed=1).output()
    assert proved(replace(probe, output=other), count, dtype=dtype).status == "failed"


@pytest.mark.parametrize("dtype", HALVES)
def test_int8_arithmetic_is_refused_in_words(dtype: str) -> None:
    words = rf"dtype {dtype}: conv1 \(Int8Conv2d\) takes and gives float32 alone; dtype float32 works"
    with pytest.raises(ValueError, match=words):
        seat((MethodCall("int8", {"scheme": "static"}),), dtype)


def test_int8_weights_are_multiplied_out_to_the_dtype() -> None:
    found = seat((MethodCall("int8", {}),), "bfloat16")
    with torch.inference_mode():
        assert found().dtype == torch.bfloat16
    assert torch.int8 in {p.dtype for p in found.network.parameters()}


def test_a_network_with_exits_leaves_in_half_precision() -> None:
    found = seat((MethodCall("early_exit", {"threshold": 0.5}),), "bfloat16")
    with torch.inference_mode():
        found.round()
        assert found.output().finite
