"""Methods over their knob T, a panel per backbone: parameters, MACs and latency over dense."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bench.analysis.crossover import Crossover, crossover
from bench.report import digits, svg
from bench.report.forest import hover
from bench.report.palette import Look, Palette
from bench.report.prose import paragraph
from bench.report.rows import (
    Index,
    Row,
    baselines,
    grouped,
    ratio_of,
    setting,
    to_dense,
    varying,
)
from bench.report.svg import Axis, Chart, Panel, Scale

KNOB = "T"
"""The knob that the lines run over; a method takes part by having a whole number for it."""

TITLE = f"Over the knob {KNOB}: promised and delivered"

INTRODUCTION = paragraph("""
    Each line is a ratio to dense: latency with its intervals (solid), executed MACs (dashed), stored
    parameters (dotted). The shaded gap between MACs and latency is what did not arrive. Grey guides show how
    1/T² and 2/T fall. The crossover is the T from which on latency stays below dense.
""")

MISSING = f"No method was measured at two whole numbers for {KNOB} beside dense: there is nothing to plot."

_LEFT, _RIGHT = 40.0, 300.0
_TOP, _BOTTOM = 20.0, 160.0
_TIMES = "\N{NO-BREAK SPACE}×"
_GUIDES = (("1/T²", 1.0, 2.0), ("2/T", 2.0, 1.0))
"""Name, factor and power: factor / T ** power."""


@dataclass(frozen=True)
class Point:
    """One case of a sweep; what is not known is nan."""

    T: int
    row: Row
    macs: float
    params: float


def t_sweep(rows: Sequence[Row], palette: Palette) -> Chart:
    """One panel per backbone, setting, method and the method's other knobs."""
    columns = varying(rows)
    index = baselines(rows)
    usable = [row for row in rows if steps(row) is not None and digits.known(row["ratio"])]
    panels = []
    for group in grouped(usable, ("backbone", *columns)):
        lines: dict[tuple[str, str], list[Row]] = {}
        for row in group:
            lines.setdefault((str(row["method"]), _other_knobs(row)), []).append(row)
        for (method, knobs), members in lines.items():
            points = _points(members, index)
            if len({point.T for point in points}) > 1:
                words = ", ".join(part for part in (method, knobs, setting(group[0], columns)) if part)
                panels.append(_panel(points, words, palette.look(members[0])))
    return svg.chart(TITLE, INTRODUCTION, panels, MISSING)


def steps(row: Row) -> int | None:
    """T of a case whose one method has a whole number above 0 for it; None for any other."""
    T = row["knobs"].get(KNOB)
    return T if isinstance(T, int) and not isinstance(T, bool) and T > 0 else None


def crossover_words(found: Crossover) -> str:
    """``T = 3.1 (2.9 to 3.4)``, or ``none up to 8``."""
    first, last = f"{found.first:g}", f"{found.last:g}"
    if not found.found:
        may_be = (
            "" if math.isnan(found.low) else f" (by the lower ends of the intervals from {found.low:.1f})"
        )
        return f"none up to {last}{may_be}"
    at = f"{first} or below" if found.at == found.first else f"{found.at:.1f}"
    if not found.bounded:
        return f"{KNOB} = {at} (no interval)"
    if found.high == found.first:
        return f"{KNOB} = {at}"
    low = f"{first} or below" if found.low == found.first else f"{found.low:.1f}"
    high = f"beyond {last}" if math.isnan(found.high) else f"{found.high:.1f}"
    return f"{KNOB} = {at} ({low} to {high})"


def _points(members: Sequence[Row], index: Index) -> list[Point]:
    found = [
        Point(T, row, to_dense(row, "executed_macs", index), to_dense(row, "params", index))
        for row in members
        if (T := steps(row)) is not None
    ]
    return sorted(found, key=lambda point: point.T)


