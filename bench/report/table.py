"""The main table: a line for each case, its columns with one unit and one number of decimals each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from bench.report import columns as of_column
from bench.report import digits, outcome
from bench.report.columns import Scale, Value
from bench.report.prose import paragraph
from bench.report.rows import (
    NAMES,
    Index,
    Row,
    baselines,
    case_name,
    grouped,
    method_label,
    ratio_of,
    setting,
    setting_word,
    to_dense,
    varying,
)

MOST_LINES = 1000
"""Cases that the page's table shows: more make a page that no browser likes. `bench export` has them all."""

MEANINGS = {
    key: paragraph(meaning)
    for key, meaning in {
        "backbone": "The network before compression.",
        "method": "What compresses the backbone, with its knobs; leads to the case's details.",
        "params": "Numbers that the stored model holds.",
        "params_ratio": "Stored parameters over those of the dense baseline.",
        "logical_params": "Distinct non-zero weights.",
        "logical_params_ratio": "Distinct non-zero weights over those of the dense baseline.",
        "macs": """
            Multiply-accumulates of convolution and linear layers for one image if zeros cost nothing
            (logical). Expected: the mean over the inputs of a network that they leave at several exits.
        """,
        "macs_ratio": "Logical MACs over those of the dense baseline: what the method promises.",
        "executed_macs": "MACs that the runtime executes, zeros included.",
        "executed_ratio": "Executed MACs over those of the dense baseline.",
        "latency": "Time of one forward call on a whole batch: centre of the trials' medians.",
        "latency_interval": "The interval of the latency, over trials.",
        "launch_overhead": """
            Host time of a call less what the device needs when all its work was launched in advance: one
            waits for the other. Behind it, its share of the host time.
        """,
        "float32_ratio": """
            Latency over that of the same case in float32, from processes of the same rounds; no verdict.
            Ratios to dense are within a dtype.
        """,
        "float32_interval": "The interval of latency ÷ float32.",
        "ratio": """
            Latency over the dense baseline's, formed of turns next to each other in time; below 1 is faster.
        """,
        "interval": "The interval of latency ÷ dense, over fresh processes.",
        "verdict": """
            Same where the whole interval lies within the resolution asked for (1 % unless the run says
            otherwise); else faster or slower where it lies on one side of 1 and the difference survives
            Holm's correction for all cases of the run; otherwise it cannot be told, and half the
            interval stands behind it. Intervals and verdicts are corrected for every look that the run took.
        """,
        "delivered": """
            log(dense latency ÷ latency) over log(dense MACs ÷ logical MACs): how much of the promised saving
            arrived. Not told where less than a tenth of the MACs is saved, or where the interval of the
            ratio holds 1.
        """,
        "delivered_interval": "The interval of the delivered share, from that of latency ÷ dense.",
        "weight_bytes": "Bytes of everything that the model's state holds: parameters and buffers.",
        "exported_bytes": """
            Bytes on the disk of what the runtime loads, written once before all trials; nothing for a runtime
            that runs the network itself.
        """,
        "live_peak": """
            Highest sum of bytes of tensors alive during one forward; weights and input excluded. It belongs
            to the network: the same on every processor.
        """,
        "allocator_peak": """
            Highest sum of bytes that torch's allocator had given out during one forward: live tensors and
            kernels' scratch. It belongs to the network and this host.
        """,
        "resident_growth": """
            How far the process's resident high-water mark rose while it ran: median over trials, noisy.
        """,
        "cuda_allocated_peak": """
            Highest sum of bytes that torch allocated on the GPU during one forward beyond what it held
            before.
        """,
        "cuda_reserved_peak": "Highest sum of bytes that torch's allocator had reserved on the GPU.",
        "cuda_nvml_peak": """
            What the driver had given the process by the end of its calls: context, code and reserved memory.
        """,
        "energy": """
            Energy of one forward call on a whole batch by the hardware's counter, what the host uses idle
            subtracted; behind it, the power while it was called and idle. Of the whole GPU, or of all
            processor packages.
        """,
        "instructions": """
            Machine instructions of one forward call that an emulated core executed; the same in every run to
            a few parts in ten thousand. No measure of time: instructions differ in what they cost, and caches
            are not part of it.
        """,
        "instructions_ratio": "Instructions over those of the dense baseline on the same emulated core.",
        "trials": "Fresh processes that the latency comes from.",
    }.items()
}
"""What each column's number is, in one sentence."""


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
    columns = _columns(shown)
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


