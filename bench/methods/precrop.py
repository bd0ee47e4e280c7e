"""PreCropping: layer densities of pruning at initialisation, met by cropping channels (arXiv 2203.02549)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import nn

from bench.methods.parts.channel_widths import free_widths, keep_ratios
from bench.methods.parts.method import Context, Left, Rewritten, method
from bench.methods.parts.own_kernels import OwnKernels
from bench.methods.parts.pruning import already_kept, check_density, densities, keep_highest, prunable
from bench.methods.parts.saliency import (
    SynFlow,
    grasp_scores,
    magnitude_scores,
    random_scores,
    snip_scores,
)
from bench.methods.parts.structured import crop, plan_widths

SCORERS = ("synflow", "magnitude", "snip", "grasp", "random")


def check(*, density: float, scorer: str = "synflow", iterations: int = 100, **_others: Any) -> None:
    """Raises ValueError for a density outside (0, 1), an unknown scorer, and no iteration."""
    check_density(density)
    if density == 1:
        raise ValueError("density=1 crops nothing: the share of weights to keep must be below 1")
    if scorer not in SCORERS:
        raise ValueError(f"scorer '{scorer}' is not known: {', '.join(SCORERS)} work")
    if iterations < 1:
        raise ValueError(f"iterations={iterations}: at least 1 is needed, SynFlow's paper takes 100")


def layer_densities(
    network: nn.Module, context: Context, density: float, scorer: str, iterations: int
) -> dict[str, float]:
    """Densities under one global threshold; an empty layer counts as one weight, which has a logarithm."""
    layers = prunable(network)
    if scorer == "synflow":
        masks = SynFlow(network, layers, context).masks(density, iterations, "global")
    else:
        scores = {
            "magnitude": lambda: magnitude_scores(layers),
            "random": lambda: random_scores(layers, context.seed),
            "snip": lambda: snip_scores(network, layers, context),
            "grasp": lambda: grasp_scores(network, layers, context),
        }[scorer]()
        masks = keep_highest(scores, density, "global", already_kept(layers))
    return {name: max(d, 1 / masks[name].numel()) for name, d in densities(masks).items()}


def prepare(
    network: nn.Module,
    context: Context,
    *,
    density: float,
    scorer: str = "synflow",
    iterations: int = 100,
) -> dict[str, Any]:
    """Channels that stay, and the densities that were asked for, by layer."""
    asked = layer_densities(network, context, density, scorer, iterations)
    widths = free_widths(network, context)
    ratios = keep_ratios(widths, asked)
    targets = {w.root: max(1, round(r * w.channels)) for w, r in zip(widths, ratios, strict=True)}
    channels = plan_widths(network, context, lambda walked: OwnKernels(walked, context), targets)
    return {"channels": channels, "asked": asked}


@method("precrop", prepare=prepare, check=check)
def precrop(
    network: nn.Module,
    context: Context,
    *,
    density: float,
    scorer: str = "synflow",
    iterations: int = 100,
) -> Rewritten:
    """Crops channels until every layer has about the density that a score at initialisation gives it.

    ``scorer`` (synflow, magnitude, snip, grasp, random) keeps the share ``density`` of all weights under
    one threshold; of it only the layer densities d are used. Channels C' = max(1, round(w·C)) with
    w_in·w_out ≈ d, least squares in log space, image and classes at 1: the paper does not fix this
    rule, we do. In networks of blocks only widths inside a block change, in inverted residuals the
    expansion, to the mean of the densities of expanding and projecting layer. Of a layer's filters
    those of largest L1 norm of their own kernels stay, as in ``filter_l1``. A smaller dense network;
    each layer's account says achieved against asked. ``iterations`` are SynFlow's.
    """
    del density, scorer, iterations  # they are in the recipe
    asked: dict[str, float] = context.recipe["asked"]
    before = {name: _weights(network, name) for name in asked}
    cropped = crop(network, context.recipe["channels"])
    said = {
        name: f", density {_weights(network, name) / before[name]:.3f}, asked {share:.3f}"
        for name, share in asked.items()
    }
    replaced = tuple(replace(r, after=r.after + said.get(r.name, "")) for r in cropped.replaced)
    left = tuple(Left(item.name, "its width stays" + said.get(item.name, "")) for item in cropped.left)
    return Rewritten(cropped.network, replaced, left)


def _weights(network: nn.Module, name: str) -> int:
    layer = network.get_submodule(name)
    assert isinstance(layer, nn.Conv2d | nn.Linear)
    return layer.weight.numel()
