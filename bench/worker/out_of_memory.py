"""What an allocator says when it has nothing more to give, in words. Standard library only.

torch's texts are of version 2.13: ``c10/core/impl/alloc_cpu.cpp`` and ``c10/cuda/CUDACachingAllocator.cpp``.
"""

from __future__ import annotations

import re

MEND = "a smaller batch or input needs less, and `seating: apart` puts fewer cases into one process"
"""What a person can do about a case that does not fit."""

_GPU = ("CUDA out of memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC")
_HOST = (
    "DefaultCPUAllocator",
    "std::bad_alloc",
    "Cannot allocate memory",
    "failed to map segment from shared object",
)
_ASKED = re.compile(
    r"(?:tried to allocate|unable to allocate) (\d+(?:\.\d*)?) (bytes|[KMGTPE]iB)\b", re.IGNORECASE
)
_MEBIBYTES = {"b": 2**-20, "k": 2**-10, "m": 1, "g": 2**10, "t": 2**20, "p": 2**30, "e": 2**40}


def ran_out(error: BaseException) -> str | None:
    """What ran out and how much was asked for, in one line; None for an error of another kind."""
    text = str(error)
    if isinstance(error, MemoryError):
        return _in_words("host", text)
    return ran_out_text(text) if isinstance(error, RuntimeError | OSError | ImportError) else None


def ran_out_text(text: str) -> str | None:
    """The same of what a process printed."""
    if any(sign in text for sign in _GPU):
        return _in_words("GPU", text)
    last_of_python = text.startswith("MemoryError") or "._ArrayMemoryError: " in text
    if last_of_python or any(sign in text for sign in _HOST):
        return _in_words("host", text)
    return None


def _in_words(where: str, text: str) -> str:
    """``the GPU gave no more memory: 20 MiB more were asked for``; without the size where it is not told."""
    words = f"the {where} gave no more memory"
    if (asked := _ASKED.search(text)) is None:
        return words
    mebibytes = float(asked[1]) * _MEBIBYTES[asked[2][0].lower()]
    return f"{words}: {mebibytes:,.{0 if mebibytes >= 10 else 2}f} MiB more were asked for"
