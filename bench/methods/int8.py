"""int8 weights, one scale per output channel (Jacob et al., CVPR 2018, arXiv 1712.05877)."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from bench.counting.protocols import HasClosedForm
from bench.errors import nearest
from bench.methods.parts.int8_conv import Int8Conv2d, available, calibrated
from bench.methods.parts.masking import MaskedConv2d
from bench.methods.parts.method import Context, Left, Replaced, Rewritten, method
from bench.methods.parts.selection import describe, exchange

SCHEMES = ("weight_only", "static")
CALIBRATION_IMAGES = 8
Recipe = dict[str, list[float]]
"""Layer -> smallest and largest input."""


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


def prepare(
    network: nn.Module, context: Context, *, scheme: str = "weight_only", skip: tuple[str, ...] = ()
) -> Recipe | None:
    """The range of every int8 convolution's input; nothing for ``weight_only``."""
    if scheme != "static":
        return None
    names = [
        name for name, module in network.named_modules() if _computes(module) and not _skipped(name, skip)
    ]
    return calibrated(network, names, context.example_input(CALIBRATION_IMAGES))


@method("int8", prepare=prepare, check=check)
def int8(
    network: nn.Module, context: Context, *, scheme: str = "weight_only", skip: tuple[str, ...] = ()
) -> Rewritten:
    """int8 weights, one scale per output channel: a quarter of the bytes, the same MACs.

    ``weight_only``: weights are stored in eight bits and multiplied out to floats in every call, so it
    runs in every runtime, on every device, and costs time. ``static``: convolutions compute in int8,
    their inputs quantised by ranges seen on eight seeded random images; on CPUs whose torch has
    oneDNN's kernel, in eager (compiled graphs break around them); other layers stay weight-only.

    Both cover the first convolution, shortcuts and the classifier too, and every layer of another
    method (CSR-Conv's U and V, factors, stencils); biases and BatchNorm stay floats. Parameters keep
    their number: scales count as bytes only. ``skip``: globs of layers to leave as floats.
    """
    ranges: Recipe = {}
    if scheme == "static":
        if not available():
            raise RuntimeError(
                "this build of torch has no int8 convolution (oneDNN's): scheme weight_only works"
            )
        ranges = context.recipe
    replaced: list[Replaced] = []
    left: list[Left] = []
    for name, module in list(network.named_modules()):
        names = _weights(module)
        if not names:
            continue
        if _skipped(name, skip):
            left.append(Left(name, "named by the knob skip"))
            continue
        before = describe(module) if isinstance(module, nn.Conv2d) else type(module).__name__
        if name in ranges and isinstance(module, nn.Conv2d):
            exchange(network, name, _computing(module, ranges[name]))
            replaced.append(Replaced(name, before, "int8 convolution"))
            continue
        for parameter in names:
            store_int8(module, parameter)
        replaced.append(Replaced(name, before, f"int8 {' and '.join(names)}, multiplied out"))
    return Rewritten(network, tuple(replaced), tuple(left))


def _weights(module: nn.Module) -> list[str]:
    """Names of the float tensors of two dimensions or more of a layer that multiplies; else nothing."""
    plain = isinstance(module, nn.modules.conv._ConvNd | nn.Linear)
    if not plain and not isinstance(module, HasClosedForm):
        return []
    own = module.named_parameters(recurse=False)
    return [name for name, tensor in own if tensor.ndim > 1 and tensor.is_floating_point()]


def _computes(module: nn.Module) -> bool:
    """Whether the int8 kernel knows this convolution."""
    zeros = isinstance(module, nn.Conv2d) and module.padding_mode == "zeros"
    return zeros and bool(_weights(module)) and not isinstance(module.padding, str)


def _skipped(name: str, skip: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, glob) for glob in skip)


def _computing(conv: nn.Conv2d, limits: list[float]) -> Int8Conv2d:
    """The convolution with int8 weights and arithmetic; a mask's zeros stay what they are, zeros."""
    form = Int8Weight(conv.weight)
    kept = int(conv.mask.sum()) if isinstance(conv, MaskedConv2d) else conv.weight.numel()
    (stored,) = form.right_inverse(conv.weight.detach())
    return Int8Conv2d(conv, stored, form.scale, limits[0], limits[1], kept)


def store_int8(module: nn.Module, name: str) -> None:
    """Exchanges a float parameter for its int8 form; reading it multiplies it out."""
    weight = getattr(module, name)
    weight.requires_grad_(False)  # whole numbers have no gradient
    parametrize.register_parametrization(module, name, Int8Weight(weight), unsafe=True)
