"""A case's network: the backbone with its methods applied, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from bench.case import Case
from bench.methods import METHODS, Context, Left, Replaced, Rewritten
from bench.models import BACKBONES


def context_of(case: Case, recipe: Any = None) -> Context:
    """What the case's methods may know."""
    backbone = BACKBONES.get(case.backbone)
    return Context(case.seed, case.input, backbone.keep_first, backbone.fixed_width, recipe)


def backbone_network(case: Case) -> nn.Module:
    """The network before compression, in eval mode."""
    return BACKBONES.get(case.backbone).network(case.classes, case.seed)


def compress(network: nn.Module, case: Case, recipes: Sequence[Any]) -> Rewritten:
    """Applies the case's methods with their recipes (one per method, None where it has none)."""
    replaced: list[Replaced] = []
    left: list[Left] = []
    for call, recipe in zip(case.methods, recipes, strict=True):
        step = METHODS.get(call.name).rewrite(network, context_of(case, recipe), call.knobs)
        network = step.network
        replaced += step.replaced
        left += step.left
    return Rewritten(network, tuple(replaced), tuple(left))


def prepare(case: Case) -> tuple[Rewritten, list[Any]]:
    """Finds the recipes of the case's methods; returns the network they give, and the recipes."""
    network = backbone_network(case)
    recipes: list[Any] = []
    replaced: list[Replaced] = []
    left: list[Left] = []
    for call in case.methods:
        method = METHODS.get(call.name)
        context = context_of(case)
        recipe = method.prepare(network, context, **call.knobs) if method.prepare else None
        recipes.append(recipe)
        step = method.rewrite(network, context_of(case, recipe), call.knobs)
        network = step.network
        replaced += step.replaced
        left += step.left
    return Rewritten(network, tuple(replaced), tuple(left)), recipes


def calibration_images(case: Case) -> Tensor:
    """The images that BatchNorm statistics are estimated from: few, because every trial pays for them."""
    return context_of(case).example_input(4 if case.input[1] * case.input[2] <= 64 * 64 else 2)
