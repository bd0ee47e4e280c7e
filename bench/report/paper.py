"""The table on A4: the columns that a sheet has room for at a size that can be read."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from bench.report.rows import SETTING
from bench.report.table_columns import Column

ROOM = 700.0
"""CSS pixels between the margins of A4, less a little: browsers shrink all where a table is wider."""

FIRST = (
    "backbone",
    "method",
    *SETTING,
    "ratio",
    "interval",
    "verdict",
    "params_ratio",
    "macs_ratio",
    "latency",
)
"""Keys of the columns that come first where there is no room for all; the others follow in their order."""

_LETTER, _BOLD, _PADDING = 5.3, 6.1, 7.0
_WIDEST = {"backbone": 65.0, "method": 137.0}
_WIDE = 137.0


def left_out(columns: Sequence[Column], room: float = ROOM) -> list[int]:
    """Places, from 1 on, of shown columns without room on paper."""
    shown = [at for at, column in enumerate(columns, start=1) if column.shown]
    order = sorted(shown, key=lambda at: _rank(columns[at - 1].key))
    found = []
    for at in order:
        width = _width(columns[at - 1])
        if width > room:
            found.append(at)
        else:
            room -= width
    return sorted(found)


def paper_rule(columns: Sequence[Column]) -> Markup:
    """The rule that leaves them out; empty where all have room."""
    rule = ",".join(f"#table tr > :nth-child({at})" for at in left_out(columns))
    return Markup(f"@media print{{{rule}{{display:none}}}}" if rule else "")


def paper_words(columns: Sequence[Column]) -> str:
    """Which columns paper leaves out, in a sentence; empty where none is."""
    names = "; ".join(columns[at - 1].header for at in left_out(columns))
    return f"Without room on paper: {names}. `bench export` has every column." if names else ""


def _rank(key: str) -> int:
    return FIRST.index(key) if key in FIRST else len(FIRST)


def _width(column: Column) -> float:
    """What a column needs at 7 points, by letters: nothing here can measure text."""
    head = max((len(word) for word in column.header.split()), default=0) * _BOLD
    cells = max((len(cell.whole) for cell in column.cells), default=0) * _LETTER
    if column.key == "verdict":
        cells += 2 * _LETTER  # its sign
    return min(max(head, cells), _WIDEST.get(column.key, _WIDE)) + _PADDING
