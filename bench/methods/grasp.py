"""GraSP: pruning that preserves the gradient flow (Wang et al., ICLR 2020, arXiv 2002.07376)."""

from __future__ import annotations

from torch import nn

from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.pruning import check
from bench.methods.parts.saliency import grasp_scores
from bench.methods.parts.scored_pruning import preparing, prune_by_recipe


@method("grasp", prepare=preparing(grasp_scores), check=check)
def grasp(
    network: nn.Module,
    context: Context,
    *,
    density: float,
    scope: str = "global",
    skip: tuple[str, ...] = (),
) -> Rewritten:
    """Keeps the share ``density`` of all convolution and linear weights, lowest S = -(Hg)·w first.

    g and H are gradient and Hessian of the cross-entropy at initialisation, BatchNorm in eval mode.
    S·2 is the change of gᵀg when the weight goes; the weights whose absence raises it most go, the
    others stay. The images are 32 normal random ones and the labels random classes, both from the
    case's seed, because the package carries no data. ``scope``: ``global``, one threshold for all
    layers, or ``layer``, one each. ``skip``: globs of layers to leave dense.
    """
    del density, scope  # they are in the recipe
    return prune_by_recipe(network, context, skip)
