"""The frontier of each backbone: cases that no other beats in both latency and a size of one's choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bench.report import digits, svg
from bench.report.palette import Look, Palette
from bench.report.prose import isolated, paragraph
from bench.report.rows import Row, grouped, method_label, setting, varying
from bench.report.svg import Axis, Chart, Panel, Scale

TITLE = "Frontier per backbone"

INTRODUCTION = paragraph("""
    Each point is a case with the interval of its latency, each colour and shape a method. The dotted line is
    the frontier of the estimates: no other case of this backbone is both smaller and faster; its cases are
    named. Networks of other accuracy do not compete, so no frontier runs across backbones, and accuracy
    plays no part within one. Neighbours whose intervals overlap may change places.
""")

MISSING = "No case has both a size and a latency: there is nothing to plot."

_LEFT, _RIGHT = 44.0, 368.0
_TOP, _BOTTOM = 20.0, 172.0
_NAME = 88.0


@dataclass(frozen=True)
class Size:
    """What can stand on the x axis: the frame's column, its name, and whether it is bytes."""

    column: str
    name: str
    bytes: bool = False

    def axis(self, scale: Scale) -> Axis:
        """The axis with ticks at round numbers, of bytes in their binary unit."""
        title = f"{self.name} (log scale)"
        if not self.bytes:
            return Axis(scale, title, svg.log_ticks(scale.low, scale.high, 5), digits.tick)
        middle = (scale.low * scale.high) ** 0.5
        name, unit = next(((n, u) for n, u in _BINARY if middle >= u), _BINARY[-1])
        ticks = [tick * unit for tick in svg.log_ticks(scale.low / unit, scale.high / unit, 5)]
        return Axis(scale, title, ticks, lambda tick: f"{tick / unit:g}\N{NO-BREAK SPACE}{name}")


