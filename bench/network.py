"""A case's network: the backbone with its methods applied, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from bench.case import FLOAT32, Case
from bench.counting.protocols import HasExits
from bench.methods import METHODS, Context, Rewritten, SecondsOf
from bench.models import BACKBONES, Backbone
from bench.models.imported import imported_backbone


def backbone_of(case: Case) -> Backbone:
    """The case's backbone: a registered one, or one of the user's own."""
    if case.imported is not None:
        return imported_backbone(case.backbone, case.imported, case.input)
    return BACKBONES.get(case.backbone)


def context_of(case: Case, recipe: Any = None) -> Context:
    """What the case's methods may know."""
    backbone = backbone_of(case)
    return Context(
        case.seed,
        case.input,
        backbone.keep_first,
        backbone.fixed_width,
        recipe,
        head=backbone.head,
    )


def backbone_network(case: Case) -> nn.Module:
    """The network before compression, in eval mode."""
    return backbone_of(case).network(case.classes, case.seed)


def check_answer(network: nn.Module, case: Case) -> None:
    """Runs the network once; raises ValueError unless its answer is what its backbone promises."""
    with torch.no_grad():
        answer = network(context_of(case).example_input())
    backbone_of(case).check_answer(answer, case.classes)


def compress(network: nn.Module, case: Case, recipes: Sequence[Any]) -> Rewritten:
    """Applies the case's methods with their recipes (one per method, None where it has none)."""
    steps: list[Rewritten] = []
    for call, recipe in zip(case.methods, recipes, strict=True):
        _refuse_exits(network, call.name)
        steps.append(METHODS.get(call.name).rewrite(network, context_of(case, recipe), call.knobs))
        network = steps[-1].network
    return _chained(network, steps)


def prepare(case: Case, seconds_of: SecondsOf | None = None) -> tuple[Rewritten, list[Any]]:
    """Finds the recipes of the case's methods; returns the network they give, and the recipes.

    ``seconds_of``: the clock for methods that choose by measured times (see Context).
    """
    network = backbone_network(case)
    recipes: list[Any] = []
    steps: list[Rewritten] = []
    for call in case.methods:
        _refuse_exits(network, call.name)
        method = METHODS.get(call.name)
        context = replace(context_of(case), seconds_of=seconds_of)
        recipes.append(method.recipe(network, context, call.knobs))
        steps.append(method.rewrite(network, replace(context, recipe=recipes[-1]), call.knobs))
        network = steps[-1].network
    return _chained(network, steps), recipes


def _refuse_exits(network: nn.Module, method: str) -> None:
    """Raises ValueError for a network with exits: what changes it afterwards changes who leaves where."""
    if isinstance(network, HasExits):
        raise ValueError(
            f"{method}: behind a method that adds exits it would change who leaves; put it first"
        )


def _chained(network: nn.Module, steps: Sequence[Rewritten]) -> Rewritten:
    """The last step's network with the account of all steps."""
    replaced = tuple(layer for step in steps for layer in step.replaced)
    left = tuple(layer for step in steps for layer in step.left)
    return Rewritten(network, replaced, left)


def torch_dtype(case: Case) -> torch.dtype:
    """What the case's finished network and its input are cast to, behind all methods."""
    dtype: torch.dtype = getattr(torch, case.dtype)
    return dtype


def refuse_cast(network: nn.Module, case: Case) -> None:
    """Raises ValueError where the network has a layer that computes in float32 and nothing else."""
    if case.dtype == FLOAT32:
        return
    for name, module in network.named_modules():
        if getattr(module, "float32_only", False):
            raise ValueError(
                f"dtype {case.dtype}: {name or 'the network'} ({type(module).__name__}) takes and gives "
                "float32 alone; dtype float32 works"
            )


def varied_inputs(case: Case) -> Tensor:
    """The inputs (N, C, H, W) that a network which depends on its input visits."""
    return context_of(case).varied_inputs()


def example_images(case: Case, batch: int) -> Tensor:
    """Normal random images (batch, C, H, W) drawn one by one: the first is the same in every batch."""
    generator = torch.Generator().manual_seed(case.seed)
    return torch.stack([torch.randn(case.input, generator=generator) for _ in range(batch)])


def calibration_images(case: Case) -> Tensor:
    """The images that BatchNorm statistics are estimated from: few, because every trial pays for them."""
    return context_of(case).example_input(4 if case.input[1] * case.input[2] <= 64 * 64 else 2)
