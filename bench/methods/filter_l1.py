"""Filter pruning by L1 norm (Li et al., ICLR 2017, arXiv 1608.08710)."""

from __future__ import annotations

from torch import nn

from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.structured import Recipe, check, crop, plan_channels


def prepare(network: nn.Module, context: Context, *, ratio: float) -> Recipe:
    """The channels that stay, ranked by the L1 norm of everything that would go with them."""
    from torch_pruning.pruner.importance import MagnitudeImportance

    return plan_channels(network, context, MagnitudeImportance(p=1), ratio)


@method("filter_l1", prepare=prepare, check=check)
def filter_l1(network: nn.Module, context: Context, *, ratio: float) -> Rewritten:
    """Removes ``ratio`` of every layer's output channels, smallest L1 norm first: a smaller dense network.

    Channels that a shortcut ties together go together (torch-pruning's dependency graph); in networks
    with option A shortcuts only the inner width of a block can shrink, as in Li et al., section 3.3.
    """
    del ratio  # it is in the recipe
    return crop(network, context.recipe)
