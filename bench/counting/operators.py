"""Operators of our own that multiply and add, with how the second and third witness count them.

fvcore and torch know the convolutions and products that PyTorch has. Who adds an operator announces
its count here, in the module that defines it; a witness then counts it like the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

TracedMacs = Callable[[list[Any], list[Any]], int]
"""MACs from an operator's inputs and outputs in fvcore's trace, as fvcore hands them to its handles."""

Flops = Callable[..., int]
"""FLOPs (2 × MACs) from shapes, with the signature of a formula in torch.utils.flop_counter."""

TRACED: dict[str, TracedMacs] = {}
"""By the name in the trace: ``namespace::operator``."""

DISPATCHED: dict[Any, Flops] = {}
"""By the operator itself: ``torch.ops.namespace.operator``."""


def count_in_traces(operator: str, macs: TracedMacs) -> None:
    """Announces how fvcore counts the operator ``namespace::operator``."""
    TRACED[operator] = macs


def count_when_run(operator: Any, flops: Flops) -> None:
    """Announces how torch's FlopCounterMode counts an operator such as ``torch.ops.namespace.operator``."""
    DISPATCHED[operator] = flops
