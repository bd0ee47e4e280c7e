"""What a runtime answers is held against eager before anything is timed."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from bench.case import DENSE, Case
from bench.runtimes import Runtime
from bench.worker.runnable import (
    TOLERANCE,
    OutputsDiffer,
    bytes_in,
    check,
    make_runnable,
    settle_statistics,
    stored_as,
)

ALLOWED = TOLERANCE[torch.float32]


def stub(prepare: Any = None, export: Any = None) -> Runtime:
    return Runtime("stub", prepare, "a stub", export=export)


def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 5)).eval()


X = torch.ones(2, 3, 2, 2)


@given(share=st.floats(0, 1), place=st.integers(0, 9), sign=st.sampled_from([-1, 1]))
def test_a_difference_is_held_against_the_largest_value(share: float, place: int, sign: int) -> None:
    network = linear()
    largest = float(network(X).detach().abs().max())

    def forward(x: Tensor) -> Tensor:
        found: Tensor = network(x).detach().clone()
        found.view(-1)[place] += sign * share * largest
        return found

    with torch.no_grad():
        if share < 0.99 * ALLOWED:
            check(stub(), forward, network, X)
        elif share > 1.01 * ALLOWED:
            with pytest.raises(OutputsDiffer, match=rf"\(value {place}\)"):
                check(stub(), forward, network, X)


def test_a_wrong_answer_is_told_with_both_values() -> None:
    words = (
        r"stub answers 2 beside 1 of eager \(value 0\): 1 of the largest value apart, 0.01 is allowed with"
    )
    with pytest.raises(OutputsDiffer, match=words):
        check(stub(), lambda x: 2 * x, nn.Identity(), X)


def test_another_shape_is_told() -> None:
    with pytest.raises(OutputsDiffer, match="another shape than eager: 2×12 beside 2×3×2×2"):
        check(stub(), lambda x: x.flatten(1), nn.Identity(), X)


def answer(fixed: Tensor, _batch: Tensor) -> Tensor:
    return fixed


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_agrees_with_its_like_alone(odd: float) -> None:
    there = X.clone()
    there[0, 0, 0, 0] = odd
    check(stub(), lambda x: x.clone(), nn.Identity(), there)
    for one, other in ((X, there), (there, X)):
        with pytest.raises(OutputsDiffer, match="inf of the largest value apart"):
            check(stub(), partial(answer, other), nn.Identity(), one)


def test_zeros_agree_with_zeros_alone() -> None:
    zeros = torch.zeros_like(X)
    check(stub(), lambda x: x.clone(), nn.Identity(), zeros)
    with pytest.raises(OutputsDiffer):
        check(stub(), lambda x: x + 1e-9, nn.Identity(), zeros)


def test_int8_weights_are_allowed_more() -> None:
    network = linear()
    assert stored_as(network) is torch.float32
    network.register_parameter("stored", nn.Parameter(torch.zeros(3, dtype=torch.int8), requires_grad=False))
    assert stored_as(network) is torch.int8
    assert TOLERANCE[torch.int8] > ALLOWED
    assert stored_as(linear().to(torch.bfloat16)) is torch.bfloat16
    assert stored_as(nn.Identity()) is torch.float32


def test_statistics_are_settled_where_that_makes_a_better_check() -> None:
    case = Case("resnet20", DENSE, input=(3, 8, 8))
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).eval()
    x = torch.randn(1, 3, 8, 8)
    with torch.inference_mode():
        before = network(x).flatten()
        told = settle_statistics(network, x, case)
        assert told[0] == float(before[0])
        assert not torch.equal(network(x).flatten(), before)
        network.register_parameter("q", nn.Parameter(torch.zeros(1, dtype=torch.int8), requires_grad=False))
        settled = network(x).clone()
        assert settle_statistics(network, x, case) == ()
        assert torch.equal(network(x), settled)


def test_what_was_exported_is_loaded_and_else_exported_here(tmp_path: Path) -> None:
    written: list[Path] = []

    def export(network: nn.Module, example: Tensor, folder: Path) -> None:
        assert example is X
        (folder / "inner").mkdir()
        (folder / "inner" / "file").write_bytes(b"1234567")
        written.append(folder)

    def load(folder: Path, example: Tensor) -> Any:
        assert (folder / "inner" / "file").read_bytes() == b"1234567"
        return lambda x: x

    here = make_runnable(stub(load, export), nn.Identity(), X, "")
    assert here.export_seconds is not None
    assert here.exported_bytes == 7
    assert not written[0].exists()
    export(nn.Identity(), X, tmp_path)
    there = make_runnable(stub(load, export), nn.Identity(), X, str(tmp_path))
    assert (there.export_seconds, there.exported_bytes) == (None, 7)
    assert len(written) == 2
    assert bytes_in(tmp_path) == 7
    gone = make_runnable(stub(load, export), nn.Identity(), X, str(tmp_path / "elsewhere"))
    assert gone.export_seconds is not None


def test_a_runtime_without_files_has_no_size() -> None:
    made = make_runnable(stub(lambda network, _: network), nn.Identity(), X, "/nowhere")
    assert (made.export_seconds, made.exported_bytes) == (None, None)
    assert torch.equal(made.forward(X), X)
