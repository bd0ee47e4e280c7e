"""Which order of its steps each layer takes, by measured times."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from bench.counting.observe import observe
from bench.methods.parts.compiled import compile_kernels
from bench.methods.parts.method import SecondsOf


class Ordered(Protocol):
    """A layer that can be asked for any of several orders and says which one ran."""

    order: str

    @property
    def executed_order(self) -> str:
        """The order of the last call in words."""
        ...


def fastest_orders(
    network: nn.Module, names: Sequence[str], orders: Sequence[str], example: Tensor, seconds_of: SecondsOf
) -> dict[str, Any]:
    """The recipe: by layer the order, the seconds of all, and why one could not be had.

    ``names``: the layers. Layers that are equal in all but their weights, and get inputs of one shape, are
    timed once. Each order is timed on a copy of the layer's real input.
    """
    inputs: dict[str, Tensor] = {}

    def keep(name: str, _layer: nn.Module, given: tuple[Tensor, ...], _output: Tensor) -> None:
        inputs.setdefault(name, given[0].clone())

    layers: dict[str, Any] = {name: network.get_submodule(name) for name in names}
    observe(network, example, layers.items(), keep)
    _compile_all(network, layers, orders, example)
    known: dict[str, dict[str, Any]] = {}
    found: dict[str, dict[str, Any]] = {}
    for name, x in inputs.items():
        kind = f"{layers[name]} {tuple(x.shape)}"
        if kind not in known:
            known[kind] = _times(layers[name], x, orders, seconds_of)
        found[name] = known[kind]
    return {
        "orders": {name: _fastest(one["seconds"]) for name, one in found.items()},
        "seconds": {name: one["seconds"] for name, one in found.items()},
        "not_to_be_had": {name: one["refused"] for name, one in found.items() if one["refused"]},
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
    }


def _compile_all(network: nn.Module, layers: dict[str, Any], orders: Sequence[str], example: Tensor) -> None:
    before = {name: layer.order for name, layer in layers.items()}
    for order in orders:
        for layer in layers.values():
            layer.order = order
        compile_kernels(network, example)
    for name, order in before.items():
        layers[name].order = order


def _times(layer: Any, x: Tensor, orders: Sequence[str], seconds_of: SecondsOf) -> dict[str, Any]:
    seconds: dict[str, float] = {}
    refused: dict[str, str] = {}
    before = layer.order
    for order in orders:
        layer.order = order
        with torch.no_grad():
            layer(x)
        if layer.executed_order != order:
            refused[order] = layer.executed_order
            continue
        seconds[order] = seconds_of(layer, x)
    layer.order = before
    return {"seconds": seconds, "refused": refused}


def _fastest(seconds: dict[str, float]) -> str:
    return min(seconds, key=lambda order: seconds[order])
