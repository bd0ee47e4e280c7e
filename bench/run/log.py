"""The log of a run, beside its results: every command that was launched, how long it lived, how it ended.

Modules of this room write to loggers below ``bench.run``; here their lines get a file, and with ``-v`` they
are printed. Names of hosts and users and places on the disk are left out as in the results, and environments,
keys and questions to workers are never written.
"""

from __future__ import annotations

import logging
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import bench
from bench.analysis.redaction import Redactor

log = logging.getLogger("bench.run")

LONGEST_LINE = 2_000
"""Characters of a line: a traceback's end stands in the results."""


def log_of(results: Path) -> Path:
    """The log that belongs to a results file."""
    return results.with_suffix(".log")


@contextmanager
def run_log(results: Path, redactor: Redactor, tell: Callable[[str], None] | None = None) -> Iterator[None]:
    """Inside, what the run does is written to ``log_of(results)``, and told to ``tell`` where there is one.

    A log that cannot be written stops no run.
    """
    handlers: list[logging.Handler] = [_Quiet(log_of(results), redactor)]
    if tell is not None:
        handlers.append(_Teller(tell, redactor))
    before = log.level
    log.setLevel(logging.DEBUG)
    for handler in handlers:
        log.addHandler(handler)
    try:
        log.info("csr-bench %s, Python %s", bench.__version__, platform.python_version())
        log.info("command: %s", " ".join(["bench", *sys.argv[1:]]))
        yield
    except BaseException as error:
        log.info("ended by %s: %s", type(error).__name__, error)
        raise
    finally:
        for handler in handlers:
            log.removeHandler(handler)
            handler.close()
        log.setLevel(before)


class _Lines(logging.Formatter):
    """``2026-01-31T12:00:00.123Z text``, on one line, without names and places."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(message)s", "%Y-%m-%dT%H:%M:%S")
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        record.message = self._redactor.text(record.getMessage())
        record.asctime = time.strftime(self.datefmt or "", time.gmtime(record.created))
        line = self.formatMessage(record).encode("utf-8", "backslashreplace").decode()
        line = "".join(c if c.isprintable() else " " for c in line)
        return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…"


class _Quiet(logging.FileHandler):
    """A file whose troubles are nobody's: what was measured counts."""

    def __init__(self, file: Path, redactor: Redactor) -> None:
        super().__init__(file, encoding="utf-8", delay=True)
        self.setFormatter(_Lines(redactor))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:  # it cannot be opened
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name that logging calls
        del record

    def close(self) -> None:
        try:
            super().close()
        except OSError:  # a full disk: the buffer cannot be written any more
            self.stream = None


class _Teller(logging.Handler):
    def __init__(self, tell: Callable[[str], None], redactor: Redactor) -> None:
        super().__init__()
        self._tell = tell
        self.setFormatter(_Lines(redactor))

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(self.format(record))
