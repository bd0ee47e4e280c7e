"""random_channels: the widths of any ranking, the channels drawn from the seed."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.counting.count import count
from bench.methods import METHODS, Context
from bench.methods.random_channels import prepare
from bench.models import BACKBONES

pytest.importorskip("torch_pruning", reason="torch-pruning is not installed")

BACKBONE = BACKBONES.get("resnet20")
CONTEXT = Context(input=BACKBONE.input, fixed_width=BACKBONE.fixed_width)


def test_counts_are_those_of_filter_l1() -> None:
    by_name = {
        name: count(
            METHODS.get(name).rewrite(BACKBONE.network(), CONTEXT, {"ratio": 0.5}).network,
            CONTEXT.example_input(),
        )
        for name in ("random_channels", "filter_l1")
    }
    ours, reference = by_name["random_channels"], by_name["filter_l1"]
    assert ours.disagreements == ()
    assert ours.macs == ours.executed_macs == reference.macs
    assert ours.params == ours.logical_params == reference.params


def test_the_draw_depends_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = prepare(BACKBONE.network(), CONTEXT, ratio=0.5)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    assert prepare(BACKBONE.network(), CONTEXT, ratio=0.5) == first
    assert prepare(BACKBONE.network(), replace(CONTEXT, seed=5), ratio=0.5) != first
    torch.manual_seed(1)
    prepare(BACKBONE.network(), CONTEXT, ratio=0.5)
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)  # the caller's generator is not touched


@given(ratio=st.floats(0.05, 0.9), side=st.integers(8, 40))
@settings(deadline=None, derandomize=True, max_examples=8)
def test_output_shape_recipe_copies(ratio: float, side: int) -> None:
    context = replace(CONTEXT, input=(3, side, side))
    recipe = json.loads(json.dumps(prepare(BACKBONE.network(), context, ratio=ratio)))
    network = (
        METHODS.get("random_channels")
        .rewrite(BACKBONE.network(), replace(context, recipe=recipe), {"ratio": ratio})
        .network
    )
    x = context.example_input(2)
    with torch.no_grad():
        expected = network(x)
        assert expected.shape == (2, 10)
        assert torch.equal(copy.deepcopy(network)(x), expected)
        twin = copy.deepcopy(network)
        for parameter in twin.parameters():
            parameter.add_(1.0)
        twin.load_state_dict(network.state_dict())
        assert torch.equal(twin(x), expected)


def test_gradient_and_export() -> None:
    network = METHODS.get("random_channels").rewrite(BACKBONE.network(), CONTEXT, {"ratio": 0.5}).network
    x = CONTEXT.example_input(2)
    network(x).sum().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in network.parameters())
    with torch.no_grad():
        torch.testing.assert_close(torch.export.export(network, (x,)).module()(x), network(x))
