"""The main table: a line for each case, grouped by backbone and setting, the dense baseline first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bench.report import outcome
from bench.report.rows import Row, case_name, grouped, setting, varying
from bench.report.table_columns import Cell, Column, columns_of

MOST_LINES = 1000
"""Cases that the page's table shows: more make a page that no browser likes. `bench export` has them all."""


@dataclass(frozen=True)
class Line:
    """A row: its cells, and what it is chosen by."""

    cells: tuple[Cell, ...]
    verdict: str
    anchor: str
    backbone: str
    method: str
    is_baseline: bool


@dataclass(frozen=True)
class Group:
    """One backbone in one setting: its dense baseline first, and it stays there whatever is sorted by."""

    name: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Choice:
    """Values that one can choose rows by: ``backbone``, ``method`` or ``verdict``."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Columns, and the rows by group. ``all_lines``: how many cases there are, which may be more."""

    columns: tuple[Column, ...]
    groups: tuple[Group, ...]
    choices: tuple[Choice, ...]
    disputes: tuple[tuple[str, tuple[str, ...]], ...]
    all_lines: int

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines in the order of the page."""
        return tuple(line for group in self.groups for line in group.lines)

    @property
    def hiding(self) -> Markup:
        """The rule that hides the columns which are not shown at first, without a class in every cell."""
        places = [at for at, column in enumerate(self.columns, start=1) if not column.shown]
        rule = ",".join(f"#table tr > :nth-child({at})" for at in places)
        return Markup(f"{rule}{{display:none}}" if places else "")


def table(rows: Sequence[Row], most: int | None = MOST_LINES) -> Table:
    """The table of the first ``most`` rows; None for all."""
    shown = rows if most is None else rows[:most]
    columns = columns_of(shown)
    lines = {
        row["anchor"]: Line(
            tuple(column.cells[at] for column in columns),
            outcome.outcome(row),
            row["anchor"],
            row["backbone"],
            row["method"],
            row["is_baseline"],
        )
        for at, row in enumerate(shown)
    }
    groups = tuple(
        Group(_group_name(group[0], shown), tuple(lines[row["anchor"]] for row in _baseline_first(group)))
        for group in ordered(shown)
    )
    choices = tuple(
        Choice(name, values)
        for name in ("backbone", "method", "verdict")
        if len(values := tuple(dict.fromkeys(getattr(line, name) for line in lines.values()))) > 1
    )
    disputes = tuple((case_name(row), tuple(row["disagreements"])) for row in shown if row["disagreements"])
    return Table(columns, groups, choices, disputes, len(rows))


def ordered(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows of each backbone and setting together, the baseline first."""
    return [_baseline_first(group) for group in grouped(rows, ("backbone", "arm", *varying(rows)))]


def _baseline_first(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: not row["is_baseline"])


def _group_name(row: Row, rows: Sequence[Row]) -> str:
    words = setting(row, varying(rows))
    return f"{row['backbone']}" + (f" ({words})" if words else "")
