"""Channel pruning by BatchNorm's scale (Network Slimming, Liu et al., ICCV 2017, arXiv 1708.06519)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.pruning import check_scope
from bench.methods.parts.structured import Recipe, crop, plan_channels
from bench.methods.parts.structured import check as check_ratio


def check(*, ratio: float, scope: str = "global", **_others: Any) -> None:
    """Raises ValueError for a ratio outside (0, 1) and an unknown scope."""
    check_ratio(ratio=ratio)
    check_scope(scope)


def prepare(network: nn.Module, context: Context, *, ratio: float, scope: str = "global") -> Recipe:
    """The channels that stay, ranked by |γ|.

    Raises ValueError for a network without BatchNorm, and for one whose γ are all equal.
    """
    scales = [
        m.weight.detach().abs()
        for m in network.modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.affine
    ]
    if not scales:
        raise ValueError("nothing to replace (no BatchNorm whose scale could rank channels)")
    compared = [torch.cat(scales)] if scope == "global" else scales
    if all(bool((scale == scale[0]).all()) for scale in compared):
        raise ValueError(
            f"every scale γ is equal ({scales[0][0]:g}): a ranking by it means nothing. It needs a trained "
            "network, or a backbone that draws its BatchNorms from the seed"
        )
    return plan_channels(network, context, lambda _walked: mean_scale, ratio, scope)


def mean_scale(group: Any) -> Tensor | None:
    """Mean |γ| of the BatchNorms on each channel of a group of torch-pruning's; None where there is none.

    A channel without one, beside channels that have one, counts as infinite: it stays.
    """
    from torch_pruning.pruner.function import prune_batchnorm_out_channels

    total = torch.zeros(len(group[0].idxs), dtype=torch.float64)
    norms = torch.zeros_like(total)
    for at, (dependency, outputs) in enumerate(group):
        norm = dependency.target.module
        if dependency.handler != prune_batchnorm_out_channels or not norm.affine:
            continue
        channels = torch.tensor(group[at].root_idxs)
        own = norm.weight.detach().double().abs()[list(outputs)]
        total.index_add_(0, channels, own)
        norms.index_add_(0, channels, torch.ones_like(own))
    if not bool(norms.any()):
        return None
    return torch.where(norms > 0, total / norms.clamp(min=1), torch.inf)


@method("bn_scale", prepare=prepare, check=check)
def bn_scale(network: nn.Module, context: Context, *, ratio: float, scope: str = "global") -> Rewritten:
    """Network Slimming: channels of smallest |γ| go under one threshold; here γ are drawn from the seed.

    ``ratio`` of all channels behind which a BatchNorm stands go: the threshold is that percentile of
    their |γ| (section 3, "Channel Pruning and Fine-tuning"). ``scope``: ``global`` as in the paper, or
    ``layer``, the same share of every layer. The result is a smaller dense network.

    [ours] A layer keeps at least its channel of largest |γ|, or the network would fall apart. Channels
    that a shortcut or a concatenation ties together go together, count once, and by the mean of their
    scales; the paper puts a channel selection layer there instead, which leaves the tied widths as they
    are. Layers that no BatchNorm follows keep their width.

    Network Slimming first trains under an L1 penalty on γ. Nothing is trained here: the backbones of
    this package draw γ between 0.8 and 1.2 from the seed, so the widths are those of a random ranking.
    Where every γ is equal, as in a network in its initial state, the method refuses.
    """
    del ratio, scope  # they are in the recipe
    return crop(network, context.recipe)
