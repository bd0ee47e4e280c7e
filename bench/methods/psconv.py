"""pSConv: pre-defined sparse kernels (Kundu et al., Allerton 2019; IEEE TC 69(7), arXiv 2001.10710)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bench.methods.parts.compiled import compile_kernels
from bench.methods.parts.drawn_conv import DrawnConv2d
from bench.methods.parts.masking import MaskedConv2d, masked
from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.per_layer import Built, in_groups, kernel_words, replace_each
from bench.methods.parts.tap_conv import TapConv2d

# Supports on a 3×3 kernel, positions row-major 0..8, by the number of taps.
PATTERNS: dict[int, tuple[tuple[int, ...], ...]] = {
    4: ((0, 1, 3, 4), (1, 2, 4, 5), (3, 4, 6, 7), (4, 5, 7, 8)),
    2: ((0, 1), (1, 2), (3, 4), (4, 5), (6, 7), (7, 8)),
    1: tuple((tap,) for tap in range(9)),
}
FORMS = ("masked", "executed", "fused")
_VARIANT = re.compile(r"pSC(?P<n>[1249])|PS(?P<dense>D?)(?P<m>[124])_P(?P<period>[1-9]\d*)")


@dataclass(frozen=True)
class Variant:
    """``taps`` of nine per kernel; ``period`` 0 means no period (pSCn); ``dense_first``: PSD."""

    taps: int
    period: int
    dense_first: bool

    def density(self) -> float:
        """Share of non-zeros: n/9, and ((P-1)·n + 9)/(9P) for PSD."""
        if self.dense_first:
            return ((self.period - 1) * self.taps + 9) / (9 * self.period)
        return self.taps / 9


def parse(name: str) -> Variant:
    """Reads pSC4, PS4_P4, PSD2_P8 … Raises ValueError with what would work."""
    match = _VARIANT.fullmatch(name)
    if match is None:
        raise ValueError(
            f"variant '{name}' is not known: pSC9|4|2|1, PS4_P4, PS2_P6, PS1_P9, PSD4|2|1_Pp work"
        )
    if match["n"]:
        return Variant(int(match["n"]), 0, False)
    taps, period = int(match["m"]), int(match["period"])
    if not match["dense"] and period != len(PATTERNS[taps]):
        raise ValueError(
            f"variant '{name}': the period of PS{taps} is {len(PATTERNS[taps])}, its number of patterns"
        )
    if match["dense"] and period < 2:
        raise ValueError(f"variant '{name}': the period of a PSD must be at least 2")
    return Variant(taps, period, bool(match["dense"]))


def supports(variant: Variant, out_channels: int, in_channels: int, generator: torch.Generator) -> Tensor:
    """Bool mask (Co, Ci, 3, 3) of the kept taps.

    With a period P, the kernel of output i and input j has support number r = (i + j + 1) mod P; in a
    PSD number 0 is dense and the others take the patterns in turn. Without a period (pSCn) every
    kernel draws its own n taps, from the generator (our rule: the papers fix n, not the places).
    """
    if variant.period == 0 and variant.taps < 9:
        order = torch.rand(out_channels, in_channels, 9, generator=generator).argsort(-1)
        return (order < variant.taps).view(out_channels, in_channels, 3, 3)
    table = support_table(variant)
    i = torch.arange(out_channels)[:, None]
    j = torch.arange(in_channels)[None, :]
    return table[(i + j + 1) % table.shape[0]].view(out_channels, in_channels, 3, 3)


def support_table(variant: Variant) -> Tensor:
    """Bool (P, 9): the taps of support number r. Raises ValueError where supports have no period."""
    if variant.taps == 9:
        return torch.ones(1, 9, dtype=torch.bool)
    if variant.period == 0:
        raise ValueError(f"pSC{variant.taps} has no period: every kernel draws its own taps")
    patterns = PATTERNS[variant.taps]
    table = torch.zeros(variant.period, 9, dtype=torch.bool)
    for r in range(variant.period):
        if variant.dense_first and r == 0:
            table[r] = True
            continue
        table[r, list(patterns[(r - variant.dense_first) % len(patterns)])] = True
    return table


def check(*, variant: str, form: str = "masked", **_others: Any) -> None:
    """Raises ValueError for a variant or form that does not exist."""
    parse(variant)
    if form not in FORMS:
        raise ValueError(f"form '{form}' is not known: masked, executed or fused work")


@method("psconv", check=check)
def psconv(
    network: nn.Module,
    context: Context,
    *,
    variant: str,
    form: str = "masked",
    skip: tuple[str, ...] = (),
) -> Rewritten:
    """pSConv: every 3×3 kernel keeps a fixed support of n of 9 taps (pSC4, PS4_P4, PSD2_P8 …).

    The first convolution, 1×1 convolutions and the classifier stay dense, grouped ones too. ``form``:
    in ``masked`` the zeros run through PyTorch's dense kernel: logical MACs fall, executed ones do not.
    ``executed`` stores and computes the kept taps alone, with the same outputs: filters with the same
    supports together (TapConv2d), and where every kernel draws its own (pSCn) output by output
    (DrawnConv2d). ``fused`` is the same in one compiled kernel, or where there can be none the executed
    form. ``skip``: globs of layers to leave dense.
    """
    kind = parse(variant)
    generator = torch.Generator().manual_seed(context.seed)

    def build(_name: str, conv: nn.Conv2d) -> Built:
        if conv.kernel_size != (3, 3):
            return f"{kernel_words(conv)} kernel: only 3×3 has supports"
        if conv.groups != 1:
            return in_groups(conv)
        if form != "masked" and isinstance(conv, MaskedConv2d):
            return f"masked before: the {form} form knows no other zeros than its own"
        mask = supports(kind, conv.out_channels, conv.in_channels, generator)
        words = f"{variant}, density {float(mask.float().mean()):.3f}"
        if form == "masked":
            return masked(conv, mask), words
        return _executed(kind, conv, mask, form == "fused"), words

    rewritten = replace_each(network, context, skip, build)
    if form == "fused":
        compile_kernels(network, context.example_input())
    return rewritten


def _executed(kind: Variant, conv: nn.Conv2d, mask: Tensor, fused: bool) -> TapConv2d | DrawnConv2d:
    """The layer that stores and computes the kept taps alone."""
    if kind.period == 0 and kind.taps < 9:
        return DrawnConv2d(conv, mask, fused)
    return TapConv2d(conv, support_table(kind), fused)
