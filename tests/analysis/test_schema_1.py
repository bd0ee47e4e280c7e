"""Files of schema 1 stay readable, and give the frame that they gave when they were written."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.analysis.frame import make_frame
from bench.analysis.store import read_results

FOLDER = Path(__file__).parents[1] / "data" / "schema-1"
FILES = sorted(FOLDER.glob("*.jsonl"))


def rows(file: Path) -> list[dict[str, Any]]:
    """The frame's rows as JSON has them, under the names of the stored frames.

    Those have the arm in case and label, and call ``live_peak`` what is ``allocator_peak``.
    """
    frame = make_frame([read_results(file)])
    found: list[dict[str, Any]] = json.loads(json.dumps(frame.to_dict("records"), default=_plain))
    for row in found:
        for name in ("live_peak", "live_peak_by_order"):
            row[name] = row[name.replace("live", "allocator")]
        if row.get("arm"):
            row["case"], row["label"] = f"{row['case']}@{row['arm']}", f"{row['label']} @{row['arm']}"
    return found


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(type(value).__name__)


def same(stored: Any, found: Any) -> bool:
    """Equal, to the last digits of a float; what is not known is null in the file and nan in the frame."""
    if isinstance(stored, dict) and isinstance(found, dict):
        return stored.keys() == found.keys() and all(same(stored[k], found[k]) for k in stored)
    if isinstance(stored, list) and isinstance(found, list):
        return len(stored) == len(found) and all(map(same, stored, found))
    if stored is None:
        return found is None or (isinstance(found, float) and math.isnan(found))
    if isinstance(stored, bool) or isinstance(found, bool):
        return stored is found
    if isinstance(stored, int | float) and isinstance(found, int | float):
        return math.isclose(stored, found, rel_tol=1e-12)
    return bool(stored == found)


def test_there_are_files() -> None:
    assert {file.stem for file in FILES} == {"mixed", "pair", "smoke"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_stored_file_gives_its_stored_frame(file: Path) -> None:
    stored = json.loads(file.with_suffix(".frame.json").read_text(encoding="utf-8"))
    found = rows(file)
    assert [row["case"] for row in found] == [row["case"] for row in stored]
    differing = [
        f"{row['case']}: {column}: {row[column]!r} was stored, {now.get(column)!r} is read"
        for row, now in zip(stored, found, strict=True)
        for column in row
        if column not in now or not same(row[column], now[column])
    ]
    assert differing == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_allocators_peak_is_not_shown_as_that_of_live_tensors(file: Path) -> None:
    frame = make_frame([read_results(file)])
    assert frame["live_peak"].isna().all()
    assert not any(frame["live_peak_by_order"])
    assert frame["allocator_peak"].notna().any()


@pytest.mark.parametrize(
    ("stored", "found"),
    [(1.0, 1.0 + 1e-9), (None, 0.0), (True, 1), (1, True), ([1], [1, 2]), ({"a": 1}, {"b": 1}), ("1", 1)],
)
def test_what_differs_is_seen(stored: Any, found: Any) -> None:
    assert not same(stored, found)
