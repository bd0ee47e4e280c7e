"""How the command line ends before its work is done: asked to, or by a mistake of ours."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import shlex
import signal
import stat
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from types import FrameType

import bench
from bench.cli.screen import one_line, say, silence
from bench.registry import in_one_line
from bench.worker.out_of_memory import ran_out

INTERNAL_ERROR = 70
"""``EX_SOFTWARE`` of sysexits.h: no verdict of a verb has this code."""

INTERRUPTED = 130
"""128 and the number of SIGINT, as a shell says it."""

AGAIN_AFTER = 0.1
"""Seconds after which a request that was lost is repeated."""

_VERSIONS_OF = ("torch", "torchvision", "numpy", "pandas", "pydantic", "typer", "rich")
_LONGEST = 300
_MEND = "a smaller network or batch, or fewer results at once, need less"


def interrupt_when_asked_to_end() -> None:
    """From here on SIGTERM and SIGHUP are answered like Ctrl-C: what is open is closed in good order.

    A second request does not disturb the cleaning up. What the caller ignores (``nohup``) stays ignored. A
    request that comes while an object is finalised is repeated: Python lets no exception out of there.
    """
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _as_interrupt)
    if not isinstance(sys.unraisablehook, _Repeating):
        sys.unraisablehook = _Repeating(sys.unraisablehook)


class _Repeating:
    """Python's hook for exceptions that it lets out of nowhere: an interrupt among them comes again."""

    number: int = signal.SIGINT
    """The latest request."""
    is_lost = False

    def __init__(self, otherwise: Callable[[sys.UnraisableHookArgs], object]) -> None:
        self._otherwise = otherwise

    def __call__(self, raised: sys.UnraisableHookArgs, /) -> None:
        if not issubclass(raised.exc_type, KeyboardInterrupt):
            self._otherwise(raised)
            return
        _Repeating.is_lost = True
        again = threading.Timer(AGAIN_AFTER, os.kill, (os.getpid(), self.number))
        again.daemon = True
        again.start()


def _once_more(number: int, frame: FrameType | None) -> None:
    """Answers a second request: it counts where the first was lost."""
    if _Repeating.is_lost:
        _as_interrupt(number, frame)


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    del frame
    _Repeating.number, _Repeating.is_lost = number, False
    signal.signal(number, _once_more)
    if number == getattr(signal, "SIGHUP", None):
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, OSError, ValueError):
                if stat.S_ISCHR(os.fstat(stream.fileno()).st_mode):  # the terminal, which has been closed
                    silence(stream)
    raise KeyboardInterrupt


def internal_error(error: Exception) -> int:
    """Says in one line that the mistake is ours, or that memory ran out, and where the traceback is.

    Returns the exit code.
    """
    words = one_line(in_one_line(error))
    words = words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"
    lacking = ran_out(error)
    words = f"internal error: {words}" if lacking is None else f"{lacking}; {_MEND}"
    asked = ", please report it" if lacking is None else ""
    try:
        file = _save(error)
    except OSError:
        say(_account(error), err=True)
        say(f"bench: {words}; the traceback is above{asked}", err=True)
    else:
        say(f"bench: {words}; the traceback is in {file}{asked}", err=True)
    return INTERNAL_ERROR


def _save(error: Exception) -> str:
    """The traceback in a file that only this user can read; its path."""
    descriptor, file = tempfile.mkstemp(prefix="csr-bench-error-", suffix=".txt")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as handle:
            handle.write(_account(error))
    except OSError:
        os.unlink(file)  # noqa: PTH108 - a path as tempfile gives it
        raise
    return file


def _account(error: Exception) -> str:
    versions = {"csr-bench": bench.__version__, "Python": platform.python_version()}
    for name in _VERSIONS_OF:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return "\n".join(
        [
            f"command: {shlex.join(sys.argv)}",
            f"time: {datetime.now(UTC).isoformat(timespec='seconds')}",
            f"system: {platform.platform()}",
            *(f"{name}: {version}" for name, version in versions.items()),
            "",
            "".join(traceback.format_exception(error)),
        ]
    )
