"""Channels ranked by the filters that make them (Li et al., ICLR 2017, arXiv 1608.08710)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from bench.counting.observe import observe
from bench.methods.parts.method import Context
from bench.methods.parts.selection import is_projection_shortcut


class OwnKernels:
    """Importance of a group's channels: the L1 norm of each one's own filter, Σ|F_ij| over its kernels.

    That is s_j of Li et al., section 3.1, taken from the weights as they were before anything went:
    their "independent" strategy (section 3.3). Nothing but the convolution that makes the channel
    counts: not the kernels of the layer behind it, no BatchNorm, no bias.

    Channels that a shortcut ties together have several makers. As in the paper (section 3.3, figure 4)
    the projection shortcut's 1×1 convolution decides for all of them, because "the identical feature
    maps are more important than the added residual maps". [ours] Where no projection stands the paper
    gives no rule; here its reason decides: the identity maps are those of the convolution that runs
    first, and its filters are ranked. Depthwise convolutions never decide: they pass on channels that
    another layer made. Channels that no convolution or linear layer makes are never the least.

    ``network`` is the one whose graph is walked.
    """

    def __init__(self, network: nn.Module, context: Context) -> None:
        runs: list[nn.Module] = []

        def note(_name: str, module: nn.Module, _inputs: tuple[Tensor, ...], _output: Tensor) -> None:
            runs.append(module)

        layers = [(n, m) for n, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        observe(network, context.example_input(), layers, note)
        place = {module: at for at, module in reversed(list(enumerate(runs)))}  # the first of its calls
        self._rank = {
            module: (not is_projection_shortcut(name, module), place.get(module, len(runs)))
            for name, module in layers
        }

    def __call__(self, group: Any) -> Tensor:
        """One number per channel of the group's root; ``group`` is one of torch-pruning's."""
        from torch_pruning.pruner.function import prune_conv_out_channels, prune_linear_out_channels

        making = (prune_conv_out_channels, prune_linear_out_channels)
        makers = [
            (dependency.target.module, outputs, group[at].root_idxs)
            for at, (dependency, outputs) in enumerate(group)
            if dependency.handler in making and None not in group[at].root_idxs
        ]
        norms = torch.full((len(group[0].idxs),), math.nan, dtype=torch.float64)
        for module, outputs, channels in sorted(makers, key=lambda maker: self._rank[maker[0]]):
            weight = module.weight.detach()[list(outputs)]
            own = torch.zeros_like(norms).index_add_(0, torch.tensor(channels), _l1(weight))
            made = torch.zeros_like(norms, dtype=torch.bool).index_fill_(0, torch.tensor(channels), True)
            norms = torch.where(made & norms.isnan(), own, norms)
        return norms.nan_to_num(nan=math.inf)


def _l1(weight: Tensor) -> Tensor:
    """Σ|w| of every filter, (Co, …) -> (Co,)."""
    return weight.double().abs().flatten(1).sum(1)