_BINARY = (("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10), ("B", 1.0))

SIZES = (
    Size("params", "stored parameters"),
    Size("executed_macs", "executed MACs"),
    Size("live_peak", "live tensor peak", bytes=True),
    Size("weight_bytes", "weight bytes", bytes=True),
)


@dataclass(frozen=True)
class Frontiers:
    """A chart for each size that any case has, the first of them shown; and the methods' looks."""

    charts: tuple[tuple[Size, Chart], ...]
    legend: Markup
    missing: str


def frontiers(rows: Sequence[Row], palette: Palette) -> Frontiers:
    """One chart per size, in each one panel per backbone and setting that has cases with both numbers."""
    columns = varying(rows)
    charts = []
    shown: list[Row] = []
    for size in SIZES:
        usable = [row for row in rows if _positive(row[size.column]) and _positive(row["latency"])]
        panels = []
        for group in grouped(usable, ("backbone", *columns)):
            if len(group) > 1:
                panels.append(_panel(size, group, setting(group[0], columns), palette))
                shown += group
        if panels:
            charts.append((size, svg.chart(TITLE, INTRODUCTION, panels, MISSING)))
    return Frontiers(tuple(charts), palette.legend(shown), "" if charts else MISSING)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points that no other beats in both coordinates, from left to right; smaller is better."""
    found: list[tuple[float, float]] = []
    for point in sorted(set(points)):
        if not found or point[1] < found[-1][1]:
            found.append(point)
    return found


def _panel(size: Size, rows: Sequence[Row], words: str, palette: Palette) -> Panel:
    unit = digits.unit_for(row["latency"] for row in rows)
    keys = ("latency", "latency_low", "latency_high")
    times = [row[key] / unit.seconds for row in rows for key in keys if digits.known(row[key])]
    x = _size_scale([float(row[size.column]) for row in rows])
    low, high = min(times), max(times)
    room = max(1.15, (high / low) ** 0.16)  # below the lowest point stands its name
    y = Scale(low / room, high * max(1.08, (high / low) ** 0.05), _BOTTOM, _TOP, log=True)
    best = pareto_front([(row[size.column], row["latency"]) for row in rows])
    on_front = sorted(
        (row for row in rows if (row[size.column], row["latency"]) in set(best)),
        key=lambda row: float(row[size.column]),
    )
    drawn, note = svg.first_marks(rows)
    parts = [
        svg.below(size.axis(x), _BOTTOM, _TOP),
        svg.beside(Axis(y, f"latency, {unit.name} (log scale)", svg.log_ticks(y.low, y.high)), _LEFT, _RIGHT),
        svg.joined(on_front, _front(best, x, y, unit)) if len(best) > 1 else Markup(""),
        *(_mark(row, size, x, y, unit, palette.look(row)) for row in drawn),
        *_names(on_front, size, x, y, unit, palette),
    ]
    backbone = str(rows[0]["backbone"])
    drawing = svg.drawing(_BOTTOM + 32, *parts, label=f"{backbone}: {size.name} against latency")
    named = ", ".join(isolated(method_label(row)) for row in on_front)
    return Panel(backbone, drawing, f"On the frontier, smallest first: {named}.{note}", words)


def _size_scale(values: Sequence[float]) -> Scale:
    """From the axis on there is room for a name left of the smallest."""
    inner = svg.log_scale(values, _LEFT + _NAME, _RIGHT, room=1.15)
    low = inner.low * (inner.low / inner.high) ** (_NAME / (_RIGHT - _LEFT - _NAME))
    return Scale(low, inner.high, _LEFT, _RIGHT, log=True)


def _front(best: Sequence[tuple[float, float]], x: Scale, y: Scale, unit: digits.Unit) -> Markup:
    """The staircase through the front's points."""
    corners: list[tuple[float, float]] = []
    for size, seconds in best:
        place = x(size), y(seconds / unit.seconds)
        if corners:
            corners.append((place[0], corners[-1][1]))
        corners.append(place)
    return svg.path(corners, "front")


def _mark(row: Row, size: Size, x: Scale, y: Scale, unit: digits.Unit, look: Look) -> Markup:
    at = x(float(row[size.column]))
    low, high = (row[key] / unit.seconds for key in ("latency_low", "latency_high"))
    return svg.marked(
        row,
        _hover(row, unit),
        svg.whisker_up(y, low, high, at),
        svg.dot(look.shape, at, y(row["latency"] / unit.seconds)),
        css=look.css,
    )


def _names(
    on_front: Sequence[Row], size: Size, x: Scale, y: Scale, unit: digits.Unit, palette: Palette
) -> list[Markup]:
    """Names below and left of the front's points: no point can lie there."""
    wanted = [y(row["latency"] / unit.seconds) + 12 for row in on_front]
    places = svg.spread(wanted, 11.5, _TOP, _BOTTOM - 3)
    found = []
    for row, place in zip(on_front, places, strict=True):
        at = x(float(row[size.column])) - 6
        words = svg.cut(method_label(row), at - _LEFT)
        label = svg.text(at, place, words, "own small halo", "end")
        found.append(svg.joined([row], label, css=palette.look(row).css))
    return found


def _hover(row: Row, unit: digits.Unit) -> str:
    keys = ("latency", "latency_low", "latency_high")
    text, interval = digits.with_interval(*(row[key] / unit.seconds for key in keys))
    return "\n".join(
        [
            f"{row['backbone']}, {method_label(row)}",
            f"latency {text} {unit.name}" + (f" ({interval})" if interval else " (no interval)"),
            f"parameters {digits.short(row['params'])} stored, {digits.short(row['logical_params'])} logical",
            f"MACs {digits.short(row['executed_macs'])} executed, {digits.short(row['macs'])} logical",
            f"live tensor peak {digits.size(row['live_peak'])}, weights {digits.size(row['weight_bytes'])}",
        ]
    )


def _positive(value: object) -> bool:
    return digits.known(value) and float(value) > 0
