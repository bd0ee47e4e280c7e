"""The baseline: the backbone as it is."""

from __future__ import annotations

from torch import nn

from bench.methods.parts.method import Context, Rewritten, method


@method("dense")
def dense(network: nn.Module, context: Context) -> Rewritten:
    """The backbone as it is: the baseline of every ratio."""
    del context
    return Rewritten(network)
