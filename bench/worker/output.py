"""What the network answered: a checksum, so that two trials of one case can be seen to agree, and a sample,
so that a trial can be seen to agree with what was counted."""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Callable

import torch
from torch import Tensor, nn

from bench.counting.protocols import HasExits
from bench.worker.measurements import Output

SAMPLED = 32
"""Values of an answer that are kept: all of a CIFAR classifier's, evenly spread ones of a longer answer."""


def sample(output: Tensor) -> tuple[float, ...]:
    """Up to SAMPLED values of the first image's answer, evenly spread; ``output`` is (B, …)."""
    values = output[:1].detach().to("cpu", torch.float32).flatten()
    count = min(SAMPLED, values.numel())
    return tuple(float(values[at * values.numel() // count]) for at in range(count))


def every_answer(network: nn.Module) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
    """What is calibrated, and what answers images with (B, …): a network with exits gives those of all."""
    if not isinstance(network, HasExits):
        return network, network
    way = network.way(len(network.exits) - 1)
    return way, lambda images: torch.stack(way(images), 1)


def describe_output(output: Tensor) -> Output:
    """Shape, checksum (float32, row-major), mean magnitude, whether all is finite, and a sample."""
    values = output.detach().to("cpu", torch.float32).contiguous()
    data = ctypes.string_at(values.data_ptr(), values.numel() * values.element_size())
    return Output(
        shape=tuple(output.shape),
        checksum=hashlib.sha256(data).hexdigest(),
        mean_magnitude=float(values.abs().mean()),
        finite=bool(torch.isfinite(values).all()),
        sample=sample(output),
    )
