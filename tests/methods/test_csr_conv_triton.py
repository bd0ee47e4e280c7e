"""CSR-Conv's kernel for CUDA devices, without one: in Triton's interpreter, and through Triton's compiler.

Triton comes with torch's CUDA builds and not with those for processors alone, so most of this is left out
where nobody installed it beside them (``pip install triton``); the end of a run says so.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from csr_layers import SHAPES, Drawn, drawn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from triton_interpreter import Interpreter

from bench.methods import parts
from bench.methods.parts import fused_csr
from bench.methods.parts.fused_plan import Shape
from bench.methods.parts.fused_tiles import tiled

NO_TRITON = "no Triton"
THERE = importlib.util.find_spec("triton") is not None
needs_triton = pytest.mark.skipif(not THERE, reason=NO_TRITON)

FARTHEST = {"float32": 1e-5, "float16": 2 * 2.0**-10, "bfloat16": 2 * 2.0**-7}
"""How far an answer may lie from exact arithmetic: two roundings of the largest value, for halves."""


@pytest.fixture(scope="module")
def interpreter() -> Iterator[Interpreter]:
    if not THERE:
        pytest.skip(NO_TRITON)
    found = Interpreter()
    yield found
    found.close()


HEALTH = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
LAYERS = drawn(inputs=20, outputs=40, longest=8)
CALLED = {
    "dtype": st.sampled_from(sorted(FARTHEST)),
    "tile": st.sampled_from([None, (4, 4), (3, 8)]),
    "channels_last": st.booleans(),
}


@settings(max_examples=6, deadline=None, suppress_health_check=HEALTH)
@given(one=LAYERS, called=st.fixed_dictionaries(CALLED))
def test_it_equals_the_batched_order(interpreter: Interpreter, one: Drawn, called: dict[str, Any]) -> None:
    equal(interpreter, one, called)


@pytest.mark.slow
@settings(max_examples=50, deadline=None, suppress_health_check=HEALTH)
@given(one=LAYERS, called=st.fixed_dictionaries(CALLED))
def test_it_equals_the_batched_order_often(
    interpreter: Interpreter, one: Drawn, called: dict[str, Any]
) -> None:
    equal(interpreter, one, called)


def equal(interpreter: Interpreter, one: Drawn, called: dict[str, Any]) -> None:
    found = interpreter(layer=asdict(one), **called)
    assert found["order"] == "fused"
    assert found["contiguous"]
    assert found["far"] <= FARTHEST[called["dtype"]]


@pytest.mark.parametrize("name", ["channels", "no zeros around", "one pixel", "depthwise", "cut"])
def test_it_equals_the_batched_order_in_layers_of_networks(interpreter: Interpreter, name: str) -> None:
    equal(interpreter, SHAPES[name], {"dtype": "float32", "tile": (4, 8)})


@pytest.mark.parametrize("then", ["operator", "weights change"])
def test_operator_and_changed_weights(interpreter: Interpreter, then: str) -> None:
    equal(interpreter, SHAPES["cut"], {"dtype": "float32", "then": then})


def test_a_kernel_that_cannot_be_made_is_said_and_the_layer_runs(interpreter: Interpreter) -> None:
    found = interpreter(layer=asdict(SHAPES["cut"]), dtype="float32", then="fails")
    assert found["order"].startswith("batched: Triton ")
    assert "makes no kernel: KeyError" in found["order"]
    assert found["far"] == 0


def test_float64_runs_in_batched_order_and_is_said(interpreter: Interpreter) -> None:
    found = interpreter(layer=asdict(SHAPES["cut"]), dtype="float64")
    assert (found["order"], found["far"]) == ("batched: no kernel in float64", 0)


def test_without_triton_it_runs_in_batched_order_and_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.delitem(sys.modules, "bench.methods.parts.triton_csr", raising=False)
    monkeypatch.delattr(parts, "triton_csr", raising=False)
    monkeypatch.setattr(fused_csr, "by_triton", lambda _x: True)
    one = SHAPES["cut"]
    layer, x = one.layer(torch.float32), one.input(torch.float32)
    with torch.no_grad():
        found = layer(x)
        assert layer.executed_order.startswith("batched: Triton cannot be imported: ")
        layer.order = "batched"
        assert torch.equal(found, layer(x))


@needs_triton
def test_nothing_is_loaded_from_a_folder_that_others_can_write(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tmp_path.chmod(0o777)
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(fused_csr, "by_triton", lambda _x: True)
    one = SHAPES["cut"]
    layer = one.layer(torch.float32)
    with torch.no_grad():
        layer(one.input(torch.float32))
    assert "others can write" in layer.executed_order


SHAPE = {
    "dense": Shape(16, 32, 3, 4, (2, 2), (1, 1), False, 32, 32),
    "wide": Shape(512, 512, 3, 4, (1, 1), (1, 1), False, 8, 8),
    "depthwise": Shape(64, 64, 3, 4, (1, 1), (1, 1), True, 32, 32),
}
POINTERS = {torch.float32: "*fp32", torch.float16: "*fp16", torch.bfloat16: "*bf16"}


def compiled(kind: str, dtype: torch.dtype, capability: int) -> Any:
    """The kernel for a device of that compute capability, which need not be here."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from bench.methods.parts.triton_csr import OPTIONS, constants, csr_conv

    fixed = constants(SHAPE[kind], tiled(SHAPE[kind], 4, 4), dtype, bias=True)
    signature = {
        name: "constexpr" if name in fixed else "i32" if name.startswith("stride") else POINTERS[dtype]
        for name in csr_conv.arg_names
    }
    source = ASTSource(csr_conv, signature, fixed)
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=OPTIONS)


def check(kind: str, dtype: torch.dtype, capability: int) -> None:
    made = compiled(kind, dtype, capability)
    text = made.asm["ptx"]
    assert f".target sm_{capability}" in text
    assert made.asm["cubin"]
    assert made.metadata.shared <= 48 * 1024  # what a program gets on any of these devices without asking
    assert "bar.sync" in text  # between the steps: threads read what others wrote
    if kind == "depthwise":
        assert made.metadata.shared == 0  # so that this barrier is no other
    assert "ld.global.nc" not in text  # no load may miss what was written meanwhile
    assert "tf32" not in text  # float32 is multiplied as such
    if capability >= 80 and dtype != torch.float32 and kind != "depthwise":
        assert "mma" in text


@pytest.fixture
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))


@needs_triton
@pytest.mark.usefixtures("_empty_cache")
@pytest.mark.parametrize(("kind", "dtype"), [("dense", torch.float16), ("depthwise", torch.float32)])
def test_it_is_compiled_for_a_device_that_is_not_here(kind: str, dtype: torch.dtype) -> None:
    check(kind, dtype, 80)


@pytest.mark.slow
@needs_triton
@pytest.mark.usefixtures("_empty_cache")
@pytest.mark.parametrize("kind", SHAPE)
def test_it_is_compiled_for_all_devices(kind: str) -> None:
    for dtype in POINTERS:
        for capability in (75, 80, 90):
            check(kind, dtype, capability)
