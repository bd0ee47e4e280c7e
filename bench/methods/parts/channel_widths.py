"""From layer densities to channel widths: which widths are free, and least squares for their values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from bench.methods.parts.method import Context
from bench.methods.parts.selection import blocks, roles
from bench.methods.parts.structured import copy_for_the_graph, dependency_graph, untouchable

Layer = nn.Conv2d | nn.Linear


@dataclass
class Width:
    """A number of channels that can change: ``root`` produces them, all layers named here follow.

    ``into``: share of a layer's inputs that these channels are (less than 1 after a concatenation).
    ``out_of``: the layers whose outputs they are. ``depthwise``: both at once. ``expansion``: names of
    the expanding and the projecting layer when it is an inverted residual's inner width.
    """

    root: str
    channels: int
    into: dict[str, float] = field(default_factory=dict)
    out_of: list[str] = field(default_factory=list)
    depthwise: list[str] = field(default_factory=list)
    expansion: tuple[str, str] | None = None


def free_widths(network: nn.Module, context: Context) -> list[Width]:
    """The widths that PreCropping may change.

    In a network of blocks (mostly residual ones) these are the widths that begin and end inside one
    block, in any other network all; either way only widths that a single layer produces. The image, the
    classes, what the backbone declares fixed and the channels of grouped convolutions stay.
    """
    network = copy_for_the_graph(network)
    names = {module: name for name, module in network.named_modules()}
    all_blocks, role_of = blocks(network), roles(network)
    graph = dependency_graph(network, context)
    found: list[Width] = []
    for group in graph.get_all_groups(ignored_layers=untouchable(network, context)):
        width = _width(group, graph, names)
        layers = [*width.out_of, *width.depthwise, *width.into]
        if any(_grouped(network.get_submodule(name)) for name in layers):
            continue
        home = {next((b for b in all_blocks if name.startswith(f"{b}.")), "") for name in layers}
        if all_blocks and (len(home) > 1 or "" in home):
            continue
        expands = [name for name in width.out_of if role_of.get(name) == "expand"]
        projects = [name for name in width.into if role_of.get(name) == "project"]
        if len(expands) == len(projects) == 1:
            width.root, width.expansion = expands[0], (expands[0], projects[0])
        elif len(width.out_of) != 1:
            continue
        found.append(width)
    return found


def _width(group: Any, graph: Any, names: dict[nn.Module, str]) -> Width:
    root = group[0].dep.target.module
    width = Width(names[root], len(group[0].idxs))
    for dependency, indices in group:
        module = dependency.target.module
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        name = names[module]
        if isinstance(module, nn.Conv2d) and _depthwise(module):
            if name not in width.depthwise:
                width.depthwise.append(name)
        elif graph.is_out_channel_pruning_fn(dependency.handler):
            width.out_of.append(name)
        else:
            inputs = module.in_channels if isinstance(module, nn.Conv2d) else module.in_features
            width.into[name] = width.into.get(name, 0.0) + len(set(indices)) / inputs
    return width


def keep_ratios(widths: list[Width], densities: dict[str, float]) -> list[float]:
    """The share w of each width that stays, so that every layer's density is met as well as can be.

    A layer of density d shall have w_in·w_out = d, a depthwise one w = d. Minimised is the sum of the
    squares of log w_in + log w_out - log d over all layers, with 0 < w ≤ 1; where channels come from a
    concatenation, w_in is the mean by channels. The inner width of an inverted residual is set
    beforehand, to the mean of its expanding and its projecting layer's densities.
    """
    import numpy
    from scipy.optimize import least_squares

    fixed = {
        at: sum(densities[name] for name in width.expansion) / 2
        for at, width in enumerate(widths)
        if width.expansion is not None and set(width.expansion) <= set(densities)
    }
    open_widths = [at for at in range(len(widths)) if at not in fixed]
    ratios = numpy.ones(len(widths))
    ratios[list(fixed)] = list(fixed.values())
    if not open_widths:
        return [float(ratio) for ratio in ratios]
    layers = sorted({n for at in open_widths for n in _layers(widths[at])} & set(densities))
    target = numpy.log([densities[name] for name in layers])
    into, out_of = (numpy.zeros((len(layers), len(widths))) for _ in range(2))
    for column, width in enumerate(widths):
        for row, name in enumerate(layers):
            into[row, column] = width.into.get(name, 0.0)
            out_of[row, column] = float(name in width.out_of or name in width.depthwise)

    def sides(logarithms: Any) -> tuple[Any, Any, Any]:
        ratios[open_widths] = numpy.exp(logarithms)
        return ratios, 1 - into.sum(1) + into @ ratios, 1 - out_of.sum(1) + out_of @ ratios

    def residuals(logarithms: Any) -> Any:
        _, w_in, w_out = sides(logarithms)
        return numpy.log(w_in) + numpy.log(w_out) - target

    def slopes(logarithms: Any) -> Any:
        w, w_in, w_out = sides(logarithms)
        return ((into / w_in[:, None] + out_of / w_out[:, None]) * w)[:, open_widths]

    start = numpy.full(len(open_widths), -0.5)
    solution = least_squares(residuals, start, slopes, (-numpy.inf, 0), ftol=1e-12, xtol=1e-12, gtol=1e-12)
    return [float(ratio) for ratio in sides(solution.x)[0]]


def _layers(width: Width) -> list[str]:
    return [*width.out_of, *width.depthwise, *width.into]


def _depthwise(conv: nn.Conv2d) -> bool:
    return conv.groups == conv.in_channels == conv.out_channels > 1


def _grouped(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and layer.groups > 1 and not _depthwise(layer)
