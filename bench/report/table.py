"""The main table: one row per case, each cell with its text and the number it sorts by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.report import digits, outcome
from bench.report.prose import paragraph
from bench.report.rows import (
    NAMES,
    Index,
    Row,
    baselines,
    case_name,
    method_label,
    ratio_of,
    setting_word,
    to_dense,
    varying,
)

CUDA = (
    ("cuda_allocated_peak", "CUDA allocated peak"),
    ("cuda_reserved_peak", "CUDA reserved peak"),
    ("cuda_nvml_peak", "CUDA peak by NVML"),
)

MEANINGS = {
    header: paragraph(meaning)
    for header, meaning in {
        "backbone": "The network before compression.",
        "method": "What compresses the backbone, with its knobs; leads to the case's details.",
        "parameters": """
            Numbers that the stored model holds, and their ratio to dense; below, where it differs, the
            logical number: distinct non-zero weights.
        """,
        "MACs": """
            Multiply-accumulates of convolution and linear layers for one image if zeros cost nothing
            (logical), and their ratio to dense; below, where it differs, what the runtime executes. Expected:
            the mean over the inputs of a network that they leave at several exits.
        """,
        "latency": """
            Time of one forward call on a whole batch: centre of the trials' medians, with its interval over
            trials.
        """,
        "latency ÷ dense": """
            Latency over the dense baseline's, formed of turns next to each other in time, with its interval
            over fresh processes; below 1 is faster.
        """,
        "verdict": """
            Same where the whole interval lies within the resolution asked for (1 % unless the run says
            otherwise); else faster or slower where it lies on one side of 1 and the difference survives
            Holm's correction for all cases of the run; otherwise it cannot be told, and half the
            interval stands below. Intervals and verdicts are corrected for every look that the run took.
        """,
        "delivered share": """
            log(dense latency ÷ latency) over log(dense MACs ÷ logical MACs): how much of the promised saving
            arrived; undefined where no MACs are saved.
        """,
        "weight bytes": "Bytes of everything that the model's state holds: parameters and buffers.",
        "exported file": """
            Bytes on the disk of what the runtime loads, written once before all trials; nothing for a runtime
            that runs the network itself.
        """,
        "live tensor peak": """
            Highest sum of bytes of tensors alive during one forward; weights and input excluded. It belongs
            to the network: the same on every processor.
        """,
        "allocator peak": """
            Highest sum of bytes that torch's allocator had given out during one forward: live tensors and
            kernels' scratch. It belongs to the network and this host.
        """,
        "resident growth": """
            How far the process's resident high-water mark rose while it ran: median over trials, noisy.
        """,
        "CUDA allocated peak": """
            Highest sum of bytes that torch allocated on the GPU during one forward beyond what it held
            before.
        """,
        "instructions": """
            Machine instructions of one forward call that an emulated core executed, and their ratio to dense;
            the same in every run to a few parts in ten thousand. No measure of time: instructions differ in
            what they cost, and caches are not part of it.
        """,
        "CUDA reserved peak": "Highest sum of bytes that torch's allocator had reserved on the GPU.",
        "CUDA peak by NVML": """
            What the driver had given the process by the end of its calls: context, code and reserved memory.
        """,
        "launch overhead": """
            Host time of a call less what the device needs when all its work was launched in advance: one
            waits for the other. Below, its share of the host time.
        """,
        "latency ÷ float32": """
            Latency over that of the same case in float32, from processes of the same rounds, with its
            interval; no verdict. Ratios to dense are within a dtype.
        """,
        "energy": """
            Energy of one forward call on a whole batch by the hardware's counter, what the host uses idle
            subtracted; below, the power while it was called and idle. Of the whole GPU, or of all processor
            packages.
        """,
    }.items()
}
"""What each column's number is, in one sentence."""


@dataclass(frozen=True)
class Cell:
    """``small``: lines under the text. ``sort``: the number to sort by, or None to sort by the text."""

    text: str
    small: tuple[str, ...] = ()
    sort: float | None = None
    mark: str = ""
    link: str = ""


