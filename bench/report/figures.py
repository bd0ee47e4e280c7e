"""What the plots share: colours, axes and the form in which the page carries them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from bench.analysis.records import Json

COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
"""Okabe and Ito's palette for all kinds of colour vision, without its yellow, which is lost on white."""

SYMBOLS = (
    "circle",
    "square",
    "triangle-up",
    "diamond",
    "cross",
    "triangle-down",
    "star",
    "x",
    "pentagon",
    "hexagon",
)

INK = "#1f2430"
GRID = "#e3e6ea"
QUIET = "#6b7280"

_FONT = {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 13, "color": INK}


@dataclass(frozen=True)
class Figure:
    """A plot: an id for its place on the page, words around it, and plotly's data and layout."""

    id: str
    title: str
    description: str
    data: list[Json]
    layout: Json

    @property
    def json(self) -> str:
        """Data and layout for a script element: no character in it can end the element."""
        text = json.dumps({"data": self.data, "layout": self.layout}, sort_keys=True, allow_nan=False)
        return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@dataclass(frozen=True)
class Plots:
    """Plots of one kind with their introduction; ``missing`` says in words why there are none."""

    title: str
    introduction: str
    figures: tuple[Figure, ...]
    missing: str


def label(text: Any) -> str:
    """Text for plotly, which reads a subset of HTML in every label."""
    return escape(str(text), quote=False)


def layout(x: Json, y: Json, height: int = 460) -> Json:
    """The layout that all plots share."""
    return {
        "xaxis": x,
        "yaxis": y,
        "height": height,
        "font": _FONT,
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "margin": {"l": 70, "r": 20, "t": 20, "b": 60},
        "hovermode": "closest",
        "hoverlabel": {"align": "left", "bgcolor": "#ffffff", "font": {**_FONT, "size": 12}},
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": -0.2, "yanchor": "top"},
    }


def log_axis(title: str, values: Iterable[float], words: Any) -> Json:
    """A logarithmic axis over the positive values, its ticks at round numbers, each in ``words``."""
    found = [value for value in values if value > 0]
    low, high = min(found) / 1.25, max(found) * 1.25
    ticks = log_ticks(low, high)
    return {
        **axis(title),
        "type": "log",
        "range": [math.log10(low), math.log10(high)],
        "tickmode": "array",
        "tickvals": ticks,
        "ticktext": [label(words(tick)) for tick in ticks],
    }


def axis(title: str) -> Json:
    """A plain axis."""
    return {
        "title": {"text": label(title), "standoff": 12},
        "gridcolor": GRID,
        "linecolor": QUIET,
        "showline": True,
        "ticks": "outside",
        "tickcolor": QUIET,
        "zeroline": False,
        "automargin": True,
    }


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers between ``low`` and ``high``: the finest of four series that has eight at most."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    found: list[float] = []
    for series in ((1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8), (1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1,)):
        scaled = (float(f"{digit}e{power}") for power in range(first, last + 1) for digit in series)
        found = [tick for tick in scaled if low <= tick <= high]
        if len(found) <= 8:
            break
    return found


def error_bars(values: Sequence[float], lows: Sequence[float], highs: Sequence[float], colour: str) -> Json:
    """The interval as plotly's bars; none where it is not known."""

    def reach(value: float, bound: float) -> float | None:
        return abs(bound - value) if math.isfinite(bound) else None

    return {
        "type": "data",
        "symmetric": False,
        "array": [reach(v, h) for v, h in zip(values, highs, strict=True)],
        "arrayminus": [reach(v, b) for v, b in zip(values, lows, strict=True)],
        "color": colour,
        "thickness": 1.2,
        "width": 4,
    }