def _panel(points: Sequence[Point], words: str, look: Look) -> Panel:
    x = Scale(points[0].T / 1.08, points[-1].T * 1.08, _LEFT, _RIGHT, log=True)
    seen = [1.0]
    for point in points:
        seen += [point.row[key] for key in ("ratio", "ratio_low", "ratio_high")] + [point.macs, point.params]
    y = svg.log_scale((value for value in seen if digits.known(value)), _BOTTOM, _TOP)
    Ts = sorted({point.T for point in points})
    rows = [point.row for point in points]
    latency = [(x(p.T), y(float(p.row["ratio"]))) for p in points]
    macs = _line(points, "macs", x, y)
    params = _line(points, "params", x, y)
    gap = svg.path([*latency, *reversed(macs)], "gap", closed=True) if len(macs) == len(latency) else ""
    parts = [
        svg.below(Axis(x, f"{KNOB} (log₂ scale)", Ts), _BOTTOM, _TOP),
        svg.beside(Axis(y, "÷ dense (log scale)", svg.log_ticks(y.low, y.high)), _LEFT, _RIGHT),
        svg.joined(rows, gap, css=look.css),
        svg.line(_LEFT, y(1), _RIGHT, y(1), "one"),
        *_guides(x, y, Ts),
        svg.joined(
            rows,
            svg.path(params, "series dotted"),
            svg.path(macs, "series dashed"),
            svg.path(latency, "series"),
            *_names(points, y),
            css=look.css,
        ),
        *(_mark(point, x, y, look) for point in points),
    ]
    backbone = str(points[0].row["backbone"])
    drawing = svg.drawing(_BOTTOM + 32, *parts, label=f"{backbone} over {KNOB}")
    return Panel(backbone, drawing, _summary(points), words)


def _line(points: Sequence[Point], name: str, x: Scale, y: Scale) -> list[tuple[float, float]]:
    values = [(point.T, getattr(point, name)) for point in points]
    return [(x(T), y(value)) for T, value in values if digits.known(value) and value > 0]


def _guides(x: Scale, y: Scale, Ts: Sequence[int]) -> list[Markup]:
    """The guides as far as the plot holds them, named where they begin."""
    found = []
    for name, factor, power in _GUIDES:
        begin = max(Ts[0], (factor / y.high) ** (1 / power))
        end = min(Ts[-1], (factor / y.low) ** (1 / power))
        if begin < end:
            ends = [(x(T), y(factor / T**power)) for T in (begin, end)]
            found += [
                svg.path(ends, "guide"),
                svg.text(ends[1][0] - 3, ends[1][1] - 5, name, "corner halo", "end"),
            ]
    return found


def _names(points: Sequence[Point], y: Scale) -> list[Markup]:
    """Names at the right ends of the lines, moved apart, each with the last value."""
    last = points[-1]
    ends = [
        (f"{name} {digits.times(value).removesuffix(_TIMES)}", y(float(value)))
        for name, value in (("latency", last.row["ratio"]), ("MACs", last.macs), ("params", last.params))
        if digits.known(value) and value > 0
    ]
    places = svg.spread([at for _, at in ends], 13, _TOP, _BOTTOM)
    return [
        svg.text(_RIGHT + 3, place + 4, words, "own small")
        for (words, _), place in zip(ends, places, strict=True)
    ]


def _mark(point: Point, x: Scale, y: Scale, look: Look) -> Markup:
    row = point.row
    at = x(point.T)
    return svg.marked(
        row,
        f"{hover(row, point.macs)}\nstored parameters ÷ dense {digits.times(point.params)}",
        svg.whisker_up(y, row["ratio_low"], row["ratio_high"], at),
        svg.dot(look.shape, at, y(float(row["ratio"])), 3.4),
        css=look.css,
    )


def _summary(points: Sequence[Point]) -> str:
    found = crossover([(point.T, ratio_of(point.row)) for point in points])
    return f"Crossover: {crossover_words(found)}."


def _other_knobs(row: Row) -> str:
    """The knobs beside T and the arm, as text; cases that differ in them belong on different lines."""
    words = [f"{knob}={value}" for knob, value in sorted(row["knobs"].items()) if knob != KNOB]
    return ", ".join([*words, f"@{row['arm']}"] if row["arm"] else words)
