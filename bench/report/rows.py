"""Rows of the frame as plain mappings, and what tells one group of cases from another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from bench.analysis.stats import Interval
from bench.report.digits import known

Row = Mapping[str, Any]

SETTING = ("run", "target", "runtime", "batch", "input", "threads", "memory_format", "seed")
"""Columns beside backbone and method that make two latencies comparable only when they are equal."""

NAMES = {
    "run": "run",
    "target": "target",
    "runtime": "runtime",
    "batch": "batch",
    "input": "input",
    "threads": "threads",
    "memory_format": "memory format",
    "seed": "weight seed",
}
"""The setting columns as a reader calls them."""


_SELF_EXPLAINING = ("target", "runtime", "input", "memory_format")


def records(frame: pd.DataFrame) -> list[Row]:
    """The frame's rows in order."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def varying(rows: Sequence[Row]) -> tuple[str, ...]:
    """Setting columns with more than one value."""
    return tuple(column for column in SETTING if len({row[column] for row in rows}) > 1)


def constant(rows: Sequence[Row]) -> tuple[tuple[str, str], ...]:
    """Setting columns with one value for all rows: (name, value)."""
    if not rows:
        return ()
    changing = varying(rows)
    return tuple((NAMES[c], setting_word(c, rows[0][c])) for c in SETTING if c not in changing)


def setting_word(column: str, value: Any) -> str:
    """One setting's value as text."""
    return str(value).replace("x", "×") if column == "input" else str(value)


def setting(row: Row, columns: Iterable[str]) -> str:
    """The row's setting in those columns: ``eager, batch 8``; empty for no column."""
    return ", ".join(
        setting_word(c, row[c]) if c in _SELF_EXPLAINING else f"{NAMES[c]} {row[c]}" for c in columns
    )


def name(row: Row, columns: Iterable[str]) -> str:
    """Backbone, method and the setting: ``vgg16, csr_conv(T=4) (batch 8)``."""
    words = setting(row, columns)
    return f"{row['backbone']}, {row['label']}" + (f" ({words})" if words else "")


def grouped(rows: Sequence[Row], columns: Sequence[str]) -> list[list[Row]]:
    """Rows with equal values in those columns together, in order of first appearance."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[c] for c in columns), []).append(row)
    return list(groups.values())


def arm(row: Row) -> str:
    """The arm of a run that measures two revisions, which ends the row's case id; empty for other runs."""
    _, at, tail = str(row["case"]).rpartition("@")
    return tail if at and str(row["label"]).endswith(f"@{tail}") else ""


def baselines(rows: Iterable[Row]) -> dict[tuple[str, str], Row]:
    """(run, case id) -> row, to find a row's baseline."""
    return {(row["run"], row["case"]): row for row in rows}


def _baseline(row: Row, index: Mapping[tuple[str, str], Row]) -> Row | None:
    """The row's own dense baseline: of the same arm, where the run has arms."""
    own = f"{row['baseline']}@{arm(row)}" if arm(row) else row["baseline"]
    return index.get((row["run"], own))


def to_dense(row: Row, column: str, index: Mapping[tuple[str, str], Row]) -> float:
    """The row's value over its dense baseline's; nan where either is not known."""
    base = _baseline(row, index)
    if base is None or not known(row[column]) or not known(base[column]) or base[column] == 0:
        return float("nan")
    return float(row[column]) / float(base[column])


def ratio_of(row: Row) -> Interval:
    """The latency ratio to dense with its interval."""
    return Interval(row["ratio"], row["ratio_low"], row["ratio_high"], row["ratio_rounds"])
