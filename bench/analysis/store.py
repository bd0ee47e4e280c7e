"""Append-only JSON Lines under results/: one file per run and machine, flushed to disk per record."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from pydantic_core import from_json

from bench.analysis.compact import Compactor
from bench.analysis.records import (
    CountRecord,
    Probe,
    ProfileRecord,
    Record,
    RunEnd,
    RunStart,
    Trial,
    from_line,
    to_line,
)
from bench.analysis.redaction import Redactor
from bench.errors import InputError


@dataclass
class Results:
    """All records of one file; ``counts`` by arm and count id."""

    file: Path
    start: RunStart
    counts: dict[tuple[str, str], CountRecord] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    ends: list[RunEnd] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    profiles: dict[str, ProfileRecord] = field(default_factory=dict)
    """Case id -> its latest profile."""

    @property
    def complete(self) -> bool:
        """True when the run came to its end."""
        return bool(self.ends) and self.ends[-1].status == "complete"


class Store:
    """Appends records to one file; each is on the disk before ``append`` returns.

    The file is locked while it is open: a second run that would write to it is refused with InputError.
    Names of hosts and users and places on the disk are left out, but with a ``redactor`` that leaves them.
    """

    def __init__(self, file: Path, redactor: Redactor | None = None) -> None:
        self.file = file
        self._redactor = Redactor() if redactor is None else redactor
        self._handle: FileIO | None = None

    def __enter__(self) -> Store:
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            handle = self.file.open("ab", buffering=0)  # a buffer would be written again on closing
        except OSError as error:
            raise InputError(f"{self.file}: cannot be written: {error.strerror}; choose --results") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            raise InputError(f"{self.file}: another run is writing to it; wait for its end") from None
        self._handle = handle
        self._end_torn_line()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def append(self, record: Record) -> None:
        """Writes one line and waits until the disk has it. Raises InputError where it does not take it."""
        if self._handle is None:
            raise RuntimeError("the store is not open")
        line = memoryview(
            json.dumps(self._redactor.record(to_line(record)), separators=(",", ":")).encode() + b"\n"
        )
        before = os.fstat(self._handle.fileno()).st_size
        try:
            while line:
                line = line[self._handle.write(line) :]
            os.fsync(self._handle.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):  # half a line helps nobody
                os.ftruncate(self._handle.fileno(), before)
            raise InputError(
                f"{self.file}: {error.strerror}; what was measured before is kept, `--resume` goes on"
            ) from None

    def _end_torn_line(self) -> None:
        """A crash may have left half a line; the next record must not be glued to it."""
        assert self._handle is not None
        if self._handle.tell() == 0:
            return
        with self.file.open("rb") as reader:
            reader.seek(-1, os.SEEK_END)
            torn = reader.read(1) != b"\n"
        if torn:
            self._handle.write(b"\n")


def read_results(file: Path) -> Results:
    """All records of a results file.

    A line that is cut off is left out with one warning for the file. Raises InputError for a file that
    is not there, is of a newer schema, holds no run, or has a record of wrong types.
    """
    with without_collector():
        return _all_records(file)


@contextmanager
def without_collector() -> Iterator[None]:
    """Inside, no search for cycles: among millions of records it takes most of the time, and finds none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _all_records(file: Path) -> Results:
    start: RunStart | None = None
    counts: dict[tuple[str, str], CountRecord] = {}
    trials: list[Trial] = []
    ends: list[RunEnd] = []
    probes: list[Probe] = []
    profiles: dict[str, ProfileRecord] = {}
    torn: list[int] = []
    compactor = Compactor()
    for number, line in _lines(file):
        try:
            data = _read(line)
        except (ValueError, RecursionError):
            torn.append(number)
            continue
        if not isinstance(data, dict):
            raise InputError(f"{file}:{number}: not a csr-bench result")
        try:
            record = from_line(data)
        except ValueError as error:
            raise InputError(f"{file}:{number}: {error}") from None
        if isinstance(record, Trial):
            trials.append(compactor.compact(record))
        elif isinstance(record, RunStart):
            start = start or record
        elif isinstance(record, CountRecord):
            counts[record.key] = record
        elif isinstance(record, Probe):
            probes.append(record)
        elif isinstance(record, ProfileRecord):
            profiles[record.case] = record
        else:
            ends.append(record)
    if start is None:
        raise InputError(f"{file}: holds no run; a results file of `bench run` begins with one")
    if torn:
        where = ", ".join(map(str, torn[:5]))
        warnings.warn(f"{file}: line {where} is cut off and was left out", stacklevel=2)
    return Results(file, start, counts, trials, ends, probes, profiles)


def open_results(file: Path) -> BinaryIO:
    """A results file for reading. Raises OSError, and InputError for a device, which may have no end."""
    mode = file.stat().st_mode
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise InputError(f"{file}: a device, not a file")
    return file.open("rb")


def list_results(folder: Path) -> Iterator[Path]:
    """The results files of a folder, oldest first (their names begin with the time)."""
    yield from sorted(folder.glob("*.jsonl"))


def _read(line: bytes) -> Any:
    """The line's data. Raises ValueError or RecursionError for one that is no JSON."""
    try:
        return from_json(line, cache_strings="all")
    except ValueError:  # no JSON; or bytes and escapes that Python's own reader lets pass
        return json.loads(line.decode("utf-8", "replace"))


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with open_results(file) as handle:
            for number, line in enumerate(handle, start=1):
                if not line.isspace():
                    yield number, line
    except FileNotFoundError:
        raise InputError(f"{file}: no such file; `bench results` lists those there are") from None
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from None
