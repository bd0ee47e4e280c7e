"""What a worker started, found by a mark in its environment, which every process hands on to its children.

A process group is not enough: a child in a session of its own has left it. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

MARK = "CSR_BENCH_WORKER"
"""Variable with the mark of a worker; it is as long for every worker, so that no stack lies otherwise."""

_PROC = Path("/proc")


def end_marked(mark: str, but: int = 0) -> int:
    """Ends every process with this mark, except the calling one and ``but``; returns how many there were.

    Where the system does not show a process's environment (no /proc), there is none to be found.
    """
    ended = 0
    for pid in _marked(mark):
        if pid not in (but, os.getpid()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
                ended += 1
    return ended


def end_offspring() -> None:
    """Ends all that this process started: its last deed."""
    if mark := os.environ.get(MARK):
        end_marked(mark)


def end_with_offspring() -> None:
    """Ends all that this process started, its group where it leads one, and at last itself."""
    end_offspring()
    if os.getpgrp() == os.getpid():  # never the group of somebody who started a worker by hand
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def ended_by(code: int) -> str:
    """How a process ended: ``ended with code 3``, ``was ended by SIGSEGV``."""
    if code >= 0:
        return f"ended with code {code}"
    name = f"signal {-code}"
    with contextlib.suppress(ValueError):  # the real-time signals have no names
        name = signal.Signals(-code).name
    return f"was ended by {name}{' (out of memory?)' if name == 'SIGKILL' else ''}"


def _marked(mark: str) -> Iterator[int]:
    wanted = f"{MARK}={mark}".encode()
    try:
        entries = list(os.scandir(_PROC))
    except OSError:
        return
    for entry in entries:
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # somebody else's, or ended meanwhile
            if wanted in (_PROC / entry.name / "environ").read_bytes().split(b"\0"):
                yield int(entry.name)
