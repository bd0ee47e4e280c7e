"""What a run found, for a terminal: a table per backbone, what was marked, and why the run ended. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.analysis.frame import make_frame
from bench.analysis.store import Results
from bench.report import digits, outcome
from bench.report.prose import plural
from bench.report.rows import Row, grouped, method_label, ratio_of, records, setting, varying

COLUMNS = ("method", "params ×", "MACs ×", "latency", "latency ÷ dense", "verdict", "marks")
INSTRUCTIONS = "instructions ×"
"""The column that stands before the verdict where an emulated core was measured."""

LONGEST_ERROR = 100

_NUMBERS = (
    "params_ratio", "macs_ratio", "latency", "latency_low", "latency_high", "ratio", "ratio_low",
    "ratio_high", "instructions_ratio",
)  # fmt: skip
_AS_THEY_ARE = (
    "case", "arm", "backbone", "label", "knobs", "baseline", "host_name", "trials", "failed_trials", "marks",
    "left_out_trials", "error", "weights", "discarded",
)  # fmt: skip


@dataclass(frozen=True)
class Group:
    """The cases of one backbone in one setting, a row of cells each."""

    title: str
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Account:
    """What a run found. ``right``: columns of numbers; ``ending``: totals, then why the run ended."""

    columns: tuple[str, ...]
    right: tuple[int, ...]
    groups: tuple[Group, ...]
    notes: tuple[str, ...]
    ending: tuple[str, ...]
    data: tuple[dict[str, Any], ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for ``--json``: numbers instead of cells, None for what is not known."""
        return {"cases": list(self.data), "notes": list(self.notes), "ending": list(self.ending)}


def account(results: Results) -> Account:
    """What is printed of a results file.

    Ratios of parameters and MACs are logical ones: zeros count nothing, as in the report's frontier.
    """
    rows = records(make_frame([results]))
    bands = {case: measure.get("resolution") for case, measure in results.start.measures().items()}
    emulated = any(digits.known(row["instructions_ratio"]) for row in rows)
    columns = (*COLUMNS[:5], INSTRUCTIONS, *COLUMNS[5:]) if emulated else COLUMNS
    return Account(
        columns=columns,
        right=tuple(range(1, columns.index("verdict"))),
        groups=tuple(_groups(rows, bands, emulated)),
        notes=tuple(_notes(rows)),
        ending=(_totals(rows), _reason(results, rows)),
        data=tuple(map(_data, rows)),
    )


def _groups(rows: Sequence[Row], bands: Mapping[str, object], emulated: bool) -> Iterable[Group]:
    columns = varying(rows)
    for group in grouped(rows, ("backbone", *columns)):
        unit = digits.unit_for(row["latency"] for row in group)
        words = setting(group[0], columns)
        title = f"{group[0]['backbone']}" + (f" ({words})" if words else "")
        yield Group(title, tuple(_cells(row, unit, bands[row["case"]], emulated) for row in group))


def _cells(row: Row, unit: digits.Unit, band: object, emulated: bool) -> tuple[str, ...]:
    instructions = [_times(row["instructions_ratio"])] if emulated else []
    cells = [
        method_label(row),
        _times(row["params_ratio"]),
        _times(row["macs_ratio"]),
        _latency(row, unit),
        _ratio(row),
        *instructions,
        _verdict(row, band),
        _marks(row),
    ]
    return tuple(cell.replace("\N{NO-BREAK SPACE}", " ") for cell in cells)


def _times(ratio: Any) -> str:
    return digits.times(ratio).removesuffix("×").rstrip()


def _latency(row: Row, unit: digits.Unit) -> str:
    """Three digits in one unit for the group: its interval is that of the ratio, or the report's."""
    if not digits.known(row["latency"]):
        return digits.MISSING
    value = row["latency"] / unit.seconds
    text = f"{value:,.0f}" if value >= 1000 else f"{value:#.3g}".rstrip(".")
    return f"{text} {unit.name}"


