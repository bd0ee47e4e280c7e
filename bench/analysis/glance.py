"""What a results file holds at a glance: its first and last line are read, the others counted.

A file of 100,000 trials has hundreds of megabytes, of which a list of runs needs a few words. Every line is
looked at by its end, where records have their names and their status; a line that does not look as `Store`
writes it is read in full, so that nothing is counted that ``read_results`` would refuse by its form. What
stands inside a trial is checked by whoever reads it.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.analysis.records import READABLE, CountRecord, RunEnd, RunStart, Trial, from_line
from bench.analysis.store import open_results
from bench.errors import InputError

_HEAD = re.compile(rb'\{"schema":(%s),' % b"|".join(b"%d" % schema for schema in READABLE))
_TRIAL = re.compile(
    rb'"run":"[^"\\]*","case":("(?:[^"\\]|\\.)*"),"round":\d+,"position":\d+,"status":"(ok|failed)",'
    rb'(?:[^{}\[\]]*),"kind":"trial"\}\n?\Z'
)
_PROBE = re.compile(rb'"status":"(?:ok|failed)",(?:[^{}\[\]]*)"kind":"probe"\}\n?\Z')
_TAIL = 4096
"""Bytes of a line's end in which its names stand; a longer one is read in full."""


@dataclass(frozen=True)
class Glance:
    """A run in a list. ``failed``: cases with a failed trial, and networks that could not be counted."""

    start: RunStart
    trials: int
    failed: int
    complete: bool


def glance(file: Path) -> Glance:
    """The run of a results file, for a list of runs.

    Raises InputError and warns as ``bench.analysis.store.read_results`` does, but for what stands inside a
    trial's or probe's own fields.
    """
    seen = _Seen(file)
    try:
        with open_results(file) as handle:
            for number, line in enumerate(handle, start=1):
                seen.line(number, line)
    except FileNotFoundError:
        raise InputError(f"{file}: no such file; `bench results` lists those there are") from None
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from None
    return seen.glance()


def may_go_on(file: Path, digest: str) -> bool:
    """False for a file that is no unfinished run of a plan with this digest, by its first and last line.

    Raises InputError for a file that cannot be read.
    """
    try:
        with open_results(file) as handle:
            if f'"{digest}"'.encode() not in handle.readline():
                return False
            size = os.fstat(handle.fileno()).st_size
            handle.seek(max(0, size - _TAIL))
            last = handle.read().rstrip().rpartition(b"\n")[2]
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from None
    try:
        record: Any = json.loads(last)
    except (ValueError, RecursionError):
        return True
    return not (
        isinstance(record, dict) and record.get("kind") == "end" and record.get("status") == "complete"
    )


class _Seen:
    """What the lines so far told."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._start: RunStart | None = None
        self._trials = 0
        self._cases: set[str] = set()
        self._counts: dict[tuple[str, str], bool] = {}
        self._complete = False
        self._torn: list[int] = []

    def line(self, number: int, line: bytes) -> None:
        """Takes the next line in."""
        if not line.strip():
            return
        if _HEAD.match(line):
            tail = line[-_TAIL:]
            if found := _TRIAL.search(tail):
                self._trials += 1
                if found[2] == b"failed":
                    self._cases.add(json.loads(found[1]))
                return
            if _PROBE.search(tail):
                return
        self._read(number, line)

    def glance(self) -> Glance:
        """All of it. Raises InputError where there was no run."""
        if self._start is None:
            raise InputError(f"{self._file}: holds no run; a results file of `bench run` begins with one")
        if self._torn:
            where = ", ".join(map(str, self._torn[:5]))
            warnings.warn(f"{self._file}: line {where} is cut off and was left out", stacklevel=3)
        failed = len(self._cases) + sum(not ok for ok in self._counts.values())
        return Glance(self._start, self._trials, failed, self._complete)

    def _read(self, number: int, line: bytes) -> None:
        try:
            data = json.loads(line.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            self._torn.append(number)
            return
        if not isinstance(data, dict):
            raise InputError(f"{self._file}:{number}: not a csr-bench result")
        try:
            record = from_line(data)
        except ValueError as error:
            raise InputError(f"{self._file}:{number}: {error}") from None
        if isinstance(record, RunStart):
            self._start = self._start or record
        elif isinstance(record, CountRecord):
            self._counts[record.key] = record.status == "ok"
        elif isinstance(record, Trial):
            self._trials += 1
            if record.status != "ok":
                self._cases.add(record.case)
        elif isinstance(record, RunEnd):
            self._complete = record.status == "complete"
