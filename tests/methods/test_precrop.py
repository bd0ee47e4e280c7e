"""precrop: channel widths that meet layer densities, in chains, residual blocks and inverted residuals."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bench.counting.count import count
from bench.errors import InputError
from bench.methods import METHODS, Context
from bench.methods.parts.channel_widths import Width, free_widths, keep_ratios
from bench.methods.precrop import prepare
from bench.models import BACKBONES
from bench.plan.knobs import check_call

pytest.importorskip("torch_pruning", reason="torch-pruning is not installed")

CONTEXT = Context(input=(3, 8, 8))


def chain(*channels: int) -> nn.Sequential:
    torch.manual_seed(0)
    network = nn.Sequential()
    before = 3
    for width in channels:
        network.append(nn.Conv2d(before, width, 3, padding=1, bias=False))
        network.append(nn.ReLU())
        before = width
    network.append(nn.AdaptiveAvgPool2d(1))
    network.append(nn.Flatten())
    network.append(nn.Linear(before, 5, bias=False))
    return network.eval()


def on(name: str, density: float, **knobs: Any) -> tuple[dict[str, tuple[float, float]], Any, Context]:
    """Layer -> (achieved, asked), the cropped network, the context."""
    backbone = BACKBONES.get(name)
    context = Context(input=backbone.input, fixed_width=backbone.fixed_width)
    dense = backbone.network()
    recipe = json.loads(json.dumps(prepare(backbone.network(), context, density=density, **knobs)))
    network = (
        METHODS.get("precrop")
        .rewrite(backbone.network(), replace(context, recipe=recipe), {"density": density, **knobs})
        .network
    )
    shares = {
        layer: (
            network.get_parameter(f"{layer}.weight").numel() / dense.get_parameter(f"{layer}.weight").numel(),
            asked,
        )
        for layer, asked in recipe["asked"].items()
    }
    return shares, network, context


def test_a_chain_by_hand() -> None:
    """3→10→20→5 at densities d: log w1 = d1, log w1 + log w2 = d2, log w2 = d3, solved by hand.

    The normal equations give log w1 = (2·a + b - c)/3 and log w2 = (2·c + b - a)/3.
    """
    widths = free_widths(chain(10, 20), CONTEXT)
    assert {w.root: (w.channels, w.into, w.out_of) for w in widths} == {
        "0": (10, {"2": 1.0}, ["0"]),
        "2": (20, {"6": 1.0}, ["2"]),
    }
    d = {"0": 0.9, "2": 0.3, "6": 0.5}
    a, b, c = (math.log(d[name]) for name in ("0", "2", "6"))
    found = dict(zip([w.root for w in widths], keep_ratios(widths, d), strict=True))
    assert found["0"] == pytest.approx(math.exp((2 * a + b - c) / 3), rel=1e-6)
    assert found["2"] == pytest.approx(math.exp((2 * c + b - a) / 3), rel=1e-6)


@given(ratios=st.lists(st.floats(0.05, 1.0), min_size=1, max_size=5))
@settings(deadline=None, derandomize=True, max_examples=15)
def test_densities_that_can_be_met_are_met(ratios: list[float]) -> None:
    widths = free_widths(chain(*(8 + at for at in range(len(ratios)))), CONTEXT)
    ends = [1.0, *ratios, 1.0]
    names = [str(2 * at) for at in range(len(ratios))] + [str(2 * len(ratios) + 2)]
    densities = {name: ends[at] * ends[at + 1] for at, name in enumerate(names)}
    found = dict(zip([w.root for w in widths], keep_ratios(widths, densities), strict=True))
    for name, ratio in zip(names, ratios, strict=False):
        assert found[name] == pytest.approx(ratio, rel=1e-3)


def test_no_width_grows() -> None:
    widths = [Width("a", 8, {"b": 1.0}, ["a"]), Width("b", 8, {"c": 1.0}, ["b"])]
    assert all(0 < w <= 1 for w in keep_ratios(widths, {"a": 1.0, "b": 0.01, "c": 1.0}))


def test_a_concatenation_counts_by_channels() -> None:
    """c reads 2 of 4 channels of a and 2 fixed ones: w_in = (w + 1)/2; a = 0.5 is met with c = 0.75."""
    widths = [Width("a", 2, {"c": 0.5}, ["a"])]
    assert keep_ratios(widths, {"a": 0.5, "c": 0.75}) == pytest.approx([0.5], rel=1e-6)


def test_counts_by_hand_and_witnesses() -> None:
    dense = chain(10, 20)
    rewritten = METHODS.get("precrop").rewrite(dense, CONTEXT, {"density": 0.3, "scorer": "magnitude"})
    network: Any = rewritten.network
    first, second = network[0].out_channels, network[2].out_channels
    params = 3 * first * 9 + first * second * 9 + second * 5
    counts = count(rewritten.network, CONTEXT.example_input())
    assert counts.disagreements == ()
    assert (counts.params, counts.logical_params) == (params, params)
    macs = 64 * (3 * first * 9 + first * second * 9) + second * 5
    assert (counts.macs, counts.executed_macs) == (macs, macs)
    assert "asked" in rewritten.replaced[0].after


@pytest.mark.parametrize("scorer", ["synflow", "magnitude", "snip", "grasp", "random"])
def test_every_scorer_crops_a_chain(scorer: str) -> None:
    knobs = {"density": 0.25, "scorer": scorer, "iterations": 3}
    network = METHODS.get("precrop").rewrite(chain(16, 24, 32), CONTEXT, knobs).network
    kept = sum(p.numel() for p in network.parameters()) / sum(
        p.numel() for p in chain(16, 24, 32).parameters()
    )
    assert 0.15 < kept < 0.4


def test_residual_blocks_keep_their_stream() -> None:
    shares, network, context = on("resnet20", 0.2, iterations=3)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d) and name.endswith("conv2"):
            inner = module.in_channels / module.out_channels
            asked = shares[name][1], shares[name.replace("conv2", "conv1")][1]
            wanted = max(1, round(math.sqrt(asked[0] * asked[1]) * module.out_channels))
            assert inner == wanted / module.out_channels
    assert network.conv1.out_channels == 16
    assert count(network, context.example_input()).disagreements == ()


def test_inverted_residuals_take_the_mean_of_expansion_and_projection() -> None:
    shares, network, context = on("mobilenet_v2", 0.3, scorer="magnitude")
    dense: Any = BACKBONES.get("mobilenet_v2").network()
    for at in range(1, 17):
        expand, project = f"blocks.{at}.expand.0", f"blocks.{at}.project.0"
        hidden = dense.get_submodule(expand).out_channels
        wanted = max(1, round((shares[expand][1] + shares[project][1]) / 2 * hidden))
        assert network.get_submodule(expand).out_channels == wanted
        assert network.get_submodule(f"blocks.{at}.depthwise.0").groups == wanted
    assert network.blocks[0].depthwise[0].groups == 32
    assert count(network, context.example_input()).disagreements == ()


def test_squeeze_excitation_follows_the_expansion() -> None:
    _, network, context = on("efficientnet_b0", 0.3, scorer="magnitude")
    with torch.no_grad():
        assert network(context.example_input(2)).shape == (2, 10)


def test_bad_knobs_are_refused() -> None:
    with pytest.raises(InputError, match="density=1 crops nothing"):
        check_call("precrop", {"density": 1.0})
    with pytest.raises(InputError, match="scorer 'taylor'"):
        check_call("precrop", {"density": 0.5, "scorer": "taylor"})
    with pytest.raises(InputError, match="iterations=0"):
        check_call("precrop", {"density": 0.5, "iterations": 0})


def test_a_network_without_a_free_width_is_nothing_to_replace() -> None:
    network = nn.Sequential(nn.Conv2d(3, 5, 8), nn.Flatten())
    with pytest.raises(ValueError, match="nothing to replace"):
        METHODS.get("precrop").rewrite(network, CONTEXT, {"density": 0.5, "scorer": "random"})


def test_bug_the_filters_that_stay_are_those_of_largest_own_norm() -> None:
    dense = chain(10, 20)
    recipe = prepare(dense, CONTEXT, density=0.3, scorer="magnitude")["channels"]
    for layer in ("0", "2"):
        norms = [
            sum(abs(w) for w in row) for row in dense.get_parameter(f"{layer}.weight").flatten(1).tolist()
        ]
        kept = recipe[layer]["out"]
        assert 0 < len(kept) < len(norms)
        assert kept == sorted(sorted(range(len(norms)), key=lambda at: norms[at])[-len(kept) :])
