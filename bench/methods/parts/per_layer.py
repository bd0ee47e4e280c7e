"""One loop for every method that exchanges convolutions one by one."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from bench.methods.parts.method import Context, Left, Replaced, Rewritten
from bench.methods.parts.selection import candidates, describe, exchange

Build = Callable[[str, nn.Conv2d], nn.Module | str]
"""From a layer's name and the layer: what takes its place, or in words why nothing does."""


def replace_each(
    network: nn.Module, context: Context, skip: tuple[str, ...], build: Build, what: str = ""
) -> Rewritten:
    """Exchanges every candidate for what ``build`` makes of it; the others are listed with the reason.

    ``what`` names the new layer in the account; without it the layer's class and own words stand there.
    """
    replaced: list[Replaced] = []
    left: list[Left] = []
    for candidate in list(candidates(network, context.keep_first, skip)):
        built = candidate.kept or build(candidate.name, candidate.conv)
        if isinstance(built, str):
            left.append(Left(candidate.name, built))
            continue
        exchange(network, candidate.name, built)
        words = what or f"{type(built).__name__} {built.extra_repr()}".strip()
        replaced.append(Replaced(candidate.name, describe(candidate.conv), words))
    return Rewritten(network, tuple(replaced), tuple(left))


def no_plain(conv: nn.Conv2d) -> str:
    """Why a convolution is none that a formula for full, zero-padded ones can speak of, or nothing."""
    if conv.groups > 1:
        return "depthwise convolution" if conv.groups == conv.in_channels else "grouped convolution"
    if conv.padding_mode != "zeros":
        return f"padding mode {conv.padding_mode}"
    return ""


def no_square(conv: nn.Conv2d, side: int) -> str:
    """Why a kernel is not side×side, or nothing."""
    if conv.kernel_size == (side, side):
        return ""
    return f"{kernel_words(conv)} kernel: only {side}×{side} is replaced"


def kernel_words(conv: nn.Conv2d) -> str:
    """``3×3``."""
    return "×".join(str(k) for k in conv.kernel_size)


def pads(conv: nn.Conv2d) -> tuple[int, int]:
    """Zeros on each side of the map, height and width; the words "same" and "valid" as numbers.

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
