"""Rows of the frame as plain mappings, and what tells one group of cases from another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from bench.report.digits import known
from bench.stats import Interval

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
    return str(value).replace("x", " × ") if column == "input" else str(value)


def setting(row: Row, columns: Iterable[str]) -> str:
    """The row's setting in those columns: ``runtime eager, batch 8``; empty for no column."""
    return ", ".join(f"{NAMES[c]} {setting_word(c, row[c])}" for c in columns)


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


def baselines(rows: Iterable[Row]) -> dict[tuple[str, str], Row]:
    """(run, case id) -> row, to find a row's baseline."""
    return {(row["run"], row["case"]): row for row in rows}


def to_dense(row: Row, column: str, index: Mapping[tuple[str, str], Row]) -> float:
    """The row's value over its dense baseline's; nan where either is not known."""
    base = index.get((row["run"], row["baseline"]))
    if base is None or not known(row[column]) or not known(base[column]) or base[column] == 0:
        return float("nan")
    return float(row[column]) / float(base[column])


def ratio_of(row: Row) -> Interval:
    """The latency ratio to dense with its interval."""
    return Interval(row["ratio"], row["ratio_low"], row["ratio_high"], row["ratio_rounds"])
