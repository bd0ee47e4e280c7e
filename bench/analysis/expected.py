"""Changes that were meant: declared in suites/expected.yaml, one line each, so that a gate lets them pass.

    - resnet20/csr_conv(T=4)/eager/cpu/b1/3x32x32 params 90762 → 90781 a learned alpha for each step

Counts are declared by both numbers. A slow-down is declared by the largest ratio that is meant, as
``CASE time 1 → 1.15 why``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from bench.analysis.commit_history import COUNTS
from bench.errors import InputError, nearest, quoted
from bench.plan.yaml_source import parse_yaml

FILE = "suites/expected.yaml"

TIME = "time"
"""The metric of a line about a ratio of times."""

FORM = "CASE METRIC OLD → NEW reason"

_LINE = re.compile(
    r"(?P<case>\S+) +(?P<metric>\S+) +(?P<old>\S+) +(?:→|->) +(?P<new>\S+)(?: +(?P<reason>.*))?"
)


@dataclass(frozen=True)
class Expected:
    """One declared change. ``where``: file and line, for messages."""

    case: str
    metric: str
    old: float
    new: float
    reason: str
    where: str

    @property
    def key(self) -> tuple[str, str, float, float]:
        """What makes two lines the same declaration, whatever their reasons."""
        return self.case, self.metric, self.old, self.new

    def line(self) -> str:
        """The change as it stands in the file."""
        return f"{self.case} {self.metric} {number(self.old)} → {number(self.new)} {self.reason}"


def number(value: float) -> str:
    """A count whole, a ratio with what digits it has."""
    return str(int(value)) if value.is_integer() else f"{value:g}"


def parse_expected(text: str, name: str = FILE) -> list[Expected]:
    """The declared changes of a file's text; nothing for an empty one.

    Raises InputError, with file and line, for what is no list of such lines, an unknown metric, a change
    without a reason, and a change declared twice.
    """
    source = parse_yaml(text, name)
    if source.data is None:
        return []
    if not isinstance(source.data, list):
        raise InputError(f"{name}: a list of lines is wanted, each `- {FORM}`")
    found: dict[tuple[str, str], Expected] = {}
    for at, entry in enumerate(source.data):
        where = source.where((at,))
        if not isinstance(entry, str):
            raise InputError(f"{where}: not a line of text; put it in quotes where it has a colon")
        one = _parse(entry, where)
        twice = found.setdefault((one.case, one.metric), one)
        if twice is not one:
            raise InputError(
                f"{where}: {one.case} {one.metric} is declared at {twice.where} already; keep one"
            )
    return list(found.values())


def _parse(entry: str, where: str) -> Expected:
    match = _LINE.fullmatch(entry.strip())
    if match is None:
        raise InputError(f"{where}: {quoted(entry)} is not of the form `{FORM}`")
    metric, reason = match["metric"], (match["reason"] or "").strip()
    known = (*COUNTS, TIME)
    if metric not in known:
        raise InputError(
            f"{where}: '{metric}' is no metric{nearest(metric, known) or '; valid are ' + ', '.join(known)}"
        )
    if not reason:
        raise InputError(f"{where}: a declared change needs a reason after its numbers")
    old, new = (_number(match[side], where) for side in ("old", "new"))
    if old == new:
        raise InputError(f"{where}: {number(old)} → {number(new)} is no change")
    if metric == TIME and not (old == 1 < new):
        raise InputError(
            f"{where}: a slow-down is declared as `time 1 → 1.15`: the largest ratio that is meant"
        )
    return Expected(match["case"], metric, old, new, reason, where)


def _number(text: str, where: str) -> float:
    try:
        value = float(text.replace(",", "").replace("_", ""))
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise InputError(f"{where}: {quoted(text)} is no number that a case could have")
    return value
