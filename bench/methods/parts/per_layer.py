"""One loop for every method that exchanges convolutions one by one."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from bench.methods.parts.method import Context, Left, Replaced, Rewritten
from bench.methods.parts.selection import candidates, describe, exchange

Built = nn.Module | tuple[nn.Module, str] | str
"""The layer that takes the place, alone or with words for the account; or, in words, why none does."""

Build = Callable[[str, nn.Conv2d], Built]
"""From a layer's name and the layer."""


def replace_each(network: nn.Module, context: Context, skip: tuple[str, ...], build: Build) -> Rewritten:
    """Exchanges every candidate for what ``build`` makes of it; the others are listed with the reason.

    Where ``build`` gives no words, the account names the new layer's class and its ``extra_repr``.
    """
    replaced: list[Replaced] = []
    left: list[Left] = []
    for candidate in list(candidates(network, context.keep_first, skip, context.head)):
        built = candidate.kept or build(candidate.name, candidate.conv)
        if isinstance(built, str):
            left.append(Left(candidate.name, built))
            continue
        layer, words = built if isinstance(built, tuple) else (built, _words(built))
        exchange(network, candidate.name, layer)
        replaced.append(Replaced(candidate.name, describe(candidate.conv), words))
    return Rewritten(network, tuple(replaced), tuple(left))


def _words(layer: nn.Module) -> str:
    return f"{type(layer).__name__} {layer.extra_repr()}".strip()


def in_groups(conv: nn.Conv2d) -> str:
    """Reason to leave a grouped or depthwise convolution; empty for any other."""
    if conv.groups == 1:
        return ""
    return "depthwise convolution" if conv.groups == conv.in_channels else "grouped convolution"


def not_plain(conv: nn.Conv2d) -> str:
    """Reason the layer is not a plain convolution (ungrouped, zero-padded); empty if it is."""
    padding = "" if conv.padding_mode == "zeros" else f"padding mode {conv.padding_mode}"
    return in_groups(conv) or padding


def not_square(conv: nn.Conv2d, side: int) -> str:
    """Reason to leave a kernel that is not side×side; empty if it is."""
    if conv.kernel_size == (side, side):
        return ""
    return f"{kernel_words(conv)} kernel: only {side}×{side} is replaced"


def kernel_words(conv: nn.Conv2d) -> str:
    """``3×3``."""
    return "×".join(str(k) for k in conv.kernel_size)


def pads(conv: nn.Conv2d) -> tuple[int, int]:
    """Zeros on each side of the map (height, width), with the words "same" and "valid" turned into numbers.

    Raises ValueError for "same" with an even kernel, whose two sides differ.
    """
    if conv.padding == "valid":
        return (0, 0)
    if isinstance(conv.padding, str):
        reach = [d * (k - 1) for k, d in zip(conv.kernel_size, conv.dilation, strict=True)]
        if any(r % 2 for r in reach):
            raise ValueError(f"padding 'same' of a {kernel_words(conv)} kernel is not the same on both sides")
        return (reach[0] // 2, reach[1] // 2)
    return (conv.padding[0], conv.padding[1])


def uneven_padding(conv: nn.Conv2d) -> str:
    """Reason why the layer's padding cannot be split over two layers; empty if it can be."""
    try:
        pads(conv)
    except ValueError as error:
        return str(error)
    return ""
