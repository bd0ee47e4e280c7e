"""PyTorch's eager mode."""

from __future__ import annotations

from torch import Tensor, nn

from bench.runtimes.base import Forward, runtime


@runtime("eager", data_dependent=True)
def eager(network: nn.Module, example: Tensor) -> Forward:
    """PyTorch as it is: every operator is dispatched one by one."""
    del example
    return network
