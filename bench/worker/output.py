"""What the network answered: a checksum, so that two trials of one case can be seen to agree."""

from __future__ import annotations

import ctypes
import hashlib
from typing import Any

import torch
from torch import Tensor


def describe_output(output: Tensor) -> dict[str, Any]:
    """Shape, SHA-256 of the bytes (float32, row-major), mean magnitude, and whether all is finite."""
    values = output.detach().to("cpu", torch.float32).contiguous()
    data = ctypes.string_at(values.data_ptr(), values.numel() * values.element_size())
    return {
        "shape": list(output.shape),
        "checksum": hashlib.sha256(data).hexdigest(),
        "mean_magnitude": float(values.abs().mean()),
        "finite": bool(torch.isfinite(values).all()),
    }
