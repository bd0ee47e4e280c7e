"""One measuring run at a time on a host: a lock file with the pid of its holder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from bench.errors import InputError

NAME = "csr-bench.lock"


def default_path() -> Path:
    """One file for all runs of this host, whoever starts them: TMPDIR does not move it."""
    shared = Path("/tmp")
    return (shared if shared.is_dir() else Path(tempfile.gettempdir())) / NAME


class HostLock:
    """Held while trials run. The kernel lets go of it when its holder dies, so a stale file is no lock.

    ``wait`` False raises InputError when another run holds it; True waits and calls ``waiting(pid)`` once.
    The file lies where everybody may write, so a symbolic link there is refused, and only a file of this
    user's own is ever written to; another user's is locked as it is.
    """

    def __init__(
        self, wait: bool, waiting: Callable[[str], None] | None = None, path: Path | None = None
    ) -> None:
        self._wait = wait
        self._waiting = waiting
        self._path = path or default_path()
        self._descriptor: int | None = None
        self._own = False

    def __enter__(self) -> HostLock:
        descriptor = self._open()
        try:
            self._take(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        if self._own:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        """Lets go before the end of the block."""
        if self._descriptor is not None:
            if self._own:
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int:
        try:
            descriptor = self._opened()
        except OSError as error:
            raise InputError(f"lock {self._path}: {error.strerror}; remove what is there") from None
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            os.close(descriptor)
            raise InputError(f"lock {self._path}: not a file of its own; remove what is there")
        self._own = found.st_uid == os.geteuid()
        if not self._own:
            # flock needs no right to write, and what is not ours is not written to.
            os.close(descriptor)
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        return descriptor

    def _opened(self) -> int:
        """The file, made where there is none; a link is not followed."""
        flags = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        for _ in range(3):  # between a look and the making another run may make or remove it
            try:
                return os.open(self._path, os.O_RDWR | flags)
            except PermissionError:
                return os.open(self._path, os.O_RDONLY | flags)
            except FileNotFoundError:
                with contextlib.suppress(FileExistsError):
                    return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | flags, 0o644)
        return os.open(self._path, os.O_RDWR | flags)

    def _take(self, descriptor: int) -> None:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        word = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        pid = word if word.isdigit() else "unknown"
        if not self._wait:
            raise InputError(
                f"another run (pid {pid}) is measuring on this host; without --no-wait this one waits"
            )
        if self._waiting is not None:
            self._waiting(pid)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
