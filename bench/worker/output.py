"""What the network answered: a checksum, so that two trials of one case can be seen to agree."""

from __future__ import annotations

import ctypes
import hashlib

import torch
from torch import Tensor

from bench.worker.protocol import Output


def describe_output(output: Tensor) -> Output:
    """Shape, checksum (float32, row-major), mean magnitude, and whether all is finite."""
    values = output.detach().to("cpu", torch.float32).contiguous()
    data = ctypes.string_at(values.data_ptr(), values.numel() * values.element_size())
    return Output(
        shape=tuple(output.shape),
        checksum=hashlib.sha256(data).hexdigest(),
        mean_magnitude=float(values.abs().mean()),
        finite=bool(torch.isfinite(values).all()),
    )
