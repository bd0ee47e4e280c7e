"""SNIP: single-shot pruning by connection sensitivity (Lee et al., ICLR 2019, arXiv 1810.02340)."""

from __future__ import annotations

from torch import nn

from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.pruning import check
from bench.methods.parts.saliency import snip_scores
from bench.methods.parts.scored_pruning import preparing, prune_by_recipe


@method("snip", prepare=preparing(snip_scores), check=check)
def snip(
    network: nn.Module,
    context: Context,
    *,
    density: float,
    scope: str = "global",
    skip: tuple[str, ...] = (),
) -> Rewritten:
    """Keeps the share ``density`` of all convolution and linear weights, highest |g·w| first.

    g is the gradient of the cross-entropy at initialisation, BatchNorm in eval mode. The images are 32
    normal random ones and the labels random classes, both from the case's seed, because the package
    carries no data: the layer densities are those of random labels. ``scope``: ``global``, one
    threshold for all layers, or ``layer``, one each. ``skip``: globs of layers to leave dense.
    """
    del density, scope  # they are in the recipe
    return prune_by_recipe(network, context, skip)
