"""Guest instructions of a call, as the plugin of qemu counts them that lies beside this file.

A processor that qemu stands in for has no clock worth reading, but it executes the same instructions every
time. The plugin (instructions.c) sees a system call that no kernel knows as the beginning and the end of what
is counted, and answers through a pipe. Anywhere else nobody answers, and nothing is known.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
from collections.abc import Callable
from typing import Any

MARK = 0x43535242
"""The code of the system call ``prctl``; instructions.c has the same."""

BEGIN, END = 1, 2

KINDS = ("multiply_add", "load", "store", "branch", "other")
"""What ``total`` is the sum of: floating-point instructions that multiply and add, loads, stores, branches,
and all others. An instruction on a vector counts once, whatever its width."""

LONGEST = 4096
"""Bytes of an answer at most: a pipe holds as much, so nobody waits for a reader."""


def instructions(call: Callable[[], object], repeats: int = 3) -> dict[str, int] | None:
    """Instructions of one call by kind with their ``total``: of the ``repeats`` calls, the one in the middle.

    None where no plugin answers. What is done only once (code that is translated, memory that is allocated)
    belongs before it.
    """
    gc.collect()
    collects = gc.isenabled()
    gc.disable()  # a collection falls into one call and not into another
    try:
        found = [_counted(call) for _ in range(repeats)]
    finally:
        if collects:
            gc.enable()
    counts = [one for one in found if one is not None]
    return sorted(counts, key=lambda one: one["total"])[len(counts) // 2] if counts else None


def _counted(call: Callable[[], object]) -> dict[str, int] | None:
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    answered, answer = os.pipe()
    try:
        os.set_blocking(answered, False)
        prctl(MARK, BEGIN, 0, 0, 0)
        call()
        prctl(MARK, END, answer, 0, 0)
        try:
            told: Any = json.loads(os.read(answered, LONGEST))
        except (BlockingIOError, ValueError):
            return None
    finally:
        os.close(answered)
        os.close(answer)
    return {str(kind): int(count) for kind, count in told.items()}
