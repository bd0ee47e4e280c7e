"""CSR-Conv's fused order: equal to the batched one, counted alike, and honest about where it cannot work."""

from __future__ import annotations

import copy
import os
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from csr_layers import SHAPES, Drawn, drawn, far
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel_cache import kernel_cache
from torch import Tensor, nn

from bench.counting.count import count
from bench.counting.protocols import SaysOrder
from bench.methods.csr_conv import CSRConv2d
from bench.methods.parts import c_kernel
from bench.methods.parts.c_kernel import NoKernel, Processor
from bench.methods.parts.compiled import Ready, gathering
from bench.methods.parts.fused_plan import layout

__all__ = ["kernel_cache"]

PROCESSORS = [Processor(64, 32, "wide"), Processor(32, 16, "middle"), Processor(16, 16, "portable")]


def both(layer: CSRConv2d, x: Tensor) -> tuple[Tensor, Tensor]:
    """What the fused and the batched order answer; the first must not have been the second."""
    with torch.no_grad():
        found = layer(x)
        assert layer.executed_order == "fused"
        layer.order = "batched"
        expected = layer(x)
        layer.order = "fused"
    return found, expected


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn(), st.sampled_from(PROCESSORS))
def test_fused_equals_batched_in_float64(one: Drawn, processor: Processor) -> None:
    """Whatever the processor: vectors that it has not are made of those that it has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.methods.parts.fused_csr.processor", lambda: processor)
        found, expected = both(one.layer(), one.input())
    assert far(found, expected) <= 1e-12


@pytest.mark.parametrize("name", SHAPES)
def test_a_layer_computes_nothing_while_kernels_are_gathered(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next layer's kernel depends on the shape alone, and a later start pays for nothing else."""
    one = SHAPES[name]
    layer, x = one.layer(torch.float32), one.input(torch.float32)

    def computed(*_: object) -> Tensor:
        raise AssertionError("computed")

    with monkeypatch.context() as patch, gathering() as sources, torch.no_grad():
        patch.setattr(CSRConv2d, "_batched", computed)
        shape_alone = layer(x)
    assert len(sources) == 1
    assert not shape_alone.any()
    found, _ = both(layer, x)
    assert found.shape == shape_alone.shape
    assert found.dtype == shape_alone.dtype


@pytest.mark.parametrize("name", SHAPES)
def test_fused_equals_batched_in_float32(name: str) -> None:
    one = SHAPES[name]
    found, expected = both(one.layer(torch.float32), one.input(torch.float32))
    assert far(found, expected) <= 1e-5


@pytest.mark.parametrize(("name", "share"), [("shared", True), ("channels", True), ("pixels", False)])
def test_several_threads_make_the_same_numbers(
    name: str, share: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = SHAPES[name]
    monkeypatch.setattr("bench.methods.parts.fused_plan.WORTH_SHARING", 0 if name == "channels" else 100_000)
    layout.cache_clear()
    layer, x = one.layer(torch.float32), one.input(torch.float32)
    alone, _ = both(layer, x)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2 if before == 1 else 1)
        other, _ = both(layer, x)
        ready = layer._kernels._ready[x.shape, x.dtype, 2]
        assert isinstance(ready, Ready)
        assert (ready.threads == 2) is share
    finally:
        torch.set_num_threads(before)
        layout.cache_clear()
    assert torch.equal(alone, other)


