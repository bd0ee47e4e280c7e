"""PyTorch's eager mode with BatchNorm folded into the convolutions before it."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from bench.counting.protocols import HasClosedForm
from bench.registry import in_one_line
from bench.runtimes.base import Forward, Untakeable, runtime

NAME = "eager-folded"


class Folded:
    """A network whose BatchNorms are folded where they can be; ``did`` says how many, and why not all."""

    def __init__(self, network: nn.Module, did: str) -> None:
        self.network = network
        self.did = did

    def __call__(self, batch: Tensor) -> Tensor:
        answer: Tensor = self.network(batch)
        return answer


@runtime("eager-folded")
def eager_folded(network: nn.Module, example: Tensor) -> Forward:
    """Eager mode, BatchNorm folded into plain convolutions by torch's own fusion.

    Only a convolution whose output goes nowhere else takes the BatchNorm behind it, in every method alike. A
    layer that a method put in a convolution's place keeps its BatchNorm.
    """
    del example
    with (
        torch.inference_mode(False),
        torch.no_grad(),
    ):  # an ordinary network, whose layers may still pack weights
        network = copy.deepcopy(network)
        return Folded(network, fold(network))


def fold(network: nn.Module) -> str:
    """Folds in place, in eval mode; returns what was done. Raises Untakeable where no graph can be drawn."""
    try:
        graph = _Layers().trace(network)
    except Exception as error:
        words = f"runtime {NAME} cannot follow this network's calls: {in_one_line(error)}"
        raise Untakeable(words) from error
    folded = 0
    stay: Counter[str] = Counter()
    modules = dict(network.named_modules())
    for source, norm in _pairs(graph, modules):
        before = None if source is None else modules[source]
        if (
            source is None
            or not isinstance(before, nn.Conv2d)
            or torch.nn.utils.parametrize.is_parametrized(before)
        ):
            stay["no layer of its own" if before is None else type(before).__name__] += 1
            continue
        exchange(network, source, fuse_conv_bn_eval(before, modules[norm]))
        exchange(network, norm, nn.Identity())
        folded += 1
    words = f"{folded} of {folded + stay.total()} BatchNorms folded into the convolution before"
    behind = ", ".join(f"{number} behind {kind}" for kind, number in sorted(stay.items()))
    return f"{words}; the others stay: {behind}" if behind else words


class _Layers(fx.Tracer):
    """Draws calls between layers: nothing inside a layer that a method made is looked at."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is one node of the graph."""
        return isinstance(m, HasClosedForm) or super().is_leaf_module(m, module_qualified_name)


def _pairs(graph: fx.Graph, modules: dict[str, nn.Module]) -> Iterator[tuple[str | None, str]]:
    """Every BatchNorm, with the layer whose output goes to it alone, both called once; None without such."""
    calls = Counter(str(node.target) for node in graph.nodes if node.op == "call_module")
    for node in graph.nodes:
        if node.op != "call_module" or not isinstance(modules[str(node.target)], nn.BatchNorm2d):
            continue
        before = node.args[0] if node.args else None
        alone = isinstance(before, fx.Node) and before.op == "call_module" and len(before.users) == 1
        once = alone and calls[str(before.target)] == calls[str(node.target)] == 1  # type: ignore[union-attr]
        yield (str(before.target) if once else None), str(node.target)  # type: ignore[union-attr]


def exchange(network: nn.Module, name: str, layer: nn.Module) -> None:
    """Puts a layer in another's place."""
    parent, _, last = name.rpartition(".")
    setattr(network.get_submodule(parent), last, layer)
