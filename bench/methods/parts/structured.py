"""Removing whole channels: torch-pruning's dependency graph finds what goes together, torch crops it.

The graph is walked once, outside the measuring process, and its answer is a recipe: for every layer
the channels that stay. Applying the recipe needs torch alone.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from bench.counting.observe import observe
from bench.counting.protocols import HasActivationMacs
from bench.methods.parts.masking import MaskedConv2d, MaskedLinear
from bench.methods.parts.method import Context, Left, Replaced, Rewritten
from bench.methods.parts.selection import describe

Recipe = dict[str, dict[str, list[int]]]
"""Module name -> {"in": kept input channels, "out": kept output channels}."""

Importance = Callable[[Any], Tensor | None]
"""From one of torch-pruning's groups: a number per channel of its root, or None where none may go."""

Ranking = Callable[[nn.Module], Importance]
"""Makes the importance for the copy of the network whose graph is walked."""


def check(*, ratio: float, **_others: Any) -> None:
    """Raises ValueError for a ratio outside (0, 1)."""
    if not 0 < ratio < 1:
        raise ValueError(
            f"ratio={ratio}: the share of channels to remove lies between 0 and 1, both excluded"
        )


def plan_channels(
    network: nn.Module,
    context: Context,
    ranking: Ranking,
    ratio: float,
    scope: str = "layer",
) -> Recipe:
    """Which channels stay when the share ``ratio`` of the output channels goes, least important ones first.

    ``scope`` "layer": every layer loses that share of its own; "global": one threshold for all layers,
    see ``below_one_threshold``. What makes the output and the layers of the context's ``fixed_width`` keep
    their outputs. Raises ValueError for a network whose channels cannot be removed one by one.
    """
    network = copy_for_the_graph(network)
    if scope == "global":
        graph, going = _globally(network, context, ranking, ratio)
    else:
        graph, going = _layer_by_layer(network, context, ranking, ratio)
    walk = _Walk(network, graph)
    try:
        for group in going:
            walk.prune(group)
    except IndexError as error:  # the graph gave a layer indices of another one
        raise ValueError(f"torch-pruning's graph cannot follow this network's channels: {error}") from error
    return walk.recipe()


def _layer_by_layer(
    network: nn.Module, context: Context, ranking: Ranking, ratio: float
) -> tuple[Any, Iterable[Any]]:
    """The graph, and the groups of channels to remove from it, each layer losing the same share."""
    import torch_pruning

    pruner = torch_pruning.pruner.BasePruner(
        network,
        context.example_input(),
        importance=ranking(network),
        pruning_ratio=ratio,
        ignored_layers=untouchable(network, context),
    )
    return pruner.DG, pruner.step(interactive=True)


def _globally(
    network: nn.Module, context: Context, ranking: Ranking, ratio: float
) -> tuple[Any, Iterable[Any]]:
    """The graph, and the groups of channels to remove from it, under one threshold for all layers."""
    graph, importance = dependency_graph(network, context), ranking(network)
    found = []
    for group in graph.get_all_groups(ignored_layers=untouchable(network, context)):
        scores = importance(group)
        if scores is not None:
            parts = _parts(group)
            # The groups of a grouped convolution lose the same places: a place is worth its mean.
            found.append((group[0].dep, parts, scores.view(parts, -1).mean(0)))
    going = below_one_threshold([scores for _, _, scores in found], ratio)

    def groups() -> Iterator[Any]:
        for (root, parts, scores), places in zip(found, going, strict=True):
            channels = [part * len(scores) + place for part in range(parts) for place in places]
            if channels:
                yield graph.get_pruning_group(root.target.module, root.handler, channels)

    return graph, groups()


def _parts(group: Any) -> int:
    """Groups of the group's grouped convolutions, 1 where there is none; depthwise ones follow anyhow."""
    modules = [dependency.target.module for dependency, _ in group]
    return max((m.groups for m in modules if isinstance(m, nn.Conv2d) and not _depthwise(m)), default=1)


def _depthwise(conv: nn.Conv2d) -> bool:
    return conv.groups > 1 and conv.groups == conv.out_channels


