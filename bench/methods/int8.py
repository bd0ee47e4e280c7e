"""int8 weights, one scale per output channel (Jacob et al., CVPR 2018, arXiv 1712.05877)."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from bench.counting.closed_form import HasClosedForm
from bench.errors import nearest
from bench.methods.method import Context, Left, Replaced, Rewritten, method
from bench.methods.selection import describe

SCHEMES = ("weight_only",)


class Int8Weight(nn.Module):
    """W ≈ q·s: q int8 of the weight's shape, s one float per channel of its first dimension.

    s = max |W| of the channel / 127 and q = round(W / s), symmetric, so that a zero stays a zero. As a
    parametrization it holds s, while q takes the weight's place among the module's parameters.
    """

    scale: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        largest = weight.detach().flatten(1).abs().amax(1)
        scale = torch.where(largest > 0, largest / 127, torch.ones_like(largest))
        self.register_buffer("scale", scale.view(-1, *[1] * (weight.ndim - 1)))

    def forward(self, stored: Tensor) -> Tensor:
        return stored * self.scale

    def right_inverse(self, weight: Tensor) -> tuple[Tensor]:
        """What is stored for a weight; a tuple, because its type is not the weight's."""
        return (torch.round(weight / self.scale).clamp(-127, 127).to(torch.int8),)


def check(*, scheme: str = "weight_only", **_others: Any) -> None:
    """Raises ValueError for an unknown scheme."""
    if scheme not in SCHEMES:
        raise ValueError(f"scheme '{scheme}' is not known{nearest(scheme, SCHEMES)}")


@method("int8", check=check)
def int8(
    network: nn.Module, context: Context, *, scheme: str = "weight_only", skip: tuple[str, ...] = ()
) -> Rewritten:
    """int8 weights, one scale per output channel: a quarter of the bytes, the same MACs.

    ``weight_only``: weights are stored in eight bits and multiplied out to floats in every call, so it
    runs in every runtime, on every device, and costs time. It covers the first convolution, shortcuts
    and the classifier too, and every layer of another method (CSR-Conv's U and V, factors, stencils);
    biases and BatchNorm stay floats. Parameters keep their number: scales count as bytes only.
    ``skip``: globs of layers to leave as floats.
    """
    del context, scheme
    replaced: list[Replaced] = []
    left: list[Left] = []
    for name, module in list(network.named_modules()):
        plain = isinstance(module, nn.modules.conv._ConvNd | nn.Linear)
        if not plain and not isinstance(module, HasClosedForm):
            continue
        names = [n for n, p in module.named_parameters(recurse=False) if p.ndim > 1 and p.is_floating_point()]
        if not names:
            continue
        if any(fnmatchcase(name, glob) for glob in skip):
            left.append(Left(name, "named by the knob skip"))
            continue
        before = describe(module) if isinstance(module, nn.Conv2d) else type(module).__name__
        for parameter in names:
            store_int8(module, parameter)
        replaced.append(Replaced(name, before, f"int8 {' and '.join(names)}"))
    return Rewritten(network, tuple(replaced), tuple(left))


def store_int8(module: nn.Module, name: str) -> None:
    """Exchanges a float parameter for its int8 form; reading it multiplies it out."""
    weight = getattr(module, name)
    weight.requires_grad_(False)  # whole numbers have no gradient
    parametrize.register_parametrization(module, name, Int8Weight(weight), unsafe=True)
