"""CSR-Conv's ``order: auto``: the fastest order of every layer, from a recipe."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from kernel_cache import kernel_cache
from method_checks import TINY, counts, prepared, rewrite, tiny
from torch import Tensor, nn

from bench.case import Case, MethodCall
from bench.errors import InputError
from bench.methods import Context
from bench.methods.csr_conv import CSRConv2d
from bench.plan.declared import DECLARED_METHODS
from bench.plan.knobs import check_call

__all__ = ["kernel_cache"]


def made_up(layer: nn.Module, _example: Tensor) -> float:
    """A processor on which wide layers are fastest step by step, and the others in one kernel."""
    assert isinstance(layer, CSRConv2d)
    wanted = "literal" if layer.out_channels > 12 else "fused"
    return 1.0 if layer.order == wanted else 2.0


CLOCKED = Context(input=TINY, seconds_of=made_up)


def orders(network: nn.Module) -> dict[str, str]:
    return {name: m.order for name, m in network.named_modules() if isinstance(m, CSRConv2d)}


def test_every_layer_takes_its_fastest_order() -> None:
    dense = tiny()
    recipe = prepared("csr_conv", dense, CLOCKED, T=2, order="auto")
    assert recipe["orders"] == {"same": "fused", "wide": "literal", "point": "fused"}
    assert recipe["seconds"]["same"] == {"batched": 2.0, "literal": 2.0, "fused": 1.0}
    assert recipe["not_to_be_had"] == {}
    rewritten = rewrite(dense, "csr_conv", Context(input=TINY, recipe=recipe), T=2, order="auto")
    assert orders(rewritten.network) == recipe["orders"]
    fixed = rewrite(dense, "csr_conv", T=2)
    assert counts(rewritten.network).layers == counts(fixed.network).layers
    assert rewritten.replaced == fixed.replaced
    x = torch.randn(2, *TINY)
    with torch.no_grad():
        torch.testing.assert_close(rewritten.network(x), fixed.network(x), rtol=1e-5, atol=1e-6)


def test_preparing_leaves_the_network_as_it_is() -> None:
    dense = tiny()
    before = [str(dense), *(p.clone() for p in dense.parameters())]
    prepared("csr_conv", dense, CLOCKED, T=2, order="auto")
    assert str(dense) == before[0]
    assert all(torch.equal(p, q) for p, q in zip(dense.parameters(), before[1:], strict=True))  # type: ignore[arg-type]


def test_where_nothing_is_compiled_the_other_orders_are_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CC", "no-such-compiler")
    recipe = prepared("csr_conv", tiny(), CLOCKED, T=2, order="auto")
    assert recipe["orders"] == {"same": "batched", "wide": "literal", "point": "batched"}
    assert recipe["not_to_be_had"]["same"] == {"fused": "batched: no C compiler (no-such-compiler)"}


def test_without_a_clock_it_is_refused() -> None:
    with pytest.raises(ValueError, match="order 'auto' needs measured times"):
        prepared("csr_conv", tiny(), Context(input=TINY), T=2, order="auto")


def test_an_order_of_another_name_is_refused() -> None:
    with pytest.raises(InputError, match="order must be 'batched', 'literal', 'fused' or 'auto', not 'fast'"):
        check_call("csr_conv", {"T": 2, "order": "fast"})


@pytest.mark.parametrize(
    ("knobs", "alone"),
    [({"T": 2}, False), ({"T": 2, "order": "fused"}, False), ({"T": 2, "order": "auto"}, True)],
)
def test_only_what_is_timed_is_counted_alone(knobs: dict[str, Any], alone: bool) -> None:
    assert DECLARED_METHODS.get("csr_conv").times_itself(knobs) is alone


def test_a_case_has_another_count_than_one_with_a_fixed_order() -> None:
    ids = {
        Case("resnet20", (MethodCall("csr_conv", {"T": 4, **more}),)).count_id
        for more in ({}, {"order": "auto"})
    }
    assert len(ids) == 2
