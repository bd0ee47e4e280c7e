"""What holds of every low-rank method alike: how ranks are asked for, and what is left."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_checks import TINY, alone, counts, left, prepared, rewrite, single, sound, tiny
from torch import nn

from bench.errors import InputError
from bench.methods import Context
from bench.methods.parts.low_rank import RankRule, enough, split, squared_singular_values
from bench.models.layer import SingleLayer
from bench.plan.knobs import check_call

METHOD_NAMES = ("tucker2", "spatial_svd", "cp", "svd", "tensor_train")


def layer_of(name: str, ci: int, co: int, stride: int = 1, seed: int = 0) -> SingleLayer:
    return single(ci, co, 1 if name == "svd" else 3, stride, seed)


@settings(deadline=None, derandomize=True, max_examples=25)
@given(
    name=st.sampled_from(METHOD_NAMES),
    ci=st.integers(1, 12),
    co=st.integers(1, 12),
    stride=st.sampled_from([1, 2]),
    side=st.integers(3, 9),
)
def test_full_rank_is_the_dense_layer(name: str, ci: int, co: int, stride: int, side: int) -> None:
    dense = layer_of(name, ci, co, stride)
    network = rewrite(dense, name, alone(ci), ratio=1.0).network
    x = torch.randn(2, ci, side, side)
    with torch.no_grad():
        torch.testing.assert_close(network(x), dense(x), rtol=1e-4, atol=1e-5)


@settings(deadline=None, derandomize=True, max_examples=25)
@given(
    name=st.sampled_from(METHOD_NAMES),
    ci=st.integers(2, 12),
    co=st.integers(2, 12),
    stride=st.sampled_from([1, 2]),
    side=st.integers(5, 9),
    rule=st.sampled_from([{"rank": 1}, {"rank": 2}, {"ratio": 0.1}, {"ratio": 0.7}]),
)
def test_output_shape_and_counts_for_any_rank(
    name: str, ci: int, co: int, stride: int, side: int, rule: dict[str, float]
) -> None:
    dense = layer_of(name, ci, co, stride)
    network = rewrite(dense, name, alone(ci), **rule).network
    x = torch.randn(1, ci, side, side)
    with torch.no_grad():
        assert network(x).shape == dense(x).shape
    found = counts(network, (ci, side, side))
    assert found.params == found.logical_params
    assert found.macs == found.executed_macs


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_bias_and_everything_a_layer_must_survive(name: str) -> None:
    dense = tiny(bias=True)
    full = rewrite(dense, name, ratio=1.0).network
    x = torch.randn(2, *TINY)
    with torch.no_grad():
        torch.testing.assert_close(full(x), dense(x), rtol=1e-4, atol=1e-5)
    sound(rewrite(dense, name, ratio=0.5).network)


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_the_error_falls_as_the_rank_grows(name: str) -> None:
    dense = layer_of(name, 12, 12)
    x = torch.randn(4, 12, 8, 8)
    errors = []
    with torch.no_grad():
        for ratio in (0.1, 0.4, 0.8):
            network = rewrite(dense, name, alone(12), ratio=ratio).network
            errors.append(float((network(x) - dense(x)).square().mean()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 2


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_a_recipe_survives_json_and_gives_the_same_network(name: str) -> None:
    dense = layer_of(name, 24, 24)
    knobs = {"energy": 0.3}
    recipe = prepared(name, dense, alone(24), **knobs)
    assert set(recipe) == {"conv"}
    with_recipe = rewrite(dense, name, alone(24, recipe=recipe), **knobs)
    without = rewrite(dense, name, alone(24), **knobs)
    assert with_recipe.replaced == without.replaced
    for one, other in zip(with_recipe.network.parameters(), without.network.parameters(), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_what_the_recipe_does_not_name_is_left(name: str) -> None:
    with pytest.raises(ValueError, match=r"nothing to replace .the recipe does not name it"):
        rewrite(layer_of(name, 8, 8), name, alone(8, recipe={}), rank=2)


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_energy_keeps_what_it_says(name: str) -> None:
    dense = layer_of(name, 24, 24)
    weight = dense.conv.weight.detach()
    layer: Any = rewrite(dense, name, alone(24), energy=0.3).network.conv
    kernel = weight.shape[2]
    # The weight that the factors make is their response to single pixels.
    pixels = torch.zeros(24, 24, 2 * kernel - 1, 2 * kernel - 1)
    pixels[range(24), range(24), kernel - 1, kernel - 1] = 1
    padding = kernel // 2
    with torch.no_grad():
        response = layer(pixels)
    middle = response[:, :, kernel - 1 - padding :, kernel - 1 - padding :][:, :, :kernel, :kernel]
    made = middle.flip(2, 3).transpose(0, 1)
    lost = float((weight - made).square().sum() / weight.square().sum())
    # Tucker-2 keeps the share in each of its two unfoldings: what it loses is at most the sum of both.
    assert lost <= (2 if name == "tucker2" else 1) * 0.7 + 1e-5
    assert lost > 0.3


def test_a_rank_above_a_layers_full_rank_leaves_that_layer() -> None:
    rewritten = rewrite(tiny(), "svd", rank=8)
    assert [entry.name for entry in rewritten.replaced] == ["point"]
    both = rewrite(tiny(), "tucker2", rank=8)
    assert [entry.name for entry in both.replaced] == ["same", "wide"]
    with pytest.raises(ValueError, match=r"nothing to replace .*rank 9 is above its full rank 8"):
        rewrite(tiny(), "tucker2", rank=9)


def test_energy_leaves_a_layer_that_it_would_make_larger() -> None:
    with pytest.raises(ValueError, match="hold no fewer weights than the layer"):
        rewrite(tiny(), "tucker2", energy=1.0)


def test_only_full_convolutions_are_decomposed() -> None:
    depthwise = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Conv2d(8, 8, 3, groups=2))
    with pytest.raises(ValueError, match="depthwise convolution; grouped convolution"):
        rewrite(depthwise.eval(), "tucker2", alone(8), rank=2)


def test_kernels_that_have_no_such_form_are_left() -> None:
    assert left(rewrite(tiny(), "svd", rank=2))["same"] == "3×3 kernel: only 1×1 is replaced"
    assert left(rewrite(tiny(), "spatial_svd", rank=2))["point"] == "1×1 kernel: there is nothing to separate"
    assert left(rewrite(tiny(), "cp", rank=2))["point"] == "1×1 kernel: svd is its low-rank form"


@pytest.mark.parametrize("name", METHOD_NAMES)
@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({}, "exactly one of rank, ratio and energy is needed, not none"),
        ({"rank": 4, "ratio": 0.5}, "not rank and ratio"),
        ({"rank": 0}, "a rank is at least 1"),
        ({"ratio": 0.0}, "a share above 0 and at most 1 works"),
        ({"ratio": 1.5}, "a share above 0 and at most 1 works"),
        ({"energy": -0.1}, "a share above 0 and at most 1 works"),
        ({"rang": 4}, "did you mean 'rank'"),
        ({"rank": 4.5}, "takes a whole number"),
    ],
)
def test_bad_knobs(name: str, knobs: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_call(name, knobs)


def test_enough_counts_the_leading_values() -> None:
    squares = torch.tensor([6.0, 3.0, 1.0, 0.0])
    assert [enough(squares, e) for e in (0.1, 0.6, 0.61, 0.9, 1.0)] == [1, 1, 2, 2, 3]
    assert enough(torch.zeros(3), 0.5) == 1


def test_split_is_the_best_product_of_its_rank() -> None:
    for shape in ((5, 9), (9, 5)):
        matrix = torch.randn(shape, dtype=torch.float64)
        outer, inner = split(matrix, 3)
        lost = (matrix - outer @ inner).square().sum()
        torch.testing.assert_close(lost, squared_singular_values(matrix)[3:].sum())
        torch.testing.assert_close(squared_singular_values(matrix), torch.linalg.svdvals(matrix) ** 2)


def test_ratio_rounds_and_keeps_one() -> None:
    assert RankRule(ratio=0.5).share_of(5) == 2
    assert RankRule(ratio=0.01).share_of(5) == 1


def test_context_of_the_network_decides_the_first_layer() -> None:
    names = {
        r.name for r in rewrite(tiny(), "tucker2", Context(input=TINY, keep_first=False), rank=2).replaced
    }
    assert names == {"stem", "same", "wide"}
