"""What the methods share that score every weight once and carry the masks in their recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from bench.methods.parts.method import Context, Rewritten
from bench.methods.parts.packed_mask import PackedMasks, pack, unpack
from bench.methods.parts.pruning import Scores, already_kept, keep_highest, prunable, prune

Score = Callable[[nn.Module, Mapping[str, nn.Conv2d | nn.Linear], Context], Scores]
"""From the network, its prunable layers by name and the context: what each weight is worth."""


def preparing(score: Score) -> Callable[..., PackedMasks]:
    """The ``prepare`` of a method that keeps the weights of highest ``score``.

    Its recipe is the masks, packed: such scores need gradients, which the measuring process shall not
    compute again.
    """

    def prepare(
        network: nn.Module,
        context: Context,
        *,
        density: float,
        scope: str = "global",
        skip: tuple[str, ...] = (),
    ) -> PackedMasks:
        layers = prunable(network, skip)
        return pack(keep_highest(score(network, layers, context), density, scope, already_kept(layers)))

    return prepare


def prune_by_recipe(network: nn.Module, context: Context, skip: tuple[str, ...]) -> Rewritten:
    """The network with the masks of the context's recipe."""
    return prune(network, unpack(context.recipe, prunable(network, skip)))
