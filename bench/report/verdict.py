"""The word for one case against dense: read off the interval of its ratio, never off the estimate."""

from __future__ import annotations

from bench.report.rows import Row, ratio_of
from bench.stats import Interval
from bench.verdict import CANNOT_TELL as CANNOT_TELL
from bench.verdict import FASTER as FASTER
from bench.verdict import SLOWER as SLOWER

NO_INTERVAL = "no interval"
NOT_COMPARED = "not compared"
BASELINE = "baseline"
FAILED = "failed"
NOT_RUN = "not run"

COMPARED = (FASTER, SLOWER, CANNOT_TELL)
"""The verdicts that rest on an interval."""


def judge(interval: Interval) -> str:
    """Faster or slower where the whole interval is on one side of 1; otherwise it cannot be told."""
    if not interval.known:
        return NO_INTERVAL
    if interval.high < 1:
        return FASTER
    return SLOWER if interval.low > 1 else CANNOT_TELL


def verdict(row: Row) -> str:
    """The row's verdict, or why it has none."""
    if row["status"] != "ok":
        return FAILED if row["status"] == "failed" else NOT_RUN
    if row["is_baseline"]:
        return BASELINE
    if row["ratio_rounds"] < 1:
        return NOT_COMPARED
    return judge(ratio_of(row))
