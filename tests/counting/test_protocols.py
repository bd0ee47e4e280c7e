"""What layers say about themselves: which have what, and that an operator's announced count is used."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import Tensor, nn

from bench.counting import operators
from bench.counting.count import count
from bench.counting.layer_count import LayerCount
from bench.counting.protocols import HasClosedForm, HasOrders, HasSpans
from bench.methods.csr_conv import CSRConv2d
from bench.methods.parts.masking import masked


def test_a_layer_offers_what_it_has() -> None:
    csr, plain = CSRConv2d(4, 4, 3, T=2), nn.Conv2d(4, 4, 3)
    mask = masked(nn.Conv2d(1, 1, 1), torch.ones(1, 1, 1, 1))
    assert all(isinstance(csr, kind) for kind in (HasClosedForm, HasOrders, HasSpans))
    assert not any(isinstance(plain, kind) for kind in (HasClosedForm, HasOrders, HasSpans))
    assert isinstance(mask, HasClosedForm)
    assert not isinstance(mask, HasOrders)


@pytest.fixture
def product() -> Iterator[Any]:
    """An operator x @ w that neither fvcore nor torch has heard of; what is announced of it is taken back."""
    library = torch.library.Library("bench_products", "FRAGMENT")
    library.define("product(Tensor x, Tensor w) -> Tensor")
    library.impl("product", lambda x, w: x @ w, "CPU")
    with patch.dict(operators.TRACED), patch.dict(operators.DISPATCHED):
        yield torch.ops.bench_products.product
    library._destroy()


class Product(nn.Module):
    """(1, 6) -> (1, 4) by the operator."""

    def __init__(self, operator: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 4))
        self.operator = operator

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.operator(x, self.weight)
        return out

    def __deepcopy__(self, _memo: object) -> Product:
        return self  # operators cannot be copied

    def closed_form(self, output_hw: tuple[int, int]) -> LayerCount:
        return LayerCount.dense(24, 24)


def test_an_operator_is_counted_as_it_was_announced(product: Any) -> None:
    x = torch.randn(1, 6)
    assert count(Product(product), x).disagreements == (
        "network: closed form 24, fvcore 0, torch 0",
        "fvcore does not know bench_products::product",
    )
    operators.count_in_traces(
        "bench_products::product", lambda inputs, outputs: math.prod(inputs[1].type().sizes())
    )
    operators.count_when_run(product, lambda x, w, out_shape, **_: 2 * w[0] * w[1])
    counts = count(Product(product), x)
    assert counts.witnesses == {"closed_form": 24, "fvcore": 24, "torch": 24}
    assert counts.disagreements == ()
