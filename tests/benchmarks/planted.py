"""Equal and slower networks for the measurements of the harness itself: a plugin."""

from __future__ import annotations

import time

from torch import Tensor, nn

from bench.methods import Context, Replaced, Rewritten, method


class Slower(nn.Module):
    """The network, and after each call an idle loop of that share of the call's own time."""

    def __init__(self, network: nn.Module, share: float) -> None:
        super().__init__()
        self.network = network
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        start = time.perf_counter()
        y: Tensor = self.network(x)
        now = time.perf_counter()
        until = now + self.share * (now - start)
        while now < until:
            now = time.perf_counter()
        return y


@method("spun")
def spun(network: nn.Module, context: Context, *, share: float) -> Rewritten:
    """The network made slower by ``share``; 0 is an equal one."""
    del context
    return Rewritten(Slower(network, share), (Replaced("network", "as it is", f"slower by {share}"),))


@method("one_more_layer")
def one_more_layer(network: nn.Module, context: Context) -> Rewritten:
    """The network with one more convolution of 16 channels in front of its first stage: a real slow-down."""
    del context
    first = network.get_submodule("conv1")
    more = nn.Conv2d(16, 16, 3, padding=1, bias=False)
    network.add_module("conv1", nn.Sequential(first, more))
    return Rewritten(network, (Replaced("conv1", "one convolution", "two convolutions"),))
