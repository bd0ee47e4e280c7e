"""What must hold for every method that masks single weights, on one tiny network."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from bench.counting.count import count
from bench.methods import METHODS, Context, Rewritten
from bench.methods.parts.masking import MaskedConv2d, MaskedLinear

CONTEXT = Context(seed=3, input=(3, 8, 8))
WEIGHTS = {"0": 3 * 6 * 9, "3": 6 * 8, "7": 8 * 5}
POSITIONS = {"0": 64, "3": 16, "7": 1}
"""Applications of every weight per image: 8×8, 4×4 (stride 2) and one."""


class Tiny(nn.Sequential):
    """3→6 3×3, 6→8 1×1 /2, linear 8→5: 250 prunable weights."""

    def __init__(self, bias: bool = True) -> None:
        super().__init__(
            nn.Conv2d(3, 6, 3, padding=1, bias=bias),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Conv2d(6, 8, 1, stride=2, bias=False),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 5, bias=bias),
        )


def tiny(bias: bool = True, seed: int = 0) -> Tiny:
    torch.manual_seed(seed)
    network = Tiny(bias)
    network.eval()
    return network


def compressed(
    name: str, network: nn.Module, knobs: Mapping[str, Any], context: Context = CONTEXT
) -> Rewritten:
    """The way of a run: a recipe from one copy, through JSON, applied to another."""
    method = METHODS.get(name)
    if method.prepare is not None:
        recipe = method.prepare(copy.deepcopy(network), context, **knobs)
        context = replace(context, recipe=json.loads(json.dumps(recipe)))
    return method.rewrite(copy.deepcopy(network), context, knobs)


def masks(network: nn.Module) -> dict[str, Tensor]:
    return {n: m.mask for n, m in network.named_modules() if isinstance(m, MaskedConv2d | MaskedLinear)}


def kept(network: nn.Module) -> dict[str, int]:
    return {name: int(mask.sum()) for name, mask in masks(network).items()}


def check_all(name: str, density: float = 0.3, **knobs: Any) -> None:
    """Counts by hand, witnesses, recipe, output shape, gradients, state_dict, deepcopy, torch.export."""
    knobs = {"density": density, **knobs}
    dense = tiny()
    pruned = compressed(name, dense, knobs).network
    _check_counts(pruned, density)
    _check_recipe(name, dense, pruned, knobs)
    _check_gradients(pruned)
    _check_copies(pruned, name, knobs)
    whole = compressed(name, dense, {**knobs, "density": 1.0}).network
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        assert pruned(x).shape == dense(x).shape
        torch.testing.assert_close(whole(x), dense(x), atol=1e-5, rtol=0)


def _check_counts(network: nn.Module, density: float) -> None:
    kept_by_layer = kept(network)
    assert set(kept_by_layer) == set(WEIGHTS)
    assert sum(kept_by_layer.values()) == -(-round(density * 1e6) * sum(WEIGHTS.values()) // 10**6)
    counts = count(network, CONTEXT.example_input())
    unpruned = 6 + 12 + 5  # biases of the convolution and the classifier, BatchNorm
    assert counts.disagreements == ()
    assert counts.params == sum(WEIGHTS.values()) + unpruned
    assert counts.logical_params == sum(kept_by_layer.values()) + unpruned
    assert counts.executed_macs == sum(WEIGHTS[n] * POSITIONS[n] for n in WEIGHTS)
    assert counts.macs == sum(kept_by_layer[n] * POSITIONS[n] for n in WEIGHTS)


def _check_recipe(name: str, dense: nn.Module, with_recipe: nn.Module, knobs: Mapping[str, Any]) -> None:
    without = METHODS.get(name).rewrite(copy.deepcopy(dense), CONTEXT, knobs).network
    for layer, mask in masks(with_recipe).items():
        assert torch.equal(mask, masks(without)[layer])
        weight = with_recipe.get_parameter(f"{layer}.weight")
        assert torch.equal(weight, dense.get_parameter(f"{layer}.weight") * mask)


def _check_gradients(network: nn.Module) -> None:
    """Gradient flows to kept weights and to no masked one.

    A linear surrogate of each layer alone, with an input of ones, reaches every kept weight: within
    the network a dead ReLU may stop it.
    """
    for name, mask in masks(network).items():
        layer: Any = network.get_submodule(name)
        side = 4 * layer.kernel_size[0] if isinstance(layer, nn.Conv2d) else 0
        x = torch.ones(1, layer.in_channels, side, side) if side else torch.ones(1, layer.in_features)
        layer.zero_grad()
        layer(x).sum().backward()
        assert torch.equal(layer.weight.grad != 0, mask)
        layer.zero_grad()


def _check_copies(network: nn.Module, name: str, knobs: Mapping[str, Any]) -> None:
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        expected = network(x)
        assert torch.equal(copy.deepcopy(network)(x), expected)
        exported = torch.export.export(network, (x,)).module()
        torch.testing.assert_close(exported(x), expected)
        twin = copy.deepcopy(network)
        for parameter in twin.parameters():
            parameter.add_(1.0)
        twin.load_state_dict(network.state_dict())
        assert torch.equal(twin(x), expected)
        trained = tiny(seed=1).state_dict()
        twin.load_state_dict(trained)  # a checkpoint of the dense network: masked weights stay zero
        for layer, mask in masks(twin).items():
            assert not bool(twin.get_parameter(f"{layer}.weight")[~mask].any())
