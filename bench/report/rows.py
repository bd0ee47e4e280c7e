"""Rows of the frame as plain mappings, and what tells one group of cases from another."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from bench.analysis.stats import Interval
from bench.report.digits import known
from bench.report.prose import shortened

Row = Mapping[str, Any]

SETTING = (
    "run", "machine", "target", "runtime", "batch", "input", "threads", "memory_format", "dtype", "seed",
)  # fmt: skip
"""Columns beside backbone and method that make two latencies comparable only when they are equal."""

NAMES = {
    "run": "run",
    "machine": "host",
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


_SELF_EXPLAINING = ("machine", "target", "runtime", "input", "memory_format", "dtype")


def records(frame: pd.DataFrame) -> list[Row]:
    """The frame's rows in order, long messages cut; ``arm`` is empty but in a run of two revisions.

    ``machine`` is what a reader calls the host: its name, with its id where hosts share the name.
    ``anchor`` names the row on the page: by position, as one case may be in several runs.
    """
    rows = [
        {**_row({str(key): value for key, value in row.items()}), "anchor": f"case-{number}"}
        for number, row in enumerate(frame.to_dict("records"), start=1)
    ]
    return _with_machines(rows)


def _with_machines(rows: Sequence[Row]) -> list[Row]:
    """A row that was measured nowhere has its baseline's machine, where there is just one."""
    ids: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        ids.setdefault((row["host_name"], row["target"]), set()).add(row["host"])
    shared = {name for (name, _), found in ids.items() if len(found) > 1 or not name}
    named = [{**row, "machine": _machine(row, shared)} for row in rows]
    of_base: dict[tuple[str, str, str], set[str]] = {}
    for row in named:
        of_base.setdefault((row["run"], row["arm"], row["baseline"]), set()).add(row["machine"])
    found: list[Row] = []
    for row in named:
        around = of_base[row["run"], row["arm"], row["baseline"]] - {""}
        found.append({**row, "machine": around.pop()} if not row["machine"] and len(around) == 1 else row)
    return found


def _machine(row: Row, shared: Collection[str]) -> str:
    if row["host_name"] not in shared:
        return str(row["host_name"])
    return " ".join(part for part in (row["host_name"], row["host"] and f"({row['host']})") if part)


def _row(row: dict[str, Any]) -> Row:
    replaced = [{**layer, **_short(layer, "before", "after")} for layer in row["replaced"]]
    left = [{**layer, **_short(layer, "reason")} for layer in row["left"]]
    disagreements = [shortened(str(line)) for line in row["disagreements"]]
    cut = {"replaced": replaced, "left": left, "disagreements": disagreements}
    return {**row, **cut, "error": shortened(row["error"])}


def _short(layer: Mapping[str, Any], *keys: str) -> dict[str, str]:
    return {key: shortened(str(layer[key])) for key in keys}


def varying(rows: Sequence[Row]) -> tuple[str, ...]:
    """Setting columns with more than one value; a machine that is not known is none."""
    values = {column: {row[column] for row in rows} for column in SETTING}
    values["machine"].discard("")
    return tuple(column for column in SETTING if len(values[column]) > 1)


def constant(rows: Sequence[Row]) -> tuple[tuple[str, str], ...]:
    """Setting columns with one value for all rows: (name, value)."""
    if not rows:
        return ()
    changing = varying(rows)
    told = (c for c in SETTING if c not in changing and c != "machine")  # the hosts have a part of their own
    return tuple((NAMES[c], setting_word(c, rows[0][c])) for c in told)


def setting_word(column: str, value: Any) -> str:
    """One setting's value as text."""
    if column == "machine" and not value:
        return "no host"
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


Index = Mapping[tuple[str, str, str, str], Row]
"""Run, arm, case id and host to the row; without the host, to the first of the case's."""


def baselines(rows: Iterable[Row]) -> Index:
    """The rows by what names them, to find a row's baseline."""
    found: dict[tuple[str, str, str, str], Row] = {}
    for row in rows:
        found[row["run"], row["arm"], row["case"], row["host"]] = row
        found.setdefault((row["run"], row["arm"], row["case"], ""), row)
    return found


def to_dense(row: Row, column: str, index: Index) -> float:
    """The row's value over that of its dense baseline, of the same run and arm; nan where unknown."""
    names = (row["run"], row["arm"], row["baseline"])
    base = index.get((*names, row["host"])) or index.get((*names, ""))
    if base is None or not known(row[column]) or not known(base[column]) or base[column] == 0:
        return float("nan")
    return float(row[column]) / float(base[column])


def ratio_of(row: Row) -> Interval:
    """The latency ratio to dense with its interval."""
    return Interval(row["ratio"], row["ratio_low"], row["ratio_high"], row["ratio_rounds"])
