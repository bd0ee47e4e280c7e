"""Methods: what compresses a backbone, one file each, found by their decorator.

What the author of a method needs can be imported from here. It is loaded when it is asked for: importing
this package alone imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.counting.layer_count import LayerCount
    from bench.methods.parts.method import (
        METHODS,
        Context,
        Left,
        Method,
        Replaced,
        Rewritten,
        SecondsOf,
        method,
    )
    from bench.methods.parts.per_layer import replace_each
    from bench.methods.parts.selection import candidates, describe, exchange
else:
    _HOMES = {
        "LayerCount": "bench.counting.layer_count",
        **dict.fromkeys(
            ("METHODS", "Context", "Left", "Method", "Replaced", "Rewritten", "SecondsOf", "method"),
            "bench.methods.parts.method",
        ),
        "replace_each": "bench.methods.parts.per_layer",
        **dict.fromkeys(("candidates", "describe", "exchange"), "bench.methods.parts.selection"),
    }

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(_HOMES[name]), name)


__all__ = [
    "METHODS",
    "Context",
    "LayerCount",
    "Left",
    "Method",
    "Replaced",
    "Rewritten",
    "SecondsOf",
    "candidates",
    "describe",
    "exchange",
    "method",
    "replace_each",
]
