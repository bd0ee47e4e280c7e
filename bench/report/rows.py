"""Rows of the frame as plain mappings, and what tells one group of cases from another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from bench.analysis.stats import Interval
from bench.report.digits import known
from bench.report.prose import shortened

Row = Mapping[str, Any]

SETTING = ("run", "target", "runtime", "batch", "input", "threads", "memory_format", "dtype", "seed")
"""Columns beside backbone and method that make two latencies comparable only when they are equal."""

NAMES = {
    "run": "run",
    "target": "target",
    "runtime": "runtime",
    "batch": "batch",
    "input": "input",
    "threads": "threads",
    "memory_format": "memory format",
    "dtype": "dtype",
    "seed": "weight seed",
}
"""The setting columns as a reader calls them."""


_SELF_EXPLAINING = ("target", "runtime", "input", "memory_format", "dtype")


def records(frame: pd.DataFrame) -> list[Row]:
    """The frame's rows in order, long messages cut; ``arm`` is empty but in a run of two revisions."""
    return [_row({str(key): value for key, value in row.items()}) for row in frame.to_dict("records")]


def _row(row: dict[str, Any]) -> Row:
    replaced = [{**layer, **_short(layer, "before", "after")} for layer in row["replaced"]]
    left = [{**layer, **_short(layer, "reason")} for layer in row["left"]]
    disagreements = [shortened(str(line)) for line in row["disagreements"]]
    cut = {"replaced": replaced, "left": left, "disagreements": disagreements}
    return {**row, **cut, "error": shortened(row["error"])}


def _short(layer: Mapping[str, Any], *keys: str) -> dict[str, str]:
    return {key: shortened(str(layer[key])) for key in keys}


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
    return f"{row['backbone']}, {method_label(row)}" + (f" ({words})" if words else "")


def method_label(row: Row) -> str:
    """The methods with their knobs, and the arm where there are two: ``csr_conv(T=4) @head``."""
    return f"{row['label']} @{row['arm']}" if row["arm"] else str(row["label"])


def case_name(row: Row) -> str:
    """The case's id, and the arm where there are two."""
    return f"{row['case']}@{row['arm']}" if row["arm"] else str(row["case"])


def grouped(rows: Sequence[Row], columns: Sequence[str]) -> list[list[Row]]:
    """Rows with equal values in those columns together, in order of first appearance."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[c] for c in columns), []).append(row)
    return list(groups.values())


Index = Mapping[tuple[str, str, str], Row]
"""Run, arm and case id to the row."""


def baselines(rows: Iterable[Row]) -> Index:
    """The rows by what names them, to find a row's baseline."""
    return {(row["run"], row["arm"], row["case"]): row for row in rows}


def to_dense(row: Row, column: str, index: Index) -> float:
    """The row's value over that of its dense baseline, of the same run and arm; nan where unknown."""
    base = index.get((row["run"], row["arm"], row["baseline"]))
    if base is None or not known(row[column]) or not known(base[column]) or base[column] == 0:
        return float("nan")
    return float(row[column]) / float(base[column])


def ratio_of(row: Row) -> Interval:
    """The latency ratio to dense with its interval."""
    return Interval(row["ratio"], row["ratio_low"], row["ratio_high"], row["ratio_rounds"])
