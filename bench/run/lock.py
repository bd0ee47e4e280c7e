"""One measuring run at a time on a host: a lock file with the pid of its holder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO

from bench.errors import InputError


def default_path() -> Path:
    """One file for all runs of this host."""
    return Path(tempfile.gettempdir()) / "csr-bench.run.lock"


class HostLock:
    """Held while trials run. The kernel lets go of it when its holder dies, so a stale file is no lock.

    ``wait`` False raises InputError when another run holds it; True waits and calls ``waiting(pid)`` once.
    """

    def __init__(
        self, wait: bool, waiting: Callable[[str], None] | None = None, path: Path | None = None
    ) -> None:
        self._wait = wait
        self._waiting = waiting
        self._path = path or default_path()
        self._handle: IO[str] | None = None

    def __enter__(self) -> HostLock:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            with contextlib.suppress(PermissionError):  # another user's file: he opened it for all
                os.fchmod(descriptor, 0o666)
        except OSError as error:
            raise InputError(f"lock {self._path}: {error.strerror}; remove it or set TMPDIR") from None
        handle = os.fdopen(descriptor, "r+", encoding="utf-8")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = handle.read().strip() or "unknown"
            if not self._wait:
                handle.close()
                raise InputError(
                    f"another run (pid {pid}) is measuring on this host; without --no-wait this one waits"
                ) from None
            if self._waiting is not None:
                self._waiting(pid)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
            except BaseException:
                handle.close()
                raise
        handle.seek(0)
        handle.truncate()
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        self._handle = handle
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            self._handle.truncate(0)
            self._handle.close()
            self._handle = None
