"""Which convolutions a method may touch, and how a layer is exchanged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from bench.methods.masking import MaskedConv2d

SHORTCUTS = ("downsample", "shortcut", "skip")
"""Names that torchvision, timm and this package give to the projection of a residual shortcut."""


@dataclass(frozen=True)
class Candidate:
    """A convolution of the network; ``kept`` says why the default rule leaves it dense, or is empty."""

    name: str
    conv: nn.Conv2d
    kept: str


def candidates(network: nn.Module, keep_first: bool, skip: tuple[str, ...] = ()) -> Iterator[Candidate]:
    """Every nn.Conv2d in registration order, with the default rule applied.

    The rule: all but the network's first convolution, 1×1 projection shortcuts, DenseNet transitions,
    subclasses that compute something else than nn.Conv2d, and what an earlier method of a chain has put
    into int8. ``skip`` are globs on module names.
    """
    first = True
    for name, module in network.named_modules():
        if not isinstance(module, nn.Conv2d):
            continue
        kept = ""
        if first and keep_first:
            kept = "the network's first convolution"
        elif module.kernel_size == (1, 1) and _has_part(name, SHORTCUTS):
            kept = "1×1 projection shortcut"
        elif _has_part(name, ("transition",)):
            kept = "DenseNet transition"
        elif any(fnmatchcase(name, glob) for glob in skip):
            kept = "named by the knob skip"
        elif is_parametrized(module):  # before the next: parametrizing makes a class of its own
            kept = "its weight is already stored in another form"
        elif _computes_otherwise(module):
            kept = f"{type(module).__name__} has a forward of its own"
        first = False
        yield Candidate(name, module, kept)


def _computes_otherwise(conv: nn.Conv2d) -> bool:
    kind = type(conv)
    plain = kind.forward is nn.Conv2d.forward and kind._conv_forward is nn.Conv2d._conv_forward
    return not plain and not isinstance(conv, MaskedConv2d)


def _has_part(name: str, starts: tuple[str, ...]) -> bool:
    return any(part.startswith(starts) for part in name.split("."))


def blocks(network: nn.Module) -> list[str]:
    """Names of the network's blocks in order, numbered from 0.

    A block is an outermost module that is no plain container, is not the network itself and holds at
    least two convolutions: BasicBlock, Bottleneck, InvertedResidual, MBConv …
    """
    found: list[str] = []
    for name, module in network.named_modules():
        inside = any(name.startswith(f"{block}.") for block in found)
        container = isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict)
        if not name or inside or container:
            continue
        if sum(isinstance(m, nn.Conv2d) for m in module.modules()) >= 2:
            found.append(name)
    return found


def exchange(network: nn.Module, name: str, layer: nn.Module) -> None:
    """Puts ``layer`` where the module ``name`` was, under all names it has.

    Raises ValueError when it is the network itself.
    """
    if not name:
        raise ValueError("the network itself is the convolution: inside an nn.Sequential it can be exchanged")
    old = network.get_submodule(name)
    for parent in list(network.modules()):
        for child, module in list(parent._modules.items()):
            if module is old:
                setattr(parent, child, layer)


def describe(conv: nn.Conv2d) -> str:
    """``Conv2d 64→128 3×3 /2``: in words what the layer was."""
    kernel = "×".join(str(k) for k in conv.kernel_size)
    stride = f" /{conv.stride[0]}" if conv.stride[0] != 1 else ""
    groups = f" groups={conv.groups}" if conv.groups != 1 else ""
    return f"Conv2d {conv.in_channels}→{conv.out_channels} {kernel}{stride}{groups}"