@dataclass(frozen=True)
class Column:
    """A header with its meaning in one sentence."""

    header: str
    meaning: str
    numeric: bool
    cell: Callable[[int, Row], Cell]


@dataclass(frozen=True)
class Line:
    """A row: its cells, and its verdict for the colour."""

    cells: tuple[Cell, ...]
    verdict: str


@dataclass(frozen=True)
class Table:
    """Columns and rows in the frame's order."""

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    disputes: tuple[tuple[str, tuple[str, ...]], ...]


def table(rows: Sequence[Row]) -> Table:
    """The table of all rows."""
    columns = _columns(rows)
    lines = tuple(
        Line(tuple(column.cell(number, row) for column in columns), outcome.outcome(row))
        for number, row in enumerate(rows)
    )
    disputes = tuple((case_name(row), tuple(row["disagreements"])) for row in rows if row["disagreements"])
    return Table(columns, lines, disputes)


def _columns(rows: Sequence[Row]) -> tuple[Column, ...]:
    index = baselines(rows)
    unit = digits.unit_for(row["latency"] for row in rows)
    columns = [
        Column("backbone", MEANINGS["backbone"], False, lambda _, row: Cell(row["backbone"])),
        Column("method", MEANINGS["method"], False, _method),
    ]
    columns += [_setting(column) for column in varying(rows)]
    some = any(digits.known(row["exported_bytes"]) for row in rows)
    exported = [_number("exported file", _size("exported_bytes"))] if some else []
    columns += [
        _number("parameters", lambda _, row: _params(row, index)),
        _number("MACs", lambda _, row: _macs(row, index)),
        Column(f"latency, {unit.name}", MEANINGS["latency"], True, lambda _, row: _latency(row, unit)),
        *_on_a_gpu(rows),
        *([_number("latency ÷ float32", _to_float32)] if _any(rows, "float32_ratio") else []),
        _number("latency ÷ dense", _ratio),
        Column("verdict", MEANINGS["verdict"], False, _verdict),
        _number("delivered share", _delivered),
        _number("weight bytes", _size("weight_bytes")),
        *exported,
        _number("live tensor peak", _size("live_peak")),
        _number("allocator peak", _size("allocator_peak")),
        _number("resident growth", _size("resident_growth")),
    ]
    columns += [_number(header, _size(column)) for column, header in CUDA if _any(rows, column)]
    if _any(rows, "energy"):
        columns.append(_number("energy", _energy))
    for core in dict.fromkeys(row["emulates"] for row in rows if digits.known(row["instructions"])):
        columns.append(Column(instructions_of(core), MEANINGS["instructions"], True, _instructions(core)))
    return tuple(columns)


def _any(rows: Sequence[Row], column: str) -> bool:
    return any(digits.known(row[column]) for row in rows)


def _on_a_gpu(rows: Sequence[Row]) -> list[Column]:
    """The column of launch overhead, where any case has one."""
    if not _any(rows, "launch_overhead"):
        return []

    def cell(_: int, row: Row) -> Cell:
        seconds = row["launch_overhead"]
        small = (digits.percent(seconds / row["host_latency"]),) if digits.known(seconds) else ()
        return Cell(digits.time(seconds), small, _sort(seconds))

    return [Column("launch overhead", MEANINGS["launch overhead"], True, cell)]


def _to_float32(_: int, row: Row) -> Cell:
    bounds = row["float32_ratio"], row["float32_ratio_low"], row["float32_ratio_high"]
    text, interval = digits.with_interval(*bounds, watch=1)
    return Cell(text, _narrow(interval), _sort(row["float32_ratio"]))


def _energy(_: int, row: Row) -> Cell:
    small = (f"{row['power']:.1f} W, idle {row['idle_power']:.1f} W",) if digits.known(row["energy"]) else ()
    return Cell(digits.joules(row["energy"]), small, _sort(row["energy"]))


def instructions_of(core: str) -> str:
    """``instructions (emulated Cortex-A72)``."""
    name = "-".join(part.capitalize() for part in core.split("-"))
    return f"instructions (emulated {name or 'core'})"


