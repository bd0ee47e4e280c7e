"""Sizes of a network by its layers' closed forms alone: quick, and enough to choose a knob by."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn

from bench.counting.closed_form import counted_layers
from bench.counting.expectation import mean
from bench.counting.protocols import HasExits


@dataclass(frozen=True)
class Sizes:
    """Parameters of the whole network, MACs of its convolution and linear layers for one image.

    ``params`` and ``macs`` are the logical ones, which leave zeros out; ``stored_params`` is what
    the file holds and ``executed_macs`` what the layers compute.
    """

    params: int
    macs: int
    stored_params: int
    executed_macs: int


def sizes(network: nn.Module, example: Tensor) -> Sizes:
    """Counts the network on one example of shape (1, C, H, W); no other witness is asked.

    MACs of a network with exits are the expectation over the inputs that leave at each.
    """
    if isinstance(network, HasExits):
        ways = [sizes(network.way(at), example) for at in range(len(network.exits))]
        macs = mean([way.macs for way in ways], network.left)
        executed = mean([way.executed_macs for way in ways], network.left)
        return replace(ways[-1], macs=macs, executed_macs=executed)
    counts = [layer.count for layer in counted_layers(network, example)]
    stored = sum(parameter.numel() for parameter in network.parameters())
    return Sizes(
        params=stored - sum(count.stored_params - count.logical_params for count in counts),
        macs=sum(count.logical_macs for count in counts),
        stored_params=stored,
        executed_macs=sum(count.executed_macs for count in counts),
    )
