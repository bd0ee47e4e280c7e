"""Convolutions and linear layers with fixed zeros: one mechanism for every method that masks weights."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.counting.layer_count import LayerCount


class _Masked(nn.Module):
    """What a layer with fixed zeros does beside its arithmetic; goes before the layer among the bases."""

    weight: Tensor
    mask: Tensor

    def closed_form(self, output_hw: tuple[int, int]) -> LayerCount:
        """Counts for an output map of that height and width; (rows, 1) for a linear layer."""
        positions = output_hw[0] * output_hw[1]
        weights, kept = self.mask.numel(), int(self.mask.sum())
        bias = sum(p.numel() for name, p in self.named_parameters(recurse=False) if name == "bias")
        return LayerCount(weights + bias, kept + bias, weights * positions, kept * positions)

    def current_weight(self) -> Tensor:
        """The weight to compute with: the mask takes part where gradients are wanted."""
        return self.weight * self.mask if torch.is_grad_enabled() else self.weight

    def reset_parameters(self) -> None:
        """Draws new weights; the masked ones are zero again."""
        super().reset_parameters()  # type: ignore[misc]
        _write_zeros(self.weight, self.mask)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        _write_zeros(self.weight, self.mask)


class MaskedConv2d(_Masked, nn.Conv2d):
    """A convolution whose weight is zero wherever ``mask`` is False, and stays so.

    The zeros are written into the weight once, so inference runs the plain dense kernel: executed
    MACs are those of the dense layer, logical ones those of the kept weights. Under gradients the
    mask multiplies the weight, so no gradient reaches a masked one.
    """

    def forward(self, input: Tensor) -> Tensor:
        out: Tensor = self._conv_forward(input, self.current_weight(), self.bias)
        return out


class MaskedLinear(_Masked, nn.Linear):
    """A linear layer whose weight is zero wherever ``mask`` is False, and stays so."""

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.current_weight(), self.bias)


def masked(layer: nn.Conv2d | nn.Linear, mask: Tensor) -> MaskedConv2d | MaskedLinear:
    """The layer with its weight's zeros fixed to ``mask`` (bool, the weight's shape); parameters are shared.

    Raises ValueError when the shapes differ. A mask of a masked layer is the intersection of both.
    """
    if mask.shape != layer.weight.shape:
        raise ValueError(f"mask {tuple(mask.shape)} does not fit weight {tuple(layer.weight.shape)}")
    kind: type[MaskedConv2d] | type[MaskedLinear]
    kind = MaskedConv2d if isinstance(layer, nn.Conv2d) else MaskedLinear
    result = kind.__new__(kind)
    nn.Module.__init__(result)
    result.__dict__.update({k: v for k, v in layer.__dict__.items() if k not in ("_parameters", "_buffers")})
    result._parameters = dict(layer._parameters)
    mask = mask.to(torch.bool)
    if isinstance(layer, MaskedConv2d | MaskedLinear):
        mask = mask & layer.mask
    result.register_buffer("mask", mask, persistent=False)
    _write_zeros(result.weight, mask)
    return result


def _write_zeros(weight: Tensor, mask: Tensor) -> None:
    with torch.no_grad():
        weight.mul_(mask)
