"""What a network's file weighs: exact, and the same on every machine."""

from __future__ import annotations

from torch import nn


def weight_bytes(network: nn.Module) -> int:
    """Bytes of everything a state_dict holds: parameters and persistent buffers, shared ones once."""
    tensors = {t.data_ptr() if t.numel() else id(t): t for t in network.state_dict().values()}
    return sum(t.numel() * t.element_size() for t in tensors.values())
