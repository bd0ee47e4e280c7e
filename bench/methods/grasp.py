"""GraSP: pruning that preserves the gradient flow (Wang et al., ICLR 2020, arXiv 2002.07376)."""

from __future__ import annotations

from torch import nn

from bench.methods.magnitude import check
from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.packed_mask import PackedMasks, pack, unpack
from bench.methods.parts.pruning import already_kept, keep_highest, prunable, prune
from bench.methods.parts.saliency import grasp_scores


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
    scores = grasp_scores(network, layers, context)
    return pack(keep_highest(scores, density, scope, already_kept(layers)))


@method("grasp", prepare=prepare, check=check)
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
    packed = context.recipe
    if packed is None:
        packed = prepare(network, context, density=density, scope=scope, skip=skip)
    return prune(network, unpack(packed, prunable(network, skip)))
