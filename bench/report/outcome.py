"""What became of a case: its verdict against dense, or why it has none."""

from __future__ import annotations

from bench.analysis.verdict import CANNOT_TELL as CANNOT_TELL
from bench.analysis.verdict import FASTER as FASTER
from bench.analysis.verdict import SAME as SAME
from bench.analysis.verdict import SLOWER as SLOWER
from bench.report import digits
from bench.report.rows import Row, ratio_of

NO_INTERVAL = "no interval"
NOT_COMPARED = "not compared"
NOT_TIMED = "not timed"
"""Measured on an emulated core, where a time means nothing."""

BASELINE = "baseline"
FAILED = "failed"
NOT_RUN = "not run"

COMPARED = (FASTER, SLOWER, SAME, CANNOT_TELL)
"""The verdicts that rest on an interval."""


def outcome(row: Row) -> str:
    """The word for the row: the frame's verdict, or the reason why there is none."""
    if row["status"] != "ok":
        return FAILED if row["status"] == "failed" else NOT_RUN
    if row["is_baseline"]:
        return BASELINE
    if row["emulates"] and row["ratio_rounds"] < 1:
        return NOT_TIMED
    if row["ratio_rounds"] < 1:
        return NOT_COMPARED
    return str(row["verdict"]) if ratio_of(row).known else NO_INTERVAL


def ratio_words(row: Row) -> str:
    """The latency over dense in three digits; one that was told from 1 never looks like it: ``1.004 ×``."""
    if outcome(row) not in (FASTER, SLOWER):
        return digits.times(row["ratio"])
    return f"{digits.ratio(row['ratio'])}\N{NO-BREAK SPACE}×"
