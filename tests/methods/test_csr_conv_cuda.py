"""CSR-Conv's fused order on a CUDA device, where there is one: equal to the batched order, in trials too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from csr_layers import SHAPES, far

from bench.case import Case, MethodCall
from bench.worker import cuda
from bench.worker.protocol import Job, Measured
from bench.worker.stages import Stages

FARTHEST = {torch.float32: 1e-5, torch.float16: 4 * 2.0**-10, torch.bfloat16: 4 * 2.0**-7}
"""Both orders round their halves."""


@pytest.fixture(autouse=True)
def flags() -> Iterator[None]:
    """Torch's flags as a trial has them."""
    before = cuda.read_flags()
    cuda.set_flags()
    yield
    cuda.set_flags(before)


@pytest.mark.cuda
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", FARTHEST)
def test_fused_equals_batched(dtype: torch.dtype, memory_format: torch.memory_format) -> None:
    for name, one in SHAPES.items():
        layer = one.layer().to("cuda", dtype)
        x = one.input().to("cuda", dtype).contiguous(memory_format=memory_format)
        with torch.no_grad():
            layer.order = "batched"
            expected = layer(x).float()
            layer.order = "fused"
            for _ in range(20):  # threads that did not wait for each other would be right now and then
                found = layer(x)
                assert (name, layer.executed_order) == (name, "fused")
                assert far(found.float(), expected) <= FARTHEST[dtype]


@pytest.mark.cuda
def test_a_large_map_is_shared_out_and_answers_alike() -> None:
    from bench.methods.csr_conv import CSRConv2d

    torch.manual_seed(0)
    layer = CSRConv2d(64, 64, 3, 4, 1, 1, order="fused").to("cuda").eval()
    x = torch.randn(3, 64, 57, 83, device="cuda")
    with torch.no_grad():
        found = layer(x)
        assert layer.executed_order == "fused"
        layer.order = "batched"
        assert far(found, layer(x)) <= FARTHEST[torch.float32]


@pytest.mark.cuda
def test_a_compiled_graph_calls_the_operator() -> None:
    layer = SHAPES["strides"].layer().to("cuda", torch.float32)
    x = SHAPES["strides"].input().to("cuda", torch.float32)
    with torch.no_grad():
        found = torch.compile(layer, fullgraph=True, dynamic=False)(x)
        layer.order = "batched"
        assert far(found, layer(x)) <= FARTHEST[torch.float32]
    torch.compiler.reset()


def trial(runtime: str, dtype: str, **knobs: Any) -> Measured:
    from bench.worker.trial import run

    case = Case("resnet20", (MethodCall("csr_conv", knobs),), runtime, "gpu", dtype=dtype)
    return run(Job(case, "cuda", (None,), {}, timed=False), Stages())


@pytest.mark.cuda
@pytest.mark.parametrize("runtime", ["eager", "cuda_graph"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_trial_runs_the_kernel_in_every_layer(runtime: str, dtype: str) -> None:
    fused, batched = trial(runtime, dtype, T=4, order="fused"), trial(runtime, dtype, T=4)
    assert fused.error is None
    assert fused.executed_order
    assert set(fused.executed_order.values()) == {"fused"}
    assert fused.output is not None
    assert batched.output is not None
    assert fused.output.sample == pytest.approx(batched.output.sample, rel=2e-2, abs=2e-2)
