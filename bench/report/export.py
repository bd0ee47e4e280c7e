"""The table of cases as CSV, Markdown and LaTeX: one source for `bench export` and the page's copy buttons.

CSV is for programs: every known number with all its digits, knobs as columns. Markdown and LaTeX are for
readers: the columns and digits of the page. A text is a head, a line for each row, and a foot; the page has
all cells in these spellings already and only chooses and joins them.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from bench.analysis.records import Json
from bench.errors import InputError, nearest
from bench.report import digits, outcome
from bench.report.rows import Row
from bench.report.table import Table, ordered, table
from bench.report.table_columns import Column, error_line

CSV, MARKDOWN, LATEX = FORMATS = ("csv", "markdown", "latex")

_IDENTITY = (
    "case", "run", "arm", "host", "host_name", "target", "backbone", "method", "label", "runtime", "batch",
    "input", "threads", "memory_format", "dtype", "seed", "is_baseline", "baseline", "status",
)  # fmt: skip
_NUMBERS = (
    "params", "logical_params", "params_ratio", "macs", "executed_macs", "macs_ratio", "flops",
    "activation_macs", "other_elements", "weight_bytes", "latency", "latency_low", "latency_high", "trials",
    "failed_trials", "left_out_trials", "ratio", "ratio_low", "ratio_high", "ratio_rounds", "p_value",
    "smallest_change", "delivered_share", "delivered_low", "delivered_high", "first_call", "p90",
    "host_latency", "launch_overhead", "float32_ratio", "float32_ratio_low", "float32_ratio_high",
    "compile_seconds", "export_seconds", "exported_bytes", "live_peak", "allocator_peak", "resident_growth",
    "cuda_allocated_peak", "cuda_reserved_peak", "cuda_nvml_peak", "energy", "power", "idle_power",
    "intensity", "attainable", "instructions", "instructions_ratio",
)  # fmt: skip


@dataclass(frozen=True)
class Sheet:
    """Named columns of texts: what CSV is made of."""

    names: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


def export(rows: Sequence[Row], form: str, names: Sequence[str] | None = None) -> str:
    """All rows in one of FORMATS; ``names`` chooses columns and their order.

    Raises InputError for a column that there is not.
    """
    if form == CSV:
        sheet = _chosen_of_sheet(csv_sheet(rows), names)
        return "".join(map(_csv_line, (sheet.names, *sheet.lines)))
    found = table(rows, None)
    chosen = _chosen(found.columns, names)
    groups = [[[line.cells[at].whole for at in chosen] for line in group.lines] for group in found.groups]
    columns = [found.columns[at] for at in chosen]
    return _markdown(columns, groups) if form == MARKDOWN else _latex(columns, groups)


def column_names(rows: Sequence[Row], form: str) -> tuple[str, ...]:
    """The columns that the rows have in that format."""
    return csv_sheet(rows).names if form == CSV else tuple(column.key for column in table(rows, None).columns)


def csv_sheet(rows: Sequence[Row]) -> Sheet:
    """What programs read: identity, knobs and numbers; of the numbers only those that any row has."""
    lines = [row for group in ordered(rows) for row in group]
    knobs = sorted({str(knob) for row in rows for knob in row["knobs"]})
    numbers = [name for name in _NUMBERS if any(digits.known(row[name]) for row in rows)]
    verdict_at = numbers.index("ratio_rounds") + 1 if "ratio_rounds" in numbers else len(numbers)
    columns: list[tuple[str, Callable[[Row], Any]]] = [(name, _of(name)) for name in _IDENTITY]
    columns += [(f"knob.{knob}", _knob(knob)) for knob in knobs]
    columns += [(name, _of(name)) for name in numbers[:verdict_at]]
    columns += [("verdict", outcome.outcome)]
    columns += [(name, _of(name)) for name in numbers[verdict_at:]]
    columns += [("error", lambda row: error_line(row["error"]))]
    texts = (tuple(_plain(value(row)) for _, value in columns) for row in lines)
    return Sheet(tuple(name for name, _ in columns), tuple(texts))


def page_texts(rows: Sequence[Row], found: Table) -> str:
    """JSON of what the page's copy buttons join; it cannot end the script that it stands in.

    Rows are in the order of the table's lines. ``latex`` cells that read as in ``markdown`` are null.
    """
    shown = rows[: len(found.lines)]
    sheet = csv_sheet(shown)
    markdown = [[_in_markdown(cell.whole) for cell in line.cells] for line in found.lines]
    latex = [
        [
            _in_latex(cell.whole, column.numeric)
            for cell, column in zip(line.cells, found.columns, strict=True)
        ]
        for line in found.lines
    ]
    data: Json = {
        "csv": {"head": _csv_line(sheet.names), "lines": list(map(_csv_line, sheet.lines))},
        "columns": [
            {
                "key": column.key,
                "markdown": _in_markdown(column.header),
                "rule": _rule(column),
                "latex": _header_in_latex(column),
                "spec": _spec(column, (cell.whole for cell in column.cells)),
            }
            for column in found.columns
        ],
        "markdown": markdown,
        "latex": [
            [None if cell == other else cell for cell, other in zip(line, others, strict=True)]
            for line, others in zip(latex, markdown, strict=True)
        ],
        "preamble": PREAMBLE,
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _chosen(columns: Sequence[Column], names: Sequence[str] | None) -> list[int]:
    """Places of the columns with these keys; without any those that the page shows at first."""
    if names is None:
        return [at for at, column in enumerate(columns) if column.shown]
    keys = [column.key for column in columns]
    _check(names, keys)
    return [keys.index(name) for name in names]


def _chosen_of_sheet(sheet: Sheet, names: Sequence[str] | None) -> Sheet:
    if names is None:
        return sheet
    _check(names, sheet.names)
    places = [sheet.names.index(name) for name in names]
    return Sheet(tuple(names), tuple(tuple(line[at] for at in places) for line in sheet.lines))


def _check(names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise InputError(f"--columns: '{name}' is no column here{nearest(name, known)}")


def _of(name: str) -> Callable[[Row], Any]:
    return lambda row: row[name]


def _knob(knob: str) -> Callable[[Row], Any]:
    return lambda row: row["knobs"].get(knob, "")


def _plain(value: Any) -> str:
    """A value with all its digits; nothing for what is not known."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        number = float(value)
        if not math.isfinite(number):
            return ""
        return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _csv_line(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


Groups = Sequence[Sequence[Sequence[str]]]


def _markdown(columns: Sequence[Column], groups: Groups) -> str:
    lines = [[_in_markdown(column.header) for column in columns], [_rule(column) for column in columns]]
    lines += [list(map(_in_markdown, line)) for group in groups for line in group]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _rule(column: Column) -> str:
    return "---:" if column.numeric else "---"


_MARKDOWN = str.maketrans(
    {"\\": "\\\\", "|": "\\|", "<": "&lt;", "&": "&amp;", "`": "\\`", "*": "\\*", "\n": " ", "\r": " "}
)


def _in_markdown(text: str) -> str:
    return text.translate(_MARKDOWN)


PREAMBLE = "% \\usepackage{booktabs, siunitx}\n"
"""What the document needs, as the first line of the table."""


def _latex(columns: Sequence[Column], groups: Groups) -> str:
    spec = "".join(_spec(column, (cell.whole for cell in column.cells)) for column in columns)
    head = " & ".join(map(_header_in_latex, columns))
    parts = [
        "".join(
            " & ".join(_in_latex(cell, column.numeric) for cell, column in zip(line, columns, strict=True))
            + " \\\\\n"
            for line in group
        )
        for group in groups
    ]
    body = "\\midrule\n".join(parts)
    return (
        f"{PREAMBLE}\\begin{{tabular}}{{{spec}}}\n\\toprule\n{head} \\\\\n\\midrule\n"
        f"{body}\\bottomrule\n\\end{{tabular}}\n"
    )


def _header_in_latex(column: Column) -> str:
    """Braces keep siunitx from reading a header as a number."""
    text = _escaped(column.header)
    return f"{{{text}}}" if column.numeric else text


def _spec(column: Column, cells: Iterable[str]) -> str:
    """siunitx's S with the digits that the column needs; r where its cells are no plain numbers."""
    if not column.numeric:
        return "l"
    numbers = [cell for cell in cells if _is_number(cell)]
    if not numbers:
        return "r"
    whole = max(len(number.partition(".")[0]) for number in numbers)
    decimals = max(len(number.partition(".")[2]) for number in numbers)
    return f"S[table-format={whole}.{decimals}]" if decimals else f"S[table-format={whole}]"


def _is_number(cell: str) -> bool:
    return cell.replace(digits.MINUS, "", 1).replace(".", "", 1).isdecimal() and cell.isprintable()


def _in_latex(text: str, numeric: bool) -> str:
    if not numeric:
        return _escaped(text)
    return text.replace(digits.MINUS, "-") if _is_number(text) else f"{{{_escaped(text)}}}"


_LATEX = str.maketrans(
    {
        "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", "$": "\\$", "&": "\\&", "#": "\\#", "_": "\\_",
        "%": "\\%", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}",
        ">": "\\textgreater{}", "|": "\\textbar{}", "\N{NO-BREAK SPACE}": "~", "÷": "$\\div$",
        "×": "$\\times$",
        "±": "$\\pm$", "µ": "\\textmu{}", "–": "--", "—": "---", digits.MINUS: "$-$", "≤": "$\\leq$",
        "⚠": "!", "\n": " ", "\r": " ",
    }
)  # fmt: skip


def _escaped(text: str) -> str:
    return text.translate(_LATEX)