def below_one_threshold(layers: list[Tensor], ratio: float) -> list[list[int]]:
    """Indices of the scores that go, by layer: those at or below one threshold over all layers.

    The threshold is the ⌊ratio·N⌋-th smallest of all N scores. A layer keeps at least one channel: where
    all of its scores lie below, its largest stays. ``layers`` may be empty. Raises ValueError where the
    ratio is less than one channel.
    """
    if not layers:
        return []
    scores = torch.cat(layers)
    count = math.floor(ratio * scores.numel() + 1e-6)  # 0.7·10 is 6.999…
    if count == 0:
        raise ValueError(
            f"ratio={ratio} of the {scores.numel()} channels that may go is less than one: "
            f"{1 / scores.numel():.2g} or more works"
        )
    threshold = scores.kthvalue(count).values
    going = []
    for own in layers:
        below = own <= threshold
        if bool(below.all()):
            below[own.argmax()] = False
        going.append(below.nonzero().view(-1).tolist())
    return going


def plan_widths(network: nn.Module, context: Context, ranking: Ranking, widths: dict[str, int]) -> Recipe:
    """Which channels stay when the named layers are cut to so many outputs, least important ones first.

    Layers tied to a named one get its width. Every ranking is taken before anything is removed. Raises
    ValueError as ``plan_channels`` does.
    """
    network = copy_for_the_graph(network)
    graph, importance = dependency_graph(network, context), ranking(network)
    going = []
    for name, width in widths.items():
        layer = network.get_submodule(name)
        cut = graph.get_pruner_of_module(layer).prune_out_channels
        channels = graph.get_out_channels(layer)
        scores = importance(graph.get_pruning_group(layer, cut, list(range(channels))))
        assert scores is not None, name
        going.append((layer, cut, sorted(scores.argsort()[: channels - width].tolist())))
    walk = _Walk(network, graph)
    for layer, cut, channels in going:
        if channels:
            walk.prune(graph.get_pruning_group(layer, cut, channels))
    return walk.recipe()


def dependency_graph(network: nn.Module, context: Context) -> Any:
    """torch-pruning's graph of which channels go together. Walking it changes the network."""
    import torch_pruning

    return torch_pruning.DependencyGraph().build_dependency(network, context.example_input())


def untouchable(network: nn.Module, context: Context) -> list[nn.Module]:
    """The layers whose outputs must stay: classifier or head, and those that the backbone declares fixed."""
    return [last_layer(network, context), *fixed_layers(network, context)]


class _Walk:
    """Prunes groups of a dependency graph and keeps the account of which channels are left."""

    def __init__(self, network: nn.Module, graph: Any) -> None:
        self._graph = graph
        self._names = {module: name for name, module in network.named_modules()}
        self._loose = {id(parameter): name for name, parameter in network.named_parameters()}
        self._kept: dict[nn.Module, dict[str, list[int]]] = {}

    def prune(self, group: Any) -> None:
        """Removes the group's channels. Raises ValueError for a layer that cannot lose single ones."""
        for dependency, indices in group:
            module = dependency.target.module
            if isinstance(module, nn.Parameter):  # not the weight of a layer that the graph knows
                loose = self._loose[id(module)]
                raise ValueError(f"channels of {loose} (Parameter) cannot be removed one by one")
            if not isinstance(module, nn.Conv2d | nn.Linear | nn.modules.batchnorm._BatchNorm):
                if module in self._names:
                    kind = type(module).__name__
                    raise ValueError(
                        f"channels of {self._names[module]} ({kind}) cannot be removed one by one"
                    )
                continue  # a node of the graph without weights: a concatenation, an addition
            widths = self._kept.setdefault(module, _all_channels(module))
            side = "out" if self._graph.is_out_channel_pruning_fn(dependency.handler) else "in"
            gone = set(indices)
            widths[side] = [channel for at, channel in enumerate(widths[side]) if at not in gone]
        group.prune()

    def recipe(self) -> Recipe:
        """What is left, by module name."""
        return {self._names[module]: widths for module, widths in self._kept.items()}


def copy_for_the_graph(network: nn.Module) -> nn.Module:
    """A copy for torch-pruning: finding its graph takes gradients, and walking the graph prunes.

    Raises ValueError for what the graph cannot follow and does not refuse: a shuffle, whose order it does not
    know, so that other channels would go than those that were ranked; and dynamic kernels, which channels
    share by their place, and on which it outgrows the memory of any machine.
    """
    for name, module in network.named_modules():
        if isinstance(module, HasActivationMacs | nn.ChannelShuffle):
            why = "it reorders them" if isinstance(module, nn.ChannelShuffle) else "they share kernels"
            kind = type(module).__name__
            raise ValueError(f"channels of {name} ({kind}) cannot be removed one by one: {why}")
    network = copy.deepcopy(network)
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    return network


