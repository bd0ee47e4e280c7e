"""Runtimes: what executes a network, one file each, found by their decorator.

The names below are loaded when they are asked for: importing this package alone imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.runtimes.base import RUNTIMES, Runtime, runtime
else:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module("bench.runtimes.base"), name)


__all__ = ["RUNTIMES", "Runtime", "runtime"]
