"""Random channel pruning: the baseline of every ranking (Mittal et al., WACV 2018, arXiv 1801.10447)."""

from __future__ import annotations

import torch
from torch import nn

from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.structured import Recipe, check, crop, plan_channels


def prepare(network: nn.Module, context: Context, *, ratio: float) -> Recipe:
    """The channels that stay, drawn from the context's seed."""
    from torch_pruning.pruner.importance import RandomImportance

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(context.seed)
        return plan_channels(network, context, lambda _walked: RandomImportance(), ratio)


@method("random_channels", prepare=prepare, check=check)
def random_channels(network: nn.Module, context: Context, *, ratio: float) -> Rewritten:
    """Removes ``ratio`` of every layer's output channels at random: a smaller dense network.

    Channels that a shortcut ties together go together. Latency and memory of the result are those of
    any ranking at the same ratio; what a ranking adds is accuracy alone.
    """
    del ratio  # it is in the recipe
    return crop(network, context.recipe)
