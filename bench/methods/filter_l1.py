"""Filter pruning by L1 norm (Li et al., ICLR 2017, arXiv 1608.08710)."""

from __future__ import annotations

from typing import Any

from torch import nn

from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.structured import Recipe, crop, plan_channels


def check(*, ratio: float, **_others: Any) -> None:
    """Raises ValueError for a ratio outside (0, 1)."""
    if not 0 < ratio < 1:
        raise ValueError(
            f"ratio={ratio}: the share of channels to remove lies between 0 and 1, both excluded"
        )


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
    return crop(
        network, context.recipe if context.recipe is not None else prepare(network, context, ratio=ratio)
    )
