"""Masks as text: what a recipe carries from the counting process to the measuring one.

A mask that took gradients to find is sent, not found again: on another machine a rounding could
change it, and a hundred iterations before every trial would cost more than the trial. One bit per
weight, eight to a byte, deflated, in base64.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bench.methods.parts.pruning import Masks

PackedMasks = dict[str, str]
"""Module name -> base64 of the deflated bits, first weight in the highest bit of the first byte."""

_WEIGHTS_OF_BITS = (128, 64, 32, 16, 8, 4, 2, 1)


def pack(masks: Masks) -> PackedMasks:
    """The masks as text."""
    return {name: _pack(mask) for name, mask in masks.items()}


def unpack(packed: PackedMasks, layers: Mapping[str, nn.Conv2d | nn.Linear]) -> Masks:
    """The masks of the layers of these names. Raises ValueError for one that does not fit its layer."""
    masks: Masks = {}
    for name, text in packed.items():
        if name not in layers:
            raise ValueError(f"the recipe has a mask for {name}, which the network does not have")
        masks[name] = _unpack(name, text, layers[name].weight.shape)
    return masks


def _pack(mask: Tensor) -> str:
    bits = mask.flatten().to(torch.uint8)
    bits = torch.nn.functional.pad(bits, (0, -bits.numel() % 8)).view(-1, 8)
    packed = (bits * torch.tensor(_WEIGHTS_OF_BITS, dtype=torch.uint8)).sum(1, dtype=torch.uint8)
    buffer = bytearray(packed.numel())
    torch.frombuffer(buffer, dtype=torch.uint8).copy_(packed)  # torch alone: numpy may be missing
    return base64.b64encode(zlib.compress(buffer)).decode("ascii")


def _unpack(name: str, text: str, shape: torch.Size) -> Tensor:
    buffer = bytearray(zlib.decompress(base64.b64decode(text)))
    if len(buffer) != -(-shape.numel() // 8):
        raise ValueError(f"the recipe's mask of {name} does not fit its weight {tuple(shape)}")
    packed = torch.frombuffer(buffer, dtype=torch.uint8)
    bits = (packed[:, None] & torch.tensor(_WEIGHTS_OF_BITS, dtype=torch.uint8)) != 0
    return bits.flatten()[: shape.numel()].view(shape)
