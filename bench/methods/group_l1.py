"""Channel pruning by the L1 norm of a whole group (DepGraph, Fang et al., CVPR 2023, arXiv 2301.12900)."""

from __future__ import annotations

from torch import nn

from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.structured import Recipe, check, crop, plan_channels


def prepare(network: nn.Module, context: Context, *, ratio: float) -> Recipe:
    """The channels that stay, ranked by the L1 norm of everything that would go with them."""
    from torch_pruning.pruner.importance import MagnitudeImportance

    return plan_channels(network, context, lambda _walked: MagnitudeImportance(p=1), ratio)


@method("group_l1", prepare=prepare, check=check)
def group_l1(network: nn.Module, context: Context, *, ratio: float) -> Rewritten:
    """Removes ``ratio`` of every layer's channels, smallest L1 norm of all that goes with them first.

    The importance is torch-pruning's own (MagnitudeImportance, p = 1): the mean, over everything that a
    channel touches, of the filter's norm, BatchNorm's |γ| and the norm of the next layers' kernels that
    read it. ``filter_l1`` looks at the filter alone. Channels that a shortcut ties together go
    together. The result is a smaller dense network.
    """
    del ratio  # it is in the recipe
    return crop(network, context.recipe)
