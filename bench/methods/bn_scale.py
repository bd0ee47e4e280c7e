"""Channel pruning by BatchNorm's scale (Liu et al., ICCV 2017, Network Slimming, arXiv 1708.06519)."""

from __future__ import annotations

from torch import nn

from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.structured import Recipe, check, crop, plan_channels


def prepare(network: nn.Module, context: Context, *, ratio: float) -> Recipe:
    """The channels that stay, ranked by |γ|. Raises ValueError for a network without BatchNorm."""
    if not any(isinstance(m, nn.modules.batchnorm._BatchNorm) and m.affine for m in network.modules()):
        raise ValueError("nothing to replace (no BatchNorm whose scale could rank channels)")
    from torch_pruning.pruner.importance import BNScaleImportance

    return plan_channels(network, context, BNScaleImportance(), ratio)


@method("bn_scale", prepare=prepare, check=check)
def bn_scale(network: nn.Module, context: Context, *, ratio: float) -> Rewritten:
    """Removes ``ratio`` of every layer's output channels, smallest |γ| of BatchNorm first.

    The result is a smaller dense network. Channels that a shortcut ties together go together, by the
    mean of their scales; layers that no BatchNorm follows keep their width. Without training under an
    L1 penalty, which Network Slimming begins with, the scales are the backbone's own: this package
    draws them, and where all are 1 the choice is arbitrary.
    """
    del ratio  # it is in the recipe
    return crop(network, context.recipe)
