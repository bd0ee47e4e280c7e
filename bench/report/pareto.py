"""Parameters against latency, with the front of cases that no other beats in both."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.records import Json
from bench.report import digits
from bench.report.figures import COLOURS, QUIET, SYMBOLS, Figure, Plots, error_bars, label, layout, log_axis
from bench.report.prose import paragraph
from bench.report.rows import SETTING, Row, case_name, grouped, setting, varying

TITLE = "Parameters against latency"

INTRODUCTION = paragraph("""
    Each point is a case, each colour and shape a method; bars are intervals. Parameters are the stored ones:
    what the file holds. The dotted line is the Pareto front of the estimates: no other case of the plot has
    both fewer parameters and a lower latency. Accuracy plays no part in it, and neighbours whose intervals
    overlap may change places.
""")

MISSING = paragraph("""
    No case has both a parameter count and a latency: there is nothing to plot.
""")


def pareto_plots(rows: Sequence[Row]) -> Plots:
    """One plot per setting that has cases with both numbers."""
    columns = varying(rows)
    methods = list(dict.fromkeys(row["method"] for row in rows))
    usable = [row for row in rows if _positive(row["params"]) and _positive(row["latency"])]
    figures = []
    for number, group in enumerate(grouped(usable, SETTING)):
        figures.append(_figure(f"pareto-{number + 1}", setting(group[0], columns), group, methods))
    return Plots(TITLE, INTRODUCTION, tuple(figures), "" if figures else MISSING)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points that no other beats in both coordinates, from left to right; smaller is better."""
    found: list[tuple[float, float]] = []
    for point in sorted(set(points)):
        if not found or point[1] < found[-1][1]:
            found.append(point)
    return found


def _figure(identity: str, title: str, rows: Sequence[Row], methods: Sequence[str]) -> Figure:
    unit = digits.unit_for(row["latency"] for row in rows)
    traces = [_trace(methods.index(group[0]["method"]), group, unit) for group in grouped(rows, ("method",))]
    best = pareto_front([(row["params"], row["latency"] / unit.seconds) for row in rows])
    data = [*([_front(best)] if len(best) > 1 else []), *traces]
    bounds = [row[key] / unit.seconds for row in rows for key in ("latency", "latency_low", "latency_high")]
    axes = (
        log_axis("stored parameters (log scale)", [row["params"] for row in rows], digits.tick),
        log_axis(
            f"latency, {unit.name} (log scale)",
            [b for b in bounds if digits.known(b)],
            lambda tick: f"{tick:g}",
        ),
    )
    description = f"{TITLE}: {len(rows)} cases, {len(best)} of them on the Pareto front."
    return Figure(identity, title, description, data, layout(*axes))


def _trace(place: int, rows: Sequence[Row], unit: digits.Unit) -> Json:
    colour = COLOURS[place % len(COLOURS)]
    values = [[row[key] / unit.seconds for row in rows] for key in ("latency", "latency_low", "latency_high")]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": label(rows[0]["method"]),
        "x": [row["params"] for row in rows],
        "y": values[0],
        "error_y": error_bars(values[0], values[1], values[2], colour),
        "marker": {"color": colour, "symbol": SYMBOLS[place % len(SYMBOLS)], "size": 10,
                   "line": {"color": "#ffffff", "width": 1}},
        "hovertext": [_hover(row, unit) for row in rows],
        "hoverinfo": "text",
    }  # fmt: skip


def _front(points: Sequence[tuple[float, float]]) -> Json:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "Pareto front",
        "x": [x for x, _ in points],
        "y": [y for _, y in points],
        "line": {"shape": "hv", "dash": "dot", "width": 1.5, "color": QUIET},
        "hoverinfo": "skip",
    }


def _hover(row: Row, unit: digits.Unit) -> str:
    keys = ("latency", "latency_low", "latency_high")
    text, interval = digits.with_interval(*(row[key] / unit.seconds for key in keys))
    lines = [
        f"<b>{label(case_name(row))}</b>",
        f"latency {text} {unit.name}" + (f" ({interval})" if interval else " (no interval)"),
        f"parameters {digits.exact(row['params'])} stored, {digits.exact(row['logical_params'])} logical",
        f"MACs {digits.short(row['macs'])} logical, {digits.short(row['executed_macs'])} executed",
    ]
    return "<br>".join(lines)


def _positive(value: object) -> bool:
    return digits.known(value) and float(value) > 0
