"""Which convolutions a method may touch, and how a layer is exchanged for another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from bench.methods.parts.masking import MaskedConv2d, MaskedLinear

SHORTCUTS = ("downsample", "shortcut", "skip")
"""Names that torchvision, timm and this package give to the projection of a residual shortcut."""


@dataclass(frozen=True)
class Candidate:
    """A convolution of the network; ``kept`` says why the default rule leaves it dense, or is empty."""

    name: str
    conv: nn.Conv2d
    kept: str


def candidates(
    network: nn.Module, keep_first: bool, skip: tuple[str, ...] = (), head: tuple[str, ...] = ()
) -> Iterator[Candidate]:
    """Every nn.Conv2d in registration order, with the default rule applied.

    The rule leaves as they are: the network's first convolution (with ``keep_first``), those of its
    ``head``, which make a map as a linear classifier makes logits, 1×1 projection shortcuts, DenseNet
    transitions, subclasses that compute something other than nn.Conv2d, and layers whose weight an earlier
    method of a chain stores in another form. ``skip`` are globs on module names.
    """
    first = True
    for name, module in network.named_modules():
        if not isinstance(module, nn.Conv2d):
            continue
        kept = ""
        if first and keep_first:
            kept = "the network's first convolution"
        elif any(fnmatchcase(name, glob) for glob in head):
            kept = "makes the output"
        elif is_projection_shortcut(name, module):
            kept = "1×1 projection shortcut"
        elif _has_part(name, ("transition",)):
            kept = "DenseNet transition"
        elif any(fnmatchcase(name, glob) for glob in skip):
            kept = "named by the knob skip"
        elif is_parametrized(module):  # before the next: parametrizing makes a class of its own
            kept = "its weight is already stored in another form"
        elif computes_otherwise(module):
            kept = f"{type(module).__name__} has a forward of its own"
        first = False
        yield Candidate(name, module, kept)


def is_projection_shortcut(name: str, layer: nn.Module) -> bool:
    """True for the 1×1 convolution of a residual shortcut, by its kernel and by a part of its name."""
    return isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) and _has_part(name, SHORTCUTS)


def computes_otherwise(layer: nn.Conv2d | nn.Linear) -> bool:
    """True for a subclass with a forward of its own: replacing it would change what the network computes."""
    kind = type(layer)
    if isinstance(layer, MaskedConv2d | MaskedLinear):
        return False
    if isinstance(layer, nn.Linear):
        return kind.forward is not nn.Linear.forward
    return kind.forward is not nn.Conv2d.forward or kind._conv_forward is not nn.Conv2d._conv_forward


def _has_part(name: str, starts: tuple[str, ...]) -> bool:
    return any(part.startswith(starts) for part in name.split("."))


def blocks(network: nn.Module) -> list[str]:
    """Names of the network's blocks in order, numbered from 0.

    A block is an outermost module that is neither a plain container nor the network itself and holds at
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


def roles(network: nn.Module) -> dict[str, str]:
    """Which 1×1 convolutions expand and which project: before and after the block's depthwise one.

    The project layer is the block's last, so the two small layers of a squeeze-excitation have no role.
    """
    found: dict[str, str] = {}
    for block in blocks(network):
        convs = [c for c in candidates(network, keep_first=False) if c.name.startswith(f"{block}.")]
        depthwise = [i for i, c in enumerate(convs) if c.conv.groups == c.conv.in_channels > 1]
        if not depthwise:
            continue
        for candidate in convs[: depthwise[0]]:
            if _is_pointwise(candidate):
                found[candidate.name] = "expand"
        if depthwise[-1] < len(convs) - 1 and _is_pointwise(convs[-1]):
            found[convs[-1].name] = "project"
    return found


def _is_pointwise(candidate: Candidate) -> bool:
    return candidate.conv.kernel_size == (1, 1) and candidate.conv.groups == 1


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
    """The layer in words: ``Conv2d 64→128 3×3 /2``."""
    kernel = "×".join(str(k) for k in conv.kernel_size)
    stride = f" /{conv.stride[0]}" if conv.stride[0] != 1 else ""
    groups = f" groups={conv.groups}" if conv.groups != 1 else ""
    return f"Conv2d {conv.in_channels}→{conv.out_channels} {kernel}{stride}{groups}"
