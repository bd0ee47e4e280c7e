"""SNIP: single-shot pruning by connection sensitivity (Lee et al., ICLR 2019, arXiv 1810.02340)."""

from __future__ import annotations

from torch import nn

from bench.methods.magnitude import check
from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.packed_mask import PackedMasks, pack, unpack
from bench.methods.parts.pruning import already_kept, keep_highest, prunable, prune
from bench.methods.parts.saliency import snip_scores


def prepare(
    network: nn.Module,
    context: Context,
    *,
    density: float,
    scope: str = "global",
    skip: tuple[str, ...] = (),
) -> PackedMasks:
    """The masks, packed: their scores need gradients, which the measuring process shall not repeat."""
    layers = prunable(network, skip)
    scores = snip_scores(network, layers, context)
    return pack(keep_highest(scores, density, scope, already_kept(layers)))


@method("snip", prepare=prepare, check=check)
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
    packed = context.recipe
    if packed is None:
        packed = prepare(network, context, density=density, scope=scope, skip=skip)
    return prune(network, unpack(packed, prunable(network, skip)))
