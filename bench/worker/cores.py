"""Which cores a measuring process runs on."""

from __future__ import annotations

import os


def pin(threads: int) -> list[int] | str:
    """Binds this process to ``threads`` cores of its mask: the highest, away from core 0's interrupts.

    Returns the cores, or "unknown" where the system cannot bind. Raises ValueError when the mask has
    fewer cores than threads.
    """
    if not hasattr(os, "sched_setaffinity"):
        return "unknown"
    mask = sorted(os.sched_getaffinity(0))
    if threads > len(mask):
        raise ValueError(f"{threads} threads on {len(mask)} cores: at most {len(mask)} threads work here")
    cores = mask[len(mask) - threads :]
    os.sched_setaffinity(0, cores)
    return cores
