"""Figures to check against: one row each, with its kind, its source and what computes it here."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from bench.case import Shape, parse_shape
from bench.errors import InputError, nearest

TABLE = Path(__file__).with_name("published.csv")
"""The table that comes with the package."""


class Kind(StrEnum):
    """Where a figure comes from.

    ``published``: printed by the source, or stored in its results; the tolerance is half a unit of its
    last printed digit, 0 where it is printed in full, or the noise between seeds that the source shows.
    ``derived``: counted again from a published definition, by somebody else's hand than this code.
    ``formula``: a layer's or a file's size by the formula of the source.
    """

    PUBLISHED = "published"
    DERIVED = "derived"
    FORMULA = "formula"


@dataclass(frozen=True)
class Published:
    """A figure of a source, and the case that should give it.

    ``system``, ``network`` and ``variant`` are the source's words; ``backbone``, ``methods`` (applied
    one after the other, each as (name, knobs)) and ``classes`` (None: the backbone's own) are ours.
    """

    system: str
    network: str
    variant: str
    input: Shape
    metric: str
    value: float
    tolerance: float
    source: str
    backbone: str
    methods: tuple[tuple[str, dict[str, Any]], ...]
    classes: int | None
    where: str
    kind: Kind = Kind.PUBLISHED


COLUMNS = tuple(name for name in Published.__dataclass_fields__ if name not in ("where", "kind"))
"""Those that a table must have; ``kind`` may be left out, its rows are then published ones."""


def read_published(file: Path = TABLE) -> list[Published]:
    """Reads a table of published figures: CSV with the columns of ``Published``.

    ``methods`` is YAML: a method as in a suite, or a list of them. Raises InputError with file and line.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{file}: not a CSV file that can be read") from None
    reader = csv.DictReader(text.splitlines())
    header = reader.fieldnames or []
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise InputError(f"{file}:1: the column '{missing[0]}' is missing{nearest(missing[0], header)}")
    return [_row(row, f"{file}:{reader.line_num}") for row in reader]


def _row(row: dict[str, str], where: str) -> Published:
    if any(row[name] is None for name in COLUMNS):
        raise InputError(f"{where}: the row has fewer than {len(COLUMNS)} columns")
    try:
        shape = parse_shape(row["input"])
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    classes = _number(row["classes"], "classes", where) if row["classes"] else None
    return Published(
        system=row["system"],
        network=row["network"],
        variant=row["variant"],
        input=shape,
        metric=row["metric"],
        value=_number(row["value"], "value", where),
        tolerance=_number(row["tolerance"], "tolerance", where),
        source=row["source"],
        backbone=row["backbone"],
        methods=_methods(row["methods"], where),
        classes=None if classes is None else int(classes),
        where=where,
        kind=_kind(row.get("kind") or Kind.PUBLISHED, where),
    )


def _kind(text: str, where: str) -> Kind:
    if text not in set(Kind):
        known = ", ".join(Kind)
        raise InputError(f"{where}: unknown kind '{text}'{nearest(text, Kind)}: {known} work")
    return Kind(text)


def _number(text: str, column: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise InputError(f"{where}: {column} takes a number from 0 up, not '{text}'")
    return number


def _methods(text: str, where: str) -> tuple[tuple[str, dict[str, Any]], ...]:
    try:
        entries = yaml.safe_load(text)
    except yaml.YAMLError:
        raise InputError(f"{where}: methods: '{text}' is no YAML") from None
    calls: list[tuple[str, dict[str, Any]]] = []
    for entry in entries if isinstance(entries, list) else [entries]:
        if isinstance(entry, str):
            calls.append((entry, {}))
            continue
        knobs = next(iter(entry.values())) if isinstance(entry, dict) and len(entry) == 1 else None
        if not isinstance(knobs, dict):
            raise InputError(f"{where}: methods: write a name, or csr_conv: {{T: 4}}, or a list of them")
        calls.append((next(iter(entry)), knobs))
    if not calls:
        raise InputError(f"{where}: methods: the list is empty; 'dense' is the backbone as it is")
    return tuple(calls)