def _columns(rows: Sequence[Row]) -> tuple[Column, ...]:
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
    yield _numbers("params", "parameters", stored, of_column.COUNTS, shown=False)
    yield _numbers("params_ratio", "parameters ÷ dense", _to_dense(rows, "params", index))
    yield _numbers("logical_params", "logical parameters", logical, of_column.COUNTS, shown=False)
    yield _numbers(
        "logical_params_ratio", "logical ÷ dense", _to_dense(rows, "logical_params", index), shown=masked
    )
    yield _with_notes(
        _numbers(
            "macs",
            "MACs",
            macs,
            of_column.COUNTS,
            shown=any(row["exits"] or row["disagreements"] for row in rows),
        ),
        ["expected" if row["exits"] else "" for row in rows],
        ["⚠ disputed" if row["disagreements"] else "" for row in rows],
    )
    yield _numbers("macs_ratio", "MACs ÷ dense", _every(rows, "macs_ratio"))
    yield _numbers("executed_macs", "executed MACs", executed, of_column.COUNTS, shown=False)
    yield _numbers(
        "executed_ratio", "executed ÷ dense", _to_dense(rows, "executed_macs", index), shown=padded
    )


def _times(rows: Sequence[Row]) -> Iterable[Column]:
    latency = [Value(row["latency"], row["latency_low"], row["latency_high"]) for row in rows]
    yield from _with_bounds("latency", "latency_interval", "latency", latency, of_column.SECONDS, shown=False)
    if _any(rows, "launch_overhead"):
        shares = [
            digits.percent(row["launch_overhead"] / row["host_latency"])
            if digits.known(row["launch_overhead"])
            else ""
            for row in rows
        ]
        waits = _numbers(
            "launch_overhead", "launch overhead", _every(rows, "launch_overhead"), of_column.SECONDS
        )
        yield _with_notes(waits, shares)
    if _any(rows, "float32_ratio"):
        beside = [Value(r["float32_ratio"], r["float32_ratio_low"], r["float32_ratio_high"]) for r in rows]
        yield from _with_bounds("float32_ratio", "float32_interval", "latency ÷ float32", beside, watch=1.0)
    yield from _ratios(rows)
    yield _texts("verdict", "verdict", rows, _verdict)
    told = [digits.known(row["delivered_low"]) for row in rows]
    shares_of = [
        Value(row["delivered_share"], row["delivered_low"], row["delivered_high"]) if is_told else Value(_NAN)
        for row, is_told in zip(rows, told, strict=True)
    ]
    yield from _with_bounds(
        "delivered", "delivered_interval", "delivered share", shares_of, (of_column.PER_CENT,), decimals=0
    )
    yield _numbers("trials", "trials", _every(rows, "trials"), decimals=0, shown=False)


_NAN = float("nan")


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
    yield from _with_bounds("ratio", "interval", "latency ÷ dense", values, decimals=decimals, watch=1.0)


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
            yield _numbers(key, header, _every(rows, key), of_column.BYTES, shown=shown)


def _others(rows: Sequence[Row]) -> Iterable[Column]:
    if _any(rows, "energy"):
        watts = [
            f"{row['power']:.1f} W, idle {row['idle_power']:.1f} W" if digits.known(row["energy"]) else ""
            for row in rows
        ]
        yield _with_notes(_numbers("energy", "energy", _every(rows, "energy"), of_column.JOULES), watts)
    for core in dict.fromkeys(row["emulates"] for row in rows if digits.known(row["instructions"])):
        there = [row if row["emulates"] == core else None for row in rows]
        counted, ratios = (
            [Value(_NAN if row is None else row[column]) for row in there]
            for column in ("instructions", "instructions_ratio")
        )
        words = instructions_of(core)
        yield _numbers("instructions", words, counted, of_column.COUNTS)
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
    key: str,
    header: str,
    values: Sequence[Value],
    scales: Sequence[Scale] = (of_column.PLAIN,),
    shown: bool = True,
    decimals: int | None = None,
) -> Column:
    """A column of numbers in one unit; without ``decimals`` those that its values bear."""
    scale, scaled = _scaled(values, scales)
    places = of_column.decimals_for(scaled) if decimals is None else decimals
    if scale.factor == 1 and len(scales) > 1:
        places = 0  # whole things: counts and bytes
    cells = tuple(
        Cell(of_column.fixed(one.value, places), plain.value if digits.known(plain.value) else None)
        for one, plain in zip(scaled, values, strict=True)
    )
    return Column(key, _named(header, scale), MEANINGS[key], True, cells, shown)


def _with_bounds(
    key: str,
    key_of_bounds: str,
    header: str,
    values: Sequence[Value],
    scales: Sequence[Scale] = (of_column.PLAIN,),
    decimals: int | None = None,
    watch: float | None = None,
    shown: bool = True,
) -> Iterable[Column]:
    """A column of estimates, and beside it one of their intervals with the same decimals."""
    scale, scaled = _scaled(values, scales)
    places = of_column.decimals_for(scaled) if decimals is None else decimals
    yield _numbers(key, header, values, (scale,), decimals=places)
    cells = tuple(
        Cell(
            of_column.bounds(one.low, one.high, places, watch),
            plain.half if digits.known(plain.half) else None,
        )
        for one, plain in zip(scaled, values, strict=True)
    )
    words = _BOUNDS.get(key_of_bounds, "interval")
    yield Column(key_of_bounds, _named(words, scale), MEANINGS[key_of_bounds], True, cells, shown)


_BOUNDS = {
    "latency_interval": "latency interval",
    "float32_interval": "float32 interval",
    "delivered_interval": "share interval",
}


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
