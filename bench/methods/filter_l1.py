"""Filter pruning by L1 norm (Li et al., ICLR 2017, arXiv 1608.08710)."""

from __future__ import annotations

from torch import nn

from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.own_kernels import OwnKernels
from bench.methods.parts.structured import Recipe, check, crop, plan_channels


def prepare(network: nn.Module, context: Context, *, ratio: float) -> Recipe:
    """The channels that stay, ranked by the L1 norm of their own filters."""
    return plan_channels(network, context, lambda walked: OwnKernels(walked, context), ratio)


@method("filter_l1", prepare=prepare, check=check)
def filter_l1(network: nn.Module, context: Context, *, ratio: float) -> Rewritten:
    """Removes ``ratio`` of every layer's filters, smallest L1 norm of their own kernels first.

    Li et al., section 3.1: the filters of smallest Σ|F_ij| go, with their maps and the kernels of the
    next layer that read these. Norms are those of the whole network ("independent", section 3.3), and
    every layer loses the same share: [ours], the paper sets a share per stage by hand, by sensitivity.
    Channels that a shortcut ties together go together: the projection shortcut's 1×1 convolution
    decides (section 3.3); where none stands, the convolution that runs first [ours]. In networks with
    option A shortcuts only the inner width of a block shrinks, as in the paper's ResNet-56 and -110.
    The result is a smaller dense network.
    """
    del ratio  # it is in the recipe
    return crop(network, context.recipe)
