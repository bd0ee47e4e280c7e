"""Random pruning at initialisation (a baseline of Tanaka et al. 2020, arXiv 2006.05467)."""

from __future__ import annotations

from torch import nn

from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.pruning import already_kept, check, keep_highest, prunable, prune
from bench.methods.parts.saliency import random_scores


@method("random", check=check)
def random(
    network: nn.Module,
    context: Context,
    *,
    density: float,
    scope: str = "global",
    skip: tuple[str, ...] = (),
) -> Rewritten:
    """Keeps the share ``density`` of all convolution and linear weights, chosen at random.

    ``scope``: ``global``, one draw over all layers, or ``layer``, the exact share in each. ``skip``:
    globs of layers to leave dense. Drawn from the case's seed in one pass: there is no recipe.
    """
    layers = prunable(network, skip)
    scores = random_scores(layers, context.seed)
    return prune(network, keep_highest(scores, density, scope, already_kept(layers)))
