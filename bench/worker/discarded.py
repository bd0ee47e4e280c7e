"""Which of a network's own weights a compression throws away: found by trying it with others.

A method that factors or masks a layer makes something of its weights; one that puts a fresh layer in the
place does not, and what was loaded is gone. No method has to say which it does: where the new layer is the
same to the last bit whatever the old weights were, they were discarded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bench.account import Replaced
from bench.case import Case
from bench.network import backbone_network, compress


def discarded(
    network: nn.Module, case: Case, recipes: Sequence[Any], replaced: Sequence[Replaced]
) -> tuple[str, ...]:
    """Names of the replaced layers in which nothing of their weights is left.

    ``network``: what the case's methods made with these ``recipes``. Biases and BatchNorms do not count: a
    fresh layer may take those over.
    """
    other = backbone_network(case)
    had = {name for name, module in other.named_modules() if _weights(module)}
    names = [name for name in dict.fromkeys(layer.name for layer in replaced) if name in had]
    if not names:
        return ()
    _stir(other, case.seed)
    try:
        again = compress(other, case, recipes).network
    except (ValueError, RuntimeError):
        return ()  # it cannot do without the weights, so it looks at them
    one, two = _tensors(network), _tensors(again)
    return tuple(name for name in names if _alike(name, one, two))


def _weights(module: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in module.parameters(recurse=False) if parameter.ndim > 1]


def _stir(network: nn.Module, seed: int) -> None:
    """Other weights of about the same size, in every layer."""
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for module in network.modules():
            for weight in _weights(module):
                noise = torch.randn(weight.shape, generator=generator).to(weight)
                weight.add_(noise * weight.abs().mean().clamp(min=1e-3))


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def _alike(name: str, one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    """Whether all that stands in the layer's place is the same in both networks."""
    inside = {key for tensors in (one, two) for key in tensors if key.startswith(f"{name}.")}
    return all(key in one and key in two and torch.equal(one[key], two[key]) for key in inside)
