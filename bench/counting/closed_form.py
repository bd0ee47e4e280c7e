"""First witness: each layer's own formula."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from bench.counting.layer_count import LayerCount
from bench.counting.observe import observe
from bench.counting.protocols import HasClosedForm


@dataclass(frozen=True)
class CountedLayer:
    """One layer that ran, with its shapes at batch 1 and its closed-form counts."""

    name: str
    kind: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    count: LayerCount


def counted_layers(network: nn.Module, example: Tensor) -> list[CountedLayer]:
    """Every convolution, linear layer and layer with a closed form, in the order they ran.

    ``example`` is one input (1, C, H, W). A layer that runs twice gives its MACs twice and its
    parameters once. Transposed convolutions have no formula here: the other witnesses then differ.
    """
    layers: list[CountedLayer] = []
    known: set[nn.Module] = set()

    def record(name: str, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        count = layer_count(module, output.shape)
        if module in known:
            count = LayerCount(0, 0, count.executed_macs, count.logical_macs)
        known.add(module)
        shapes = tuple(inputs[0].shape[1:]), tuple(output.shape[1:])
        layers.append(CountedLayer(name, type(module).__name__, *shapes, count))

    observe(network, example, own_layers(network), record)
    return layers


def own_layers(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """Names and modules of the layers that are counted; nothing inside a counted layer is listed."""
    found: list[tuple[str, nn.Module]] = []
    for name, module in network.named_modules():
        if any(not outer or name.startswith(f"{outer}.") for outer, _ in found):
            continue
        plain = isinstance(module, nn.modules.conv._ConvNd | nn.Linear)
        transposed = isinstance(module, nn.modules.conv._ConvTransposeNd)
        if isinstance(module, HasClosedForm) or (plain and not transposed):
            found.append((name, module))
    return found


def layer_count(module: nn.Module, output_shape: tuple[int, ...]) -> LayerCount:
    """Counts of one layer from its output's shape.

    The batch dimension is 1 unless the network folds windows into it, as windowed attention does.
    """
    is_linear = isinstance(module, nn.Linear)
    spatial = tuple(output_shape[1:-1]) if is_linear else tuple(output_shape[2:])
    positions = math.prod(spatial)
    if isinstance(module, HasClosedForm):
        hw = (spatial[0], spatial[1]) if len(spatial) == 2 else (positions, 1)
        count = module.closed_form(hw)
    else:
        weight = cast(Tensor, module.weight)
        count = LayerCount.dense(sum(p.numel() for p in module.parameters()), weight.numel() * positions)
    return count.times(output_shape[0])