def _ratio(row: Row) -> str:
    if row["is_baseline"]:
        return "1" if row["status"] == "ok" else digits.MISSING
    text, interval = digits.with_interval(row["ratio"], row["ratio_low"], row["ratio_high"], watch=1)
    return f"{text} ({interval.replace(' to ', '–')})" if interval else text


def _verdict(row: Row, band: object) -> str:
    word = outcome.outcome(row)
    if word == outcome.SAME and digits.known(band):
        return f"{word} within {_percent(band)}"
    if word == outcome.CANNOT_TELL:
        return f"{word} ({digits.resolution(ratio_of(row).half_width)})"
    if word == outcome.FAILED:
        return f"{word}: {_cut(row['error'])}"
    return word


def _cut(error: str) -> str:
    first = error.strip().partition("\n")[0]
    return first if len(first) <= LONGEST_ERROR else first[: LONGEST_ERROR - 1] + "…"


def _percent(band: float) -> str:
    return f"{100 * band:.3g} %"


def _marks(row: Row) -> str:
    found = [f"{mark} {number}" for mark, number in row["marks"].items()]
    if row["left_out_trials"]:
        found.append(f"left out {row['left_out_trials']}")
    if row["status"] == "ok" and row["failed_trials"]:
        found.append(f"failed {row['failed_trials']}")
    if row["disagreements"]:
        found.append("MACs disputed")
    return ", ".join(found)


def _notes(rows: Sequence[Row]) -> Iterable[str]:
    marks: Counter[str] = Counter()
    for row in rows:
        marks.update(row["marks"])
    trials = sum(row["trials"] for row in rows)
    if marks:
        words = ", ".join(f"{mark} {number}" for mark, number in sorted(marks.items()))
        out = sum(row["left_out_trials"] for row in rows)
        yield f"marks on {plural(trials, 'trial')}: {words}; left out of the estimates: {out}"
    if lost := [row for row in rows if row["discarded"]]:
        methods = ", ".join(dict.fromkeys(method_label(row) for row in lost))
        yield f"loaded weights discarded in {plural(len(lost), 'case')}, whose layers are fresh: {methods}"
    hosts = sorted({row["machine"] for row in rows} - {""})
    if hosts:
        yield f"measured on {', '.join(hosts)}"


def _totals(rows: Sequence[Row]) -> str:
    found = Counter(outcome.outcome(row) for row in rows)
    return f"{plural(len(rows), 'case')}: {', '.join(f'{number} {word}' for word, number in found.items())}"


def _reason(results: Results, rows: Sequence[Row]) -> str:
    if not results.ends:
        return "unfinished: the run has no end; `bench run SUITE --resume` goes on"
    if not results.complete:
        return "interrupted: `bench run SUITE --resume` goes on where it stopped"
    measure = results.start.measure
    rounds = sorted(row["ratio_rounds"] for row in rows if row["ratio_rounds"])
    if measure.get("rounds") is not None or "min_rounds" not in measure:
        asked = measure.get("rounds")
        return "complete" + (f": {plural(asked, 'round')}, as asked for" if isinstance(asked, int) else "")
    unknown = sum(outcome.outcome(row) == outcome.CANNOT_TELL for row in rows)
    if not rounds:
        return "complete"
    span = str(rounds[0]) if rounds[0] == rounds[-1] else f"{rounds[0]} to {rounds[-1]}"
    if not unknown:
        return f"complete: every verdict is known, after {span} rounds"
    most = measure.get("max_rounds")
    return f"complete: after {most} rounds {plural(unknown, 'verdict')} cannot be told"


def _data(row: Row) -> dict[str, Any]:
    known = {name: float(row[name]) if digits.known(row[name]) else None for name in _NUMBERS}
    plain = {name: row[name] for name in _AS_THEY_ARE}
    rounds = {"rounds": int(row["ratio_rounds"]), "verdict": outcome.outcome(row)}
    return {**plain, **known, **rounds, "resolution": _half(row)}


def _half(row: Row) -> float | None:
    half = ratio_of(row).half_width
    return math.expm1(half) if digits.known(half) else None