def _instructions(core: str) -> Callable[[int, Row], Cell]:
    def cell(_: int, row: Row) -> Cell:
        if row["emulates"] != core:
            return Cell(digits.MISSING)
        small = () if row["is_baseline"] else _times(row["instructions_ratio"])
        return Cell(digits.short(row["instructions"]), small, _sort(row["instructions"]))

    return cell


def _number(header: str, cell: Callable[[int, Row], Cell]) -> Column:
    return Column(header, MEANINGS[header], True, cell)


def anchor(number: int) -> str:
    """The id of a case's details: by position, as one case may be in several runs."""
    return f"case-{number + 1}"


def _method(number: int, row: Row) -> Cell:
    small = [error_line(row["error"])] if row["status"] != "ok" and row["error"] else []
    return Cell(method_label(row), tuple(small), link=anchor(number))


def error_line(error: str, longest: int = 160) -> str:
    """The first line of an error, cut where it is long; the details have more of it."""
    first = error.strip().partition("\n")[0]
    return first if len(first) <= longest else first[: longest - 1] + "…"


def _setting(column: str) -> Column:
    def cell(_: int, row: Row) -> Cell:
        value = row[column]
        return Cell(setting_word(column, value), sort=_sort(value))

    numeric = column in ("batch", "threads", "seed")
    return Column(NAMES[column], f"The case's {NAMES[column]}.", numeric, cell)


def _params(row: Row, index: Index) -> Cell:
    small = _times(to_dense(row, "params", index))
    if digits.known(row["logical_params"]) and row["logical_params"] != row["params"]:
        small += _second("logical", row["logical_params"], row["params_ratio"])
    return Cell(digits.short(row["params"]), small, _sort(row["params"]))


def _macs(row: Row, index: Index) -> Cell:
    small = _times(row["macs_ratio"])
    if digits.known(row["executed_macs"]) and row["executed_macs"] != row["macs"]:
        small += _second("executed", row["executed_macs"], to_dense(row, "executed_macs", index))
    if row["exits"]:
        small += ("expected",)
    return Cell(
        digits.short(row["macs"]), small, _sort(row["macs"]), "⚠ disputed" if row["disagreements"] else ""
    )


def _second(word: str, value: float, ratio: float) -> tuple[str, ...]:
    return f"{word} {digits.short(value)}", *_times(ratio)


def _times(ratio: float) -> tuple[str, ...]:
    return (digits.times(ratio),) if digits.known(ratio) else ()


def _latency(row: Row, unit: digits.Unit) -> Cell:
    values = (row[key] / unit.seconds for key in ("latency", "latency_low", "latency_high"))
    text, interval = digits.with_interval(*values)
    return Cell(text, _narrow(interval), _sort(row["latency"]))


def _ratio(_: int, row: Row) -> Cell:
    if row["is_baseline"] and row["status"] == "ok":
        return Cell("1", sort=1.0)
    text, interval = digits.with_interval(row["ratio"], row["ratio_low"], row["ratio_high"], watch=1)
    return Cell(text, _narrow(interval), _sort(row["ratio"]))


def _narrow(interval: str) -> tuple[str, ...]:
    """The interval as a line that needs little width: ``1.331–1.361``."""
    return (interval.replace(" to ", "–"),) if interval else ()


def _verdict(_: int, row: Row) -> Cell:
    word = outcome.outcome(row)
    small = []
    if word == outcome.CANNOT_TELL:
        small.append(digits.resolution(ratio_of(row).half_width))
    if row["status"] == "ok" and row["failed_trials"]:
        small.append(f"{row['failed_trials']} of {row['trials'] + row['failed_trials']} trials failed")
    return Cell(word, tuple(small))


def _delivered(_: int, row: Row) -> Cell:
    return Cell(digits.percent(row["delivered_share"]), sort=_sort(row["delivered_share"]))


def _size(column: str) -> Callable[[int, Row], Cell]:
    return lambda _, row: Cell(digits.size(row[column]), sort=_sort(row[column]))


def _sort(value: object) -> float | None:
    return float(value) if digits.known(value) else None
