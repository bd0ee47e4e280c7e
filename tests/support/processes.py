"""Processes that tests start and look for: whether one runs, and the number that it wrote down."""

from __future__ import annotations

import time
from pathlib import Path

LOOKS = 3000
"""At a hundredth of a second each: a loaded host may take long over what is a moment elsewhere."""


def alive(pid: int) -> bool:
    """True while a process runs; one that has ended but was not yet collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(pid: int) -> bool:
    """True once the process has ended; the kernel may take a moment after the signal."""
    for _ in range(LOOKS):
        if not alive(pid):
            return True
        time.sleep(0.01)
    return False


def number_in(file: Path) -> int:
    """The number that a process writes into a file, when it is there. Raises TimeoutError."""
    for _ in range(LOOKS):
        if file.exists() and file.read_text().strip():
            return int(file.read_text())
        time.sleep(0.01)
    raise TimeoutError(file)
