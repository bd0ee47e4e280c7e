"""Unstructured pruning: from one score per weight to masks, and from masks to a masked network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from bench.methods.parts.masking import MaskedConv2d, MaskedLinear, masked
from bench.methods.parts.method import Left, Replaced, Rewritten
from bench.methods.parts.selection import computes_otherwise, describe, exchange

Scores = dict[str, Tensor]
"""Module name -> one number per weight, in the weight's shape; those of the highest scores stay."""

Masks = dict[str, Tensor]
"""Module name -> bool of the weight's shape; True where a weight stays."""

SCOPES = ("global", "layer")

_STEP = 97
"""Sampling stride: one score in 97 estimates the threshold; prime, so it never aligns with a shape."""


def check_density(density: float) -> None:
    """Raises ValueError for a density outside (0, 1]."""
    if not 0 < density <= 1:
        raise ValueError(
            f"density={density}: the share of weights to keep lies above 0 and is at most 1 "
            "(a sparsity of 0.9 is density 0.1)"
        )


def check_scope(scope: str) -> None:
    """Raises ValueError for a scope that does not exist."""
    if scope not in SCOPES:
        raise ValueError(f"scope '{scope}' is not known: global (one threshold for all layers) or layer work")


def check(*, density: float, scope: str = "global", **_others: Any) -> None:
    """Raises ValueError for a density outside (0, 1] and an unknown scope."""
    check_density(density)
    check_scope(scope)


def prunable(network: nn.Module, skip: tuple[str, ...] = ()) -> dict[str, nn.Conv2d | nn.Linear]:
    """Every convolution and linear layer by name, including the first one and the classifier.

    That is what the papers on pruning at initialisation prune; biases and normalisation are never
    touched. ``skip`` are globs on module names; subclasses with a forward of their own are left out too.
    Raises ValueError when nothing remains.
    """
    layers: dict[str, nn.Conv2d | nn.Linear] = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
        and not computes_otherwise(module)
        and not any(fnmatchcase(name, glob) for glob in skip)
    }
    if not layers:
        raise ValueError("nothing to replace (no convolution and no linear layer that may be pruned)")
    return layers


def kept_count(density: float, weights: int) -> int:
    """How many of ``weights`` a density keeps: ⌈density·weights⌉, as SynFlow's stored results round."""
    return min(weights, math.ceil(density * weights - 1e-6))  # 0.1·30 is 3.0000000000000004


def already_kept(layers: Mapping[str, nn.Conv2d | nn.Linear]) -> Masks:
    """The masks the layers have: all True for a layer without one."""
    return {
        name: layer.mask
        if isinstance(layer, MaskedConv2d | MaskedLinear)
        else layer.weight.new_ones(layer.weight.shape, dtype=torch.bool)
        for name, layer in layers.items()
    }


def keep_highest(scores: Scores, density: float, scope: str, alive: Masks) -> Masks:
    """The masks that keep the share ``density`` of all weights, highest scores first.

    ``scope`` "global": one ranking over all layers; "layer": each layer keeps its own share. What is
    not ``alive`` stays masked.
    """
    masks = {name: alive[name].clone() for name in scores}
    for names in [list(scores)] if scope == "global" else [[name] for name in scores]:
        part = [scores[name] for name in names]
        target = kept_count(density, sum(score.numel() for score in part))
        drop_lowest(part, [masks[name] for name in names], target)
    return masks


def drop_lowest(scores: list[Tensor], alive: list[Tensor], target: int) -> list[Tensor]:
    """Clears the lowest scores from the ``alive`` masks until ``target`` are left; one ranking for all.

    Returns the flat indices that went, by tensor. Of equal scores at the threshold the last ones go,
    so that the number left is exact. Raises ValueError for scores that are not finite: a ranking of
    them would be arbitrary.
    """
    if not all(bool(score.sum().isfinite()) for score in scores):
        raise ValueError("the scores overflow: they cannot be ranked on this network")
    flats = [score.flatten() for score in scores]
    living = [mask.view(-1) for mask in alive]
    surplus = sum(int(mask.count_nonzero()) for mask in living) - target
    if surplus <= 0:
        return [torch.empty(0, dtype=torch.int64) for _ in flats]
    bound = _upper_bound(flats, living, surplus)
    places = [((f <= bound) & m).nonzero().view(-1) for f, m in zip(flats, living, strict=True)]
    if sum(place.numel() for place in places) < surplus:  # the sample misled: rank them all
        places = [mask.nonzero().view(-1) for mask in living]
    values = torch.cat([f[place] for f, place in zip(flats, places, strict=True)])
    threshold = values.kthvalue(surplus).values
    going = values < threshold
    ties = (values == threshold).nonzero().view(-1)
    going[ties[ties.numel() - (surplus - int(going.count_nonzero())) :]] = True
    parts = going.split([place.numel() for place in places])
    gone = [place[part] for place, part in zip(places, parts, strict=True)]
    for mask, indices in zip(living, gone, strict=True):
        mask[indices] = False
    return gone


def _upper_bound(flats: list[Tensor], living: list[Tensor], count: int) -> float:
    """A bound, estimated from a sample, that at least ``count`` living scores and few more do not exceed.

    Ranking only those below it saves sorting all weights, 15 million in a VGG-16, a hundred times.
    """
    sample = torch.cat([f[::_STEP][m[::_STEP]] for f, m in zip(flats, living, strict=True)])
    expected = count / _STEP
    position = int(expected + 6 * math.sqrt(expected) + 10)  # six deviations of a binomial count
    return float(sample.kthvalue(position).values) if position < sample.numel() else math.inf


def densities(masks: Masks) -> dict[str, float]:
    """Share of kept weights by layer."""
    return {name: float(mask.sum()) / mask.numel() for name, mask in masks.items()}


def prune(network: nn.Module, masks: Masks) -> Rewritten:
    """The network with the named layers masked, and the account of each layer's density."""
    replaced: list[Replaced] = []
    for name, mask in masks.items():
        layer = network.get_submodule(name)
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        exchange(network, name, masked(layer, mask))
        replaced.append(Replaced(name, describe_layer(layer), f"density {float(mask.float().mean()):.4f}"))
    left = tuple(
        Left(
            name,
            f"{type(module).__name__} has a forward of its own"
            if computes_otherwise(module)
            else "named by the knob skip",
        )
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d) and name not in masks
    )
    return Rewritten(network, tuple(replaced), left)


def describe_layer(layer: nn.Conv2d | nn.Linear) -> str:
    """``Conv2d 64→128 3×3`` or ``Linear 512→10``."""
    if isinstance(layer, nn.Conv2d):
        return describe(layer)
    return f"Linear {layer.in_features}→{layer.out_features}"
