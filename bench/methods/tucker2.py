"""Tucker-2: a convolution between two 1×1 convolutions (Kim et al., ICLR 2016, arXiv 1511.06530)."""

from __future__ import annotations

from torch import nn

from bench.methods.parts.low_rank import RankRule, check
from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.tucker import TUCKER2


@method("tucker2", prepare=TUCKER2.prepare, check=check)
def tucker2(
    network: nn.Module,
    context: Context,
    *,
    rank: int | None = None,
    ratio: float | None = None,
    energy: float | None = None,
    skip: tuple[str, ...] = (),
) -> Rewritten:
    """Tucker-2 of the layer's own weights: 1×1, k×k between r1 and r2 channels, 1×1.

    Exactly one of: ``rank`` (r1 = r2 = that number), ``ratio`` (r1 and r2 that share of Ci and Co),
    ``energy`` (each of r1, r2 as small as keeps that share of the weight's energy in its unfolding).
    A layer whose full rank is below ``rank`` is left dense and listed; so is one that ``energy`` would
    make larger. ``skip``: globs of layers to leave dense.
    """
    return TUCKER2.apply(network, context, RankRule(rank, ratio, energy), skip)