def test_python_threads_may_share_a_layer() -> None:
    one = SHAPES["pixels"]
    layer, x = one.layer(torch.float32), one.input(torch.float32)
    _, expected = both(layer, x)
    wrong: list[float] = []

    def call() -> None:
        with torch.no_grad():
            wrong.extend(d for _ in range(50) if (d := far(layer(x), expected)) > 1e-5)

    callers = [threading.Thread(target=call) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


def test_weights_written_afterwards_are_packed_anew() -> None:
    one = SHAPES["pixels"]
    layer, x = one.layer(), one.input()
    both(layer, x)
    with torch.no_grad():
        layer.u.mul_(2)
        layer.alpha.fill_(0.25)
    found, expected = both(layer, x)
    assert far(found, expected) <= 1e-12
    layer.v.data = layer.v.data.clone().neg_()
    found, expected = both(layer, x)
    assert far(found, expected) <= 1e-12


def test_a_copy_packs_its_own_weights() -> None:
    one = SHAPES["pixels"]
    layer, x = one.layer(), one.input()
    both(layer, x)
    copies = copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))
    for twin in copies:
        with torch.no_grad():
            twin.u.zero_()
        found, expected = both(twin, x)
        assert far(found, expected) <= 1e-12


def test_the_state_dict_is_that_of_the_other_orders() -> None:
    layer = SHAPES["pixels"].layer()
    both(layer, SHAPES["pixels"].input())
    plain = CSRConv2d(16, 16, 3, 4, 1, 1)
    assert list(layer.state_dict()) == list(plain.state_dict())
    assert [n for n, _ in layer.named_buffers()] == []


@pytest.mark.parametrize("name", ["pixels", "depthwise", "cut"])
def test_three_witnesses_count_the_same(name: str) -> None:
    one = SHAPES[name]
    network = nn.Sequential(one.layer(torch.float32))
    fused = count(network, one.input(torch.float32)[:1])
    network[0].order = "batched"  # type: ignore[assignment]
    batched = count(network, one.input(torch.float32)[:1])
    assert fused.disagreements == ()
    assert (fused.params, fused.executed_macs) == (batched.params, batched.executed_macs)


def test_gradients_are_those_of_the_batched_order() -> None:
    one = SHAPES["cut"]
    layer, x = one.layer(), one.input().requires_grad_()
    grads: list[list[Tensor]] = []
    for order in ("fused", "batched"):
        layer.order = order
        layer.zero_grad()
        x.grad = None
        layer(x).square().sum().backward()
        assert x.grad is not None
        grads.append([x.grad.clone(), *(p.grad.clone() for p in layer.parameters() if p.grad is not None)])
    for mine, theirs in zip(*grads, strict=True):
        assert far(mine, theirs) <= 1e-12


def test_a_fake_tensor_gets_the_output_s_shape() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    one = SHAPES["strides"]
    layer = one.layer()
    expected = layer(one.input()).shape
    with FakeTensorMode(allow_non_fake_inputs=True) as mode, torch.no_grad():
        assert layer(mode.from_tensor(one.input())).shape == expected


@pytest.mark.slow
def test_a_compiled_graph_calls_the_operator() -> None:
    one = SHAPES["strides"]
    layer, x = one.layer(), one.input()
    compiled = torch.compile(layer, fullgraph=True, dynamic=False, backend="aot_eager")
    with torch.no_grad():
        found = compiled(x)
    assert far(found, both(layer, x)[1]) <= 1e-12
    torch.compiler.reset()


@pytest.mark.slow
def test_inductor_calls_the_operator_once_for_each_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.methods.parts import fused_csr

    one = SHAPES["strides"]
    second = CSRConv2d(40, 24, 3, 4, 1, 1, bias=True, order="fused").eval()
    network = nn.Sequential(one.layer(torch.float32), nn.ReLU(), second)
    x = one.input(torch.float32)
    with torch.no_grad():
        expected = network(x)
    calls: list[tuple[int, ...]] = []
    run = fused_csr._run

    def counted(kernels: Any, x: Tensor, weights: Any, geometry: Any) -> Tensor:
        calls.append(tuple(x.shape))
        return run(kernels, x, weights, geometry)

    monkeypatch.setattr(fused_csr, "_run", counted)
    compiled = torch.compile(network, fullgraph=True, dynamic=False, backend="inductor")
    try:
        with torch.no_grad():
            compiled(x)
            calls.clear()
            found = compiled(x)
    finally:
        torch.compiler.reset()
    assert calls == [(1, 24, 9, 8), (1, 40, 5, 4)]
    assert far(found, expected) <= 1e-5


