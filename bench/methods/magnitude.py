"""Magnitude pruning at initialisation (a baseline of Tanaka et al. 2020, arXiv 2006.05467)."""

from __future__ import annotations

from torch import nn

from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.pruning import already_kept, check, keep_highest, prunable, prune
from bench.methods.parts.saliency import magnitude_scores


@method("magnitude", check=check)
def magnitude(
    network: nn.Module,
    context: Context,
    *,
    density: float,
    scope: str = "global",
    skip: tuple[str, ...] = (),
) -> Rewritten:
    """Keeps the share ``density`` of all convolution and linear weights, largest |w| first.

    ``scope``: ``global``, one threshold t for all layers, or ``layer``, one each. ``skip``: globs of
    layers to leave dense. A layer whose weights are normal with deviation σ keeps erfc(t/(σ√2)) of them.
    The mask needs one pass over the weights: there is no recipe. Zeros run through the dense kernel.
    """
    del context
    layers = prunable(network, skip)
    return prune(network, keep_highest(magnitude_scores(layers), density, scope, already_kept(layers)))
