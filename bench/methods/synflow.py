"""SynFlow: iterative synaptic flow pruning without data (Tanaka et al. 2020, arXiv 2006.05467)."""

from __future__ import annotations

from typing import Any

from torch import nn

from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.packed_mask import PackedMasks, pack
from bench.methods.parts.pruning import check_density, check_scope, prunable
from bench.methods.parts.saliency import SynFlow
from bench.methods.parts.scored_pruning import prune_by_recipe


def check(*, density: float, iterations: int = 100, scope: str = "global", **_others: Any) -> None:
    """Raises ValueError for a density outside (0, 1], no iteration, and an unknown scope."""
    check_density(density)
    check_scope(scope)
    if iterations < 1:
        raise ValueError(f"iterations={iterations}: at least 1 is needed, the paper takes 100")


def prepare(
    network: nn.Module,
    context: Context,
    *,
    density: float,
    iterations: int = 100,
    scope: str = "global",
    skip: tuple[str, ...] = (),
) -> PackedMasks:
    """The masks, packed: each iteration is a float64 pass forward and back, too slow before every trial."""
    flow = SynFlow(network, prunable(network, skip), context)
    return pack(flow.masks(density, iterations, scope))


@method("synflow", prepare=prepare, check=check)
def synflow(
    network: nn.Module,
    context: Context,
    *,
    density: float,
    iterations: int = 100,
    scope: str = "global",
    skip: tuple[str, ...] = (),
) -> Rewritten:
    """Keeps the share ``density`` of all convolution and linear weights, by synaptic flow, without data.

    R is the sum of the logits, or of a map, for an image of ones, with every parameter and statistic
    replaced by its absolute value, in eval mode and float64; the score is |∂R/∂|w||·|w|. Iteration e of
    ``iterations`` keeps density^(e/iterations), and what is masked stays masked. A compression of c in the
    paper is the density 10^-c. ``scope``: ``global``, one threshold for all layers, or ``layer``, one each.
    ``skip``: globs of layers to leave dense.
    """
    del density, iterations, scope  # they are in the recipe
    return prune_by_recipe(network, context, skip)