def test_an_exported_graph_has_torch_s_own_operators_alone() -> None:
    one = SHAPES["pixels"]
    layer, x = one.layer(torch.float32), one.input(torch.float32)
    with torch.no_grad():
        program = torch.export.export(layer, (x,))
    names = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert not any("csr_bench" in name for name in names)
    assert sum("conv2d" in name for node in program.graph.nodes for name in [str(node.target)]) == 7
    torch.testing.assert_close(program.module()(x), both(layer, x)[1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [("half", "no kernel in bfloat16"), ("inference", "inference tensors"), ("empty", "for an input 0×")],
)
def test_what_it_cannot_do_runs_in_batched_order_and_is_said(change: str, words: str) -> None:
    one = SHAPES["pixels"]
    layer, x = one.layer(torch.float32), one.input(torch.float32)
    if change == "half":
        layer, x = layer.to(torch.bfloat16), x.to(torch.bfloat16)
    elif change == "empty":
        x = x[:0]
    else:
        with torch.inference_mode():
            layer.u.data = layer.u.data.clone()
            layer = one.layer(torch.float32)
    with torch.no_grad():
        layer(x)
    assert isinstance(layer, SaysOrder)
    assert layer.executed_order.startswith("batched: ")
    assert words in layer.executed_order


def test_without_a_compiler_it_runs_in_batched_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CC", "no-such-compiler")
    layer = SHAPES["pixels"].layer()
    with torch.no_grad():
        layer(SHAPES["pixels"].input())
    assert layer.executed_order == "batched: no C compiler (no-such-compiler)"


def test_a_compiler_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fails = tmp_path / "fails"
    fails.write_text("#!/bin/sh\necho 'some.c:1: error: no such vector' >&2\nexit 1\n")
    fails.chmod(0o700)
    monkeypatch.setenv("CC", str(fails))
    layer = SHAPES["pixels"].layer()
    with torch.no_grad():
        layer(SHAPES["pixels"].input())
    assert layer.executed_order.endswith("does not compile the kernel: some.c:1: error: no such vector")
    assert not list((tmp_path / "csr-bench" / "kernels").iterdir())


@pytest.mark.parametrize("which", ["csr-bench/kernels", "csr-bench"])
def test_nothing_is_loaded_from_a_folder_that_others_can_write(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, which: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    c_kernel.private(c_kernel.cache_folder())
    (tmp_path / which).chmod(0o777)
    layer = SHAPES["pixels"].layer()
    with torch.no_grad():
        layer(SHAPES["pixels"].input())
    assert "others can write" in layer.executed_order
    assert not list((tmp_path / "csr-bench" / "kernels").iterdir())


def test_a_folder_of_its_own_is_taken(tmp_path: Path) -> None:
    assert c_kernel.private(tmp_path / "new" / "kernels").stat().st_mode & 0o777 == 0o700


def test_bug_an_umask_that_lets_a_group_write_left_no_kernel(tmp_path: Path) -> None:
    """002 is usual on Ubuntu: the folders above the last one were made with it, and refused afterwards."""
    before = os.umask(0o002)
    try:
        tmp_path.chmod(0o700)
        made = c_kernel.private(tmp_path / "cache" / "csr-bench" / "kernels")
    finally:
        os.umask(before)
    assert [folder.stat().st_mode & 0o777 for folder in (made, made.parent)] == [0o700, 0o700]


def test_a_foreign_folder_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.getuid", lambda: 12345)
    with pytest.raises(NoKernel, match="others can write"):
        c_kernel.private(tmp_path / "mine")


def test_a_damaged_file_is_compiled_anew() -> None:
    layer = SHAPES["pixels"].layer()
    both(layer, SHAPES["pixels"].input())
    for file in c_kernel.cache_folder().iterdir():
        file.chmod(0o600)
        file.unlink()
        file.write_bytes(b"no library")
    c_kernel._loaded.clear()
    both(copy.deepcopy(layer), SHAPES["pixels"].input())
