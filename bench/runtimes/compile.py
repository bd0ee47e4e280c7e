"""torch.compile with its default backend."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.runtimes.base import Forward, runtime


@runtime("compile")
def compiled(network: nn.Module, example: Tensor) -> Forward:
    """torch.compile (Inductor, static shapes); needs a C++ compiler."""
    forward: Forward = torch.compile(network, dynamic=False)
    forward(example)  # compiles here, so that compilation and first call are two numbers
    return forward
