"""Methods over their knob T: the promised saving beside the delivered one."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.records import Json
from bench.report import digits
from bench.report.figures import (
    COLOURS,
    INK,
    QUIET,
    SYMBOLS,
    Figure,
    Plots,
    axis,
    error_bars,
    label,
    layout,
    log_axis,
)
from bench.report.prose import paragraph
from bench.report.rows import SETTING, Row, case_name, grouped, setting, varying

KNOB = "T"
"""The knob that the lines run over; a method takes part by having a whole number for it."""

TITLE = f"Over the knob {KNOB}: promised and delivered"

INTRODUCTION = paragraph("""
    Solid lines show the latency that was delivered, as a ratio to dense, with its intervals. Dashed lines of
    the same colour show the logical MACs that were promised, as a ratio to dense. Below the line at 1 is
    less than dense; the gap between solid and dashed is what did not arrive.
""")

MISSING = paragraph(f"""
    No method with a whole number for {KNOB} has a latency ratio to dense: there is nothing to plot.
""")


def curve_plots(rows: Sequence[Row]) -> Plots:
    """One plot per setting, one pair of lines per backbone (and per other knobs, where they differ)."""
    columns = varying(rows)
    usable = [row for row in rows if steps(row) is not None and digits.known(row["ratio"])]
    figures = []
    for number, group in enumerate(grouped(usable, SETTING)):
        figures.append(_figure(f"curve-{number + 1}", setting(group[0], columns), group))
    return Plots(TITLE, INTRODUCTION, tuple(figures), "" if figures else MISSING)


def steps(row: Row) -> int | None:
    """T of a case whose one method has a whole number for it; None for any other."""
    T = row["knobs"].get(KNOB)
    return T if isinstance(T, int) and not isinstance(T, bool) else None


def _figure(identity: str, title: str, rows: Sequence[Row]) -> Figure:
    methods = sorted({str(row["method"]) for row in rows})
    lines: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        method = row["method"] if len(methods) > 1 else ""
        lines.setdefault((row["backbone"], method, _other_knobs(row)), []).append(row)
    data: list[Json] = []
    for place, (words, members) in enumerate(lines.items()):
        name = " ".join(word for word in words if word)
        data += _pair(place, name, sorted(members, key=lambda row: steps(row) or 0))
    seen = [row[key] for row in rows for key in ("ratio", "ratio_low", "ratio_high", "macs_ratio")]
    y = log_axis(
        "ratio to dense (log scale)", [1.0, *(v for v in seen if digits.known(v))], lambda tick: f"{tick:g}"
    )
    at = sorted({T for row in rows if (T := steps(row)) is not None})
    x = {
        **axis(f"{KNOB} of {', '.join(methods)}"),
        "tickmode": "array",
        "tickvals": at,
        "ticktext": [str(T) for T in at],
    }
    x["range"] = [at[0] - 0.06 * _width(at), at[-1] + 0.06 * _width(at)]
    description = f"{TITLE}: {len(lines)} lines, {KNOB} from {at[0]} to {at[-1]}."
    return Figure(identity, title, description, data, {**layout(x, y), "shapes": [_ONE]})


_ONE: Json = {
    "type": "line",
    "xref": "paper",
    "x0": 0,
    "x1": 1,
    "y0": 1,
    "y1": 1,
    "layer": "below",
    "line": {"color": INK, "width": 1.5},
    "label": {
        "text": "dense = 1",
        "textposition": "end",
        "yanchor": "bottom",
        "font": {"size": 11, "color": QUIET},
    },
}


def _pair(place: int, name: str, rows: Sequence[Row]) -> list[Json]:
    colour = COLOURS[place % len(COLOURS)]
    marker = {"color": colour, "symbol": SYMBOLS[place % len(SYMBOLS)], "size": 8}
    ratios = [row["ratio"] for row in rows]
    bars = error_bars(ratios, [r["ratio_low"] for r in rows], [r["ratio_high"] for r in rows], colour)
    promised = [row for row in rows if digits.known(row["macs_ratio"])]
    common = {"type": "scatter", "legendgroup": str(place), "hoverinfo": "text"}
    return [
        {
            **common,
            "mode": "lines+markers",
            "name": label(name),
            "x": [steps(row) for row in rows],
            "y": ratios,
            "error_y": bars,
            "line": {"color": colour, "width": 2},
            "marker": marker,
            "hovertext": [_hover(row) for row in rows],
        },
        {
            **common,
            "mode": "lines",
            "name": label(f"{name}, MACs"),
            "showlegend": False,
            "x": [steps(row) for row in promised],
            "y": [row["macs_ratio"] for row in promised],
            "line": {"color": colour, "width": 1.5, "dash": "dash"},
            "opacity": 0.6,
            "hovertext": [
                f"{label(case_name(row))}<br>MACs {digits.times(row['macs_ratio'])}" for row in promised
            ],
        },
    ]


def _hover(row: Row) -> str:
    text, interval = digits.with_interval(row["ratio"], row["ratio_low"], row["ratio_high"], watch=1)
    return "<br>".join(
        [
            f"<b>{label(case_name(row))}</b>",
            f"latency ÷ dense {text}" + (f" ({interval})" if interval else " (no interval)"),
            f"MACs ÷ dense {digits.times(row['macs_ratio'])}",
            f"delivered share {digits.percent(row['delivered_share'])}",
        ]
    )


def _other_knobs(row: Row) -> str:
    """The knobs beside T and the arm, as text; cases that differ in them belong on different lines."""
    words = [f"{knob}={value}" for knob, value in sorted(row["knobs"].items()) if knob != KNOB]
    return ", ".join([*words, f"@{row['arm']}"] if row["arm"] else words)


def _width(at: Sequence[int]) -> float:
    return float(at[-1] - at[0]) or 1.0
