"""torch.compile with its default backend."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.runtimes.runtime import Forward, runtime


@runtime("compile")
def compiled(network: nn.Module, example: Tensor) -> Forward:
    """torch.compile (Inductor, static shapes); compiles in the first call; needs a C++ compiler."""
    del example
    forward: Forward = torch.compile(network, dynamic=False)
    return forward