def crop(network: nn.Module, recipe: Recipe) -> Rewritten:
    """The smaller dense network of a recipe; weights of the kept channels are those of the network."""
    replaced: list[Replaced] = []
    for name, widths in recipe.items():
        module = network.get_submodule(name)
        before = describe(module) if isinstance(module, nn.Conv2d) else type(module).__name__
        if isinstance(module, nn.Conv2d):
            _crop_conv(module, widths)
            replaced.append(Replaced(name, before, describe(module)))
        elif isinstance(module, nn.Linear):
            _crop_weight(module, widths["out"], widths["in"])
            module.bias = None if module.bias is None else _select(module.bias, widths["out"])
            module.out_features, module.in_features = len(widths["out"]), len(widths["in"])
        else:
            assert isinstance(module, nn.modules.batchnorm._BatchNorm)
            _crop_norm(module, widths["out"])
    touched = {r.name for r in replaced}
    left = tuple(
        Left(name, "its channels are tied to a layer that keeps its width")
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d) and name not in touched
    )
    return Rewritten(network, tuple(replaced), left)


def last_layer(network: nn.Module, context: Context) -> nn.Module:
    """The convolution or linear layer that runs last: it makes logits or a map, which must stay."""
    order: list[nn.Module] = []

    def note(_name: str, module: nn.Module, _inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        order.append(module)

    layers = [(n, m) for n, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    observe(network, context.example_input(), layers, note)
    if not order:
        raise ValueError("the network has neither a convolution nor a linear layer")
    return order[-1]


def fixed_layers(network: nn.Module, context: Context) -> list[nn.Module]:
    """The convolutions whose output width the backbone declares fixed, its head among them."""
    globs = (*context.fixed_width, *context.head)
    return [
        module
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d) and any(fnmatchcase(name, glob) for glob in globs)
    ]


def _all_channels(module: nn.Module) -> dict[str, list[int]]:
    if isinstance(module, nn.Conv2d):
        return {"in": list(range(module.in_channels)), "out": list(range(module.out_channels))}
    if isinstance(module, nn.Linear):
        return {"in": list(range(module.in_features)), "out": list(range(module.out_features))}
    assert isinstance(module, nn.modules.batchnorm._BatchNorm)
    return {"in": [], "out": list(range(module.num_features))}


def _crop_conv(conv: nn.Conv2d, widths: dict[str, list[int]]) -> None:
    if conv.groups == conv.out_channels and conv.groups > 1:
        # depthwise: every output has its own input, the graph names the outputs alone
        _crop_weight(conv, widths["out"])
        conv.groups = conv.in_channels = len(widths["out"])
    else:  # the groups keep the same places: those of the first name the columns of all
        _crop_weight(conv, widths["out"], widths["in"][: len(widths["in"]) // conv.groups])
        conv.in_channels = len(widths["in"])
    conv.bias = None if conv.bias is None else _select(conv.bias, widths["out"])
    conv.out_channels = len(widths["out"])


def _crop_norm(norm: nn.modules.batchnorm._BatchNorm, out: list[int]) -> None:
    norm.num_features = len(out)
    if norm.affine:
        norm.weight, norm.bias = _select(norm.weight, out), _select(norm.bias, out)
    if norm.running_mean is not None and norm.running_var is not None:
        norm.running_mean, norm.running_var = norm.running_mean[out], norm.running_var[out]


def _crop_weight(layer: nn.Conv2d | nn.Linear, rows: list[int], columns: list[int] | None = None) -> None:
    layer.weight = _select(layer.weight, rows, columns)
    if isinstance(layer, MaskedConv2d | MaskedLinear):
        layer.mask = layer.mask[rows] if columns is None else layer.mask[rows][:, columns]


def _select(tensor: Tensor, rows: list[int], columns: list[int] | None = None) -> nn.Parameter:
    chosen = tensor.detach()[rows]
    return nn.Parameter((chosen if columns is None else chosen[:, columns]).clone())
