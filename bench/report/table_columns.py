"""The columns of the main table: each with its cells, one unit and one number of decimals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from bench.report import column_digits as of_column
from bench.report import digits, outcome
from bench.report.column_digits import Scale, Value
from bench.report.meanings import MEANINGS
from bench.report.rows import (
    NAMES,
    Index,
    Row,
    baselines,
    method_label,
    ratio_of,
    setting_word,
    to_dense,
    varying,
)


@dataclass(frozen=True)
class Cell:
    """``sort``: the number to sort by, or None to sort by the text. ``note``: words behind the text."""

    text: str
    sort: float | None = None
    note: str = ""
    mark: str = ""
    link: str = ""

    @property
    def whole(self) -> str:
        """All that the cell says: ``cannot tell, ±1.6 %``."""
        return ", ".join(part for part in (self.text, self.note, self.mark) if part)


@dataclass(frozen=True)
class Column:
    """A column with a cell for each row. ``key`` is its name for `--columns`; ``shown`` at first."""

    key: str
    header: str
    meaning: str
    numeric: bool
    cells: tuple[Cell, ...]
    shown: bool = True

    @property
    def css(self) -> str:
        """Classes of its cells: aligned as numbers are, and kept where a row is a card."""
        card = {"ratio": "card", "interval": "card", "verdict": "card verdict"}.get(self.key, "")
        return " ".join(part for part in ("number" if self.numeric else "", card) if part)


@dataclass(frozen=True)
class _Style:
    """How numbers are written: in which units, with how many decimals (None: those that the values bear), and
    what no bound of an interval may be rounded to."""

    scales: Sequence[Scale] = (of_column.PLAIN,)
    decimals: int | None = None
    watch: float | None = None


_PLAIN, _COUNTS, _SECONDS = _Style(), _Style(of_column.COUNTS), _Style(of_column.SECONDS)
_NAN = float("nan")


def columns_of(rows: Sequence[Row]) -> tuple[Column, ...]:
    """All columns that these rows have, in their order; those that are not shown at first too."""
    index = baselines(rows)
    return (
        _texts("backbone", "backbone", rows, lambda row: Cell(row["backbone"])),
        _texts("method", "method", rows, lambda row: Cell(method_label(row), link=row["anchor"])),
        *(_setting(column, rows) for column in varying(rows)),
        *_counts(rows, index),
        *_times(rows),
        *_memory(rows),
        *_others(rows),
    )


def _counts(rows: Sequence[Row], index: Index) -> Iterable[Column]:
    """What belongs to the network. Logical parameters and executed MACs are shown where they differ."""
    stored, logical = (_every(rows, column) for column in ("params", "logical_params"))
    macs, executed = (_every(rows, column) for column in ("macs", "executed_macs"))
    masked, padded = _differ(stored, logical), _differ(macs, executed)
    yield _numbers("params", "parameters", stored, _COUNTS, shown=False)
    yield _numbers("params_ratio", "parameters ÷ dense", _to_dense(rows, "params", index))
    yield _numbers("logical_params", "logical parameters", logical, _COUNTS, shown=False)
    yield _numbers(
        "logical_params_ratio", "logical ÷ dense", _to_dense(rows, "logical_params", index), shown=masked
    )
    yield _with_notes(
        _numbers(
            "macs",
            "MACs",
            macs,
            _COUNTS,
            shown=any(row["exits"] or row["disagreements"] for row in rows),
        ),
        ["expected" if row["exits"] else "" for row in rows],
        ["⚠ disputed" if row["disagreements"] else "" for row in rows],
    )
    yield _numbers("macs_ratio", "MACs ÷ dense", _every(rows, "macs_ratio"))
    yield _numbers("executed_macs", "executed MACs", executed, _COUNTS, shown=False)
    yield _numbers(
        "executed_ratio", "executed ÷ dense", _to_dense(rows, "executed_macs", index), shown=padded
    )


def _times(rows: Sequence[Row]) -> Iterable[Column]:
    latency = [Value(row["latency"], row["latency_low"], row["latency_high"]) for row in rows]
    estimates, intervals = _with_intervals("latency", "latency", latency, _SECONDS)
    yield from (estimates, replace(intervals, shown=False))
    if _any(rows, "launch_overhead"):
        shares = [
            digits.percent(row["launch_overhead"] / row["host_latency"])
            if digits.known(row["launch_overhead"])
            else ""
            for row in rows
        ]
        waits = _numbers("launch_overhead", "launch overhead", _every(rows, "launch_overhead"), _SECONDS)
        yield _with_notes(waits, shares)
    if _any(rows, "float32_ratio"):
        beside = [Value(r["float32_ratio"], r["float32_ratio_low"], r["float32_ratio_high"]) for r in rows]
        yield from _with_intervals("float32_ratio", "latency ÷ float32", beside, _Style(watch=1.0))
    yield from _ratios(rows)
    yield _texts("verdict", "verdict", rows, _verdict)
    told = [digits.known(row["delivered_low"]) for row in rows]
    shares_of = [
        Value(row["delivered_share"], row["delivered_low"], row["delivered_high"]) if is_told else Value(_NAN)
        for row, is_told in zip(rows, told, strict=True)
    ]
    whole_per_cent = _Style((of_column.PER_CENT,), decimals=0)
    yield from _with_intervals("delivered", "delivered share", shares_of, whole_per_cent)
    yield _numbers("trials", "trials", _every(rows, "trials"), _Style(decimals=0), shown=False)


def _ratios(rows: Sequence[Row]) -> Iterable[Column]:
    """The ratio to dense; one that is known to differ from 1 is never printed as 1."""
    values = [
        Value(row["ratio"], row["ratio_low"], row["ratio_high"])
        if not row["is_baseline"]
        else Value(1.0 if row["status"] == "ok" else _NAN)
        for row in rows
    ]
    decided = [row["ratio"] for row in rows if outcome.outcome(row) in (outcome.FASTER, outcome.SLOWER)]
    compared = [value for row, value in zip(rows, values, strict=True) if not row["is_baseline"]]
    decimals = of_column.told_apart(decided, max(2, of_column.decimals_for(compared)) if compared else 2)
    style = _Style(decimals=decimals, watch=1.0)
    yield from _with_intervals("ratio", "latency ÷ dense", values, style)


def _memory(rows: Sequence[Row]) -> Iterable[Column]:
    for key, header, shown in (
        ("weight_bytes", "weight bytes", True),
        ("exported_bytes", "exported file", True),
        ("live_peak", "live tensor peak", True),
        ("allocator_peak", "allocator peak", False),
        ("resident_growth", "resident growth", False),
        ("cuda_allocated_peak", "CUDA allocated peak", True),
        ("cuda_reserved_peak", "CUDA reserved peak", False),
        ("cuda_nvml_peak", "CUDA peak by NVML", False),
    ):
        if _any(rows, key) or key in ("weight_bytes", "live_peak", "allocator_peak", "resident_growth"):
            yield _numbers(key, header, _every(rows, key), _Style(of_column.BYTES), shown)


def _others(rows: Sequence[Row]) -> Iterable[Column]:
    if _any(rows, "energy"):
        watts = [
            f"{row['power']:.1f} W, idle {row['idle_power']:.1f} W" if digits.known(row["energy"]) else ""
            for row in rows
        ]
        yield _with_notes(
            _numbers("energy", "energy", _every(rows, "energy"), _Style(of_column.JOULES)), watts
        )
    for core in dict.fromkeys(row["emulates"] for row in rows if digits.known(row["instructions"])):
        there = [row if row["emulates"] == core else None for row in rows]
        counted, ratios = (
            [Value(_NAN if row is None else row[column]) for row in there]
            for column in ("instructions", "instructions_ratio")
        )
        words = instructions_of(core)
        yield _numbers("instructions", words, counted, _COUNTS)
        yield _numbers("instructions_ratio", f"{words} ÷ dense", ratios)


def instructions_of(core: str) -> str:
    """``instructions (emulated Cortex-A72)``."""
    name = "-".join(part.capitalize() for part in core.split("-"))
    return f"instructions (emulated {name or 'core'})"


def error_line(error: str, longest: int = 160) -> str:
    """The first line of an error, cut where it is long; the details have more of it."""
    first = error.strip().partition("\n")[0]
    return first if len(first) <= longest else first[: longest - 1] + "…"


def _verdict(row: Row) -> Cell:
    word = outcome.outcome(row)
    notes = []
    if word == outcome.CANNOT_TELL:
        notes.append(digits.resolution(ratio_of(row).half_width))
    if row["status"] == "ok" and row["failed_trials"]:
        notes.append(f"{row['failed_trials']} of {row['trials'] + row['failed_trials']} trials failed")
    if row["status"] != "ok" and row["error"]:
        notes.append(error_line(row["error"]))
    return Cell(word, note=", ".join(notes))


def _texts(key: str, header: str, rows: Sequence[Row], cell: Callable[[Row], Cell]) -> Column:
    return Column(key, header, MEANINGS[key], False, tuple(map(cell, rows)))


def _setting(column: str, rows: Sequence[Row]) -> Column:
    numeric = column in ("batch", "threads", "seed")
    cells = (Cell(setting_word(column, row[column]), float(row[column]) if numeric else None) for row in rows)
    return Column(column, NAMES[column], f"The case's {NAMES[column]}.", numeric, tuple(cells))


def _numbers(
    key: str, header: str, values: Sequence[Value], style: _Style = _PLAIN, shown: bool = True
) -> Column:
    """A column of numbers in one unit."""
    scale, scaled = _scaled(values, style.scales)
    places = of_column.decimals_for(scaled) if style.decimals is None else style.decimals
    if scale.factor == 1 and len(style.scales) > 1:
        places = 0  # whole things: counts and bytes
    cells = tuple(
        Cell(of_column.fixed(one.value, places), plain.value if digits.known(plain.value) else None)
        for one, plain in zip(scaled, values, strict=True)
    )
    return Column(key, _named(header, scale), MEANINGS[key], True, cells, shown)


_INTERVALS = {
    "latency": ("latency_interval", "latency interval"),
    "float32_ratio": ("float32_interval", "float32 interval"),
    "ratio": ("interval", "interval"),
    "delivered": ("delivered_interval", "share interval"),
}
"""Key and header of the intervals beside a column of estimates."""


def _with_intervals(
    key: str, header: str, values: Sequence[Value], style: _Style = _PLAIN
) -> tuple[Column, Column]:
    """A column of estimates, and beside it one of their intervals with the same decimals."""
    scale, scaled = _scaled(values, style.scales)
    places = of_column.decimals_for(scaled) if style.decimals is None else style.decimals
    cells = tuple(
        Cell(
            of_column.bounds(one.low, one.high, places, style.watch),
            plain.half if digits.known(plain.half) else None,
        )
        for one, plain in zip(scaled, values, strict=True)
    )
    key_of_intervals, words = _INTERVALS[key]
    return (
        _numbers(key, header, values, _Style((scale,), places)),
        Column(key_of_intervals, _named(words, scale), MEANINGS[key_of_intervals], True, cells),
    )


def _scaled(values: Sequence[Value], scales: Sequence[Scale]) -> tuple[Scale, list[Value]]:
    scale = of_column.scale_for((one.value for one in values), scales) if len(scales) > 1 else scales[0]
    factor = scale.factor
    return scale, [Value(one.value / factor, one.low / factor, one.high / factor) for one in values]


def _named(header: str, scale: Scale) -> str:
    return f"{header}, {scale.name}" if scale.name else header


def _with_notes(column: Column, notes: Sequence[str], marks: Sequence[str] = ()) -> Column:
    cells = [replace(cell, note=note) for cell, note in zip(column.cells, notes, strict=True)]
    if marks:
        cells = [replace(cell, mark=mark) for cell, mark in zip(cells, marks, strict=True)]
    return replace(column, cells=tuple(cells))


def _every(rows: Sequence[Row], column: str) -> list[Value]:
    return [Value(float(row[column])) for row in rows]


def _to_dense(rows: Sequence[Row], column: str, index: Index) -> list[Value]:
    return [Value(to_dense(row, column, index)) for row in rows]


def _differ(one: Sequence[Value], other: Sequence[Value]) -> bool:
    pairs = zip(one, other, strict=True)
    return any(a.value != b.value for a, b in pairs if digits.known(a.value) and digits.known(b.value))


def _any(rows: Sequence[Row], column: str) -> bool:
    return any(digits.known(row[column]) for row in rows)
