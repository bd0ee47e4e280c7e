"""Counting a network: what is stored, what is computed, and whether the witnesses agree."""

from __future__ import annotations

import copy

from torch import Tensor, nn

from bench.counting.closed_form import CountedLayer, counted_layers
from bench.counting.counts import Counts, LayerCounts
from bench.counting.expectation import expected
from bench.counting.other_work import announced_macs, other_elements
from bench.counting.protocols import HasExits
from bench.counting.weight_bytes import weight_bytes
from bench.counting.witnesses import FvcoreWitness, TorchWitness


def count(network: nn.Module, example: Tensor) -> Counts:
    """Counts ``network`` (eval mode, eager) on one example of shape (1, C, H, W).

    A network with exits is counted once for each of them: see ``expected``. Raises ValueError for a batch
    other than 1.
    """
    if example.shape[0] != 1:
        raise ValueError(f"counts are per image: the batch must be 1, not {example.shape[0]}")
    if isinstance(network, HasExits):
        ways = [count(network.way(at), example) for at in range(len(network.exits))]
        return expected(ways, network.exits, network.left)
    network = copy.deepcopy(network).eval()  # the tracers leave marks
    layers = counted_layers(network, example)
    stored = sum(p.numel() for p in network.parameters())
    zeros = sum(layer.count.stored_params - layer.count.logical_params for layer in layers)
    executed = sum(layer.count.executed_macs for layer in layers)
    fvcore, torch_counter = FvcoreWitness(network, example), TorchWitness(network, example)
    witnesses = {"closed_form": executed, "fvcore": fvcore.macs, "torch": torch_counter.macs}
    return Counts(
        params=stored,
        logical_params=stored - zeros,
        macs=sum(layer.count.logical_macs for layer in layers),
        executed_macs=executed,
        flops=2 * executed,
        other_elements=other_elements(network, example),
        weight_bytes=weight_bytes(network),
        witnesses=witnesses,
        disagreements=tuple(_disagreements(layers, fvcore, torch_counter, witnesses)),
        layers=tuple(_row(layer, fvcore, torch_counter) for layer in layers),
        activation_macs=torch_counter.activation_macs + announced_macs(network, example),
    )


def _row(layer: CountedLayer, fvcore: FvcoreWitness, torch_counter: TorchWitness) -> LayerCounts:
    return LayerCounts(
        name=layer.name,
        kind=layer.kind,
        input=layer.input_shape,
        output=layer.output_shape,
        params=layer.count.stored_params,
        logical_params=layer.count.logical_params,
        macs=layer.count.logical_macs,
        executed_macs=layer.count.executed_macs,
        fvcore_macs=fvcore.by_module.get(layer.name, 0),
        torch_macs=torch_counter.by_module.get(layer.name, 0),
    )


def _disagreements(
    layers: list[CountedLayer],
    fvcore: FvcoreWitness,
    torch_counter: TorchWitness,
    witnesses: dict[str, int],
) -> list[str]:
    lines: list[str] = []
    own: dict[str, int] = {}
    for layer in layers:
        own[layer.name] = own.get(layer.name, 0) + layer.count.executed_macs
    for name, macs in own.items():  # also where the totals agree: two errors may cancel
        others = fvcore.by_module.get(name, 0), torch_counter.by_module.get(name, 0)
        if set(others) != {macs}:
            lines.append(f"{name or 'network'}: closed form {macs}, fvcore {others[0]}, torch {others[1]}")
    if not lines and len(set(witnesses.values())) > 1:
        totals = ", ".join(f"{k} {v}" for k, v in witnesses.items())
        lines.append(f"outside all counted layers: {totals}")
    lines += [f"fvcore does not know {operator}" for operator in fvcore.unsupported]
    lines += [f"never called: {name}" for name in fvcore.uncalled]
    return lines
