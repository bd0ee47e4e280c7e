"""The readings of one run for a history: what `bench run` measured at a commit."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from bench.analysis.commit_history import COUNTS, Reading
from bench.analysis.frame import make_frame
from bench.analysis.round_values import round_values
from bench.analysis.store import Results
from bench.case import FLOAT32

_INTERVALS = {"latency": ("latency_low", "latency_high"), "ratio": ("ratio_low", "ratio_high")}


def readings_of(results: Results, commit: str) -> list[Reading]:
    """All that a run says of its cases, as readings of ``commit``.

    Counts that are not known are left out. A time is nan where the case was asked for one and has none, or
    was mostly measured while others used the processor.
    """
    by_round = round_values(results)
    when = started_at(results)
    found = []
    for row in rows_of(results):
        case, line = str(row["case"]), _line(row)
        for metric in COUNTS:
            if not math.isnan(value := _number(row[metric])):
                found.append(Reading(line, case, metric, commit, value, when=when))
        trusted = by_round[case].trusted
        for metric, (low, high) in _INTERVALS.items():
            if (metric == "ratio" and row["is_baseline"]) or not by_round[case].trials:
                continue
            value, least, most = (_number(row[name]) if trusted else math.nan for name in (metric, low, high))
            found.append(Reading(line, case, metric, commit, value, least, most, when))
    return found


def rows_of(results: Results) -> list[dict[str, Any]]:
    """The rows of a run's frame; bytes of float32 weights are those of the counts where no process told."""
    counted = {
        planned.case.id: results.counts.get(("", planned.case.count_id))
        for planned in results.start.planned()
        if planned.case.dtype == FLOAT32
    }
    found = []
    for row in make_frame([results]).to_dict("records"):
        count = counted.get(str(row["case"]))
        if math.isnan(row["weight_bytes"]) and count is not None and count.counts is not None:
            row = {**row, "weight_bytes": float(count.counts.weight_bytes)}
        found.append({str(key): value for key, value in row.items()})
    return found


def started_at(results: Results) -> float:
    """When the run began, in seconds since 1970; 0 where it does not say."""
    try:
        began = datetime.fromisoformat(results.start.started)
    except ValueError:
        return 0.0
    return (began if began.tzinfo else began.replace(tzinfo=UTC)).timestamp()


def _line(row: dict[str, Any]) -> str:
    """The fingerprint holds all that must stay the same: processor, kernel, versions."""
    return f"{row['host_name'] or 'unknown host'} ({row['host'] or 'no fingerprint'})"


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
