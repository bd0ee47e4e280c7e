"""Holes of the heap: free chunks between what is in use, left behind by what was built and taken down.

glibc's allocator answers a request from the smallest hole that fits. So activations lie wherever others
happened to leave room, and a latency depends on what else was built in its process, even on what is gone
again (tests/benchmarks/bias.py, docs/measurement.md). Where holes are occupied, activations lie at the heap's
top, one behind the other.
"""

from __future__ import annotations

import ctypes
from typing import Any

LARGEST, SMALLEST = 2**29, 2**12
"""Bytes of a chunk that occupies a hole. A larger one would be a mapping of its own; into smaller holes no
activation goes that matters, and there are many of them."""


class _Info(ctypes.Structure):
    """``struct mallinfo2`` of glibc's malloc.h, all of it in bytes or chunks."""

    fordblks: int
    keepcost: int
    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd",
            "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    )  # fmt: skip


def can_occupy() -> bool:
    """Whether the C library tells of its heap: glibc does from 2.33 on, others do not."""
    return hasattr(ctypes.CDLL(None), "mallinfo2")


def occupy_holes(smallest: int = SMALLEST) -> int:
    """Takes every hole of ``smallest`` bytes or more for as long as the process lives; returns their bytes.

    No page is touched for it. Raises AttributeError where ``can_occupy`` is false.
    """
    library: Any = ctypes.CDLL(None)
    library.mallinfo2.restype = _Info
    library.malloc.argtypes, library.malloc.restype = (ctypes.c_size_t,), ctypes.c_void_p
    library.free.argtypes, library.free.restype = (ctypes.c_void_p,), None
    taken, size = 0, LARGEST
    while size >= smallest:
        before: _Info = library.mallinfo2()
        if before.fordblks - before.keepcost < size:  # less than that is free below the top
            size //= 2
            continue
        chunk = library.malloc(size)
        after: _Info = library.mallinfo2()
        if after.keepcost == before.keepcost and after.fordblks < before.fordblks:
            taken += size
        else:  # it came off the top, so no hole is as large as that
            library.free(chunk)
            size //= 2
    return taken
