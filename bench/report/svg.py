"""What every chart of the page is drawn with: scales, ticks, axes, marks and panels, as SVG text.

The ground rules of a chart:

1. One panel is one ``<svg>`` (``drawing``) of about WIDTH units, one unit a CSS pixel where there is room.
   A section is a ``Chart``: panels in a grid that wraps, so a telephone has one column and A4 has two.
2. No colour, font or line width in the SVG: classes only, whose rules are in plots.css and whose colours
   are CSS variables. Dark screens and paper follow without anything drawn anew.
3. A method has one colour and one shape on the whole page: ``palette.Palette`` gives the class names.
4. Whatever stands for a case is inside ``marked(row, …)``: it carries ``data-case`` (the anchor of the
   case's details, ``row["anchor"]``), ``data-backbone`` and ``data-method``, and a ``<title>`` for the
   pointer. What stands for several cases, as a line does, is inside ``joined(rows, …)`` with ``data-
   cases``. The page's filter hides by these, and a panel whose cases are all hidden goes too.
5. Nothing inside an ``<svg>`` takes the focus. Each panel has a title and a summary in words, which stand
   in the ``<figcaption>``: who sees no picture loses no finding.
6. A number that is not finite is not drawn. One beyond its axis is an arrow at the edge (``arrow``), never
   cut.
7. Every text is escaped by ``element``; there is no other way to put text into a drawing.

All functions are pure; lengths are in units of the drawing, y downwards.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from bench.report.rows import Row

WIDTH = 380.0
"""Units of a panel's width: as many CSS pixels in three columns of a desktop, in one of a telephone."""

LETTER = 6.3
"""Width of a letter of a label in a wide typeface: texts are cut by it, as nothing here can measure them."""

_KNOB = re.compile(r"([(,]) ?\w+=")

Attributes = Mapping[str, object]


def element(name: str, attributes: Attributes | None = None, *inside: str | Markup) -> Markup:
    """An element; text inside is escaped, markup is not. An attribute None is left out."""
    words = "".join(
        f' {key}="{escape(_number(value) if isinstance(value, float) else str(value))}"'
        for key, value in (attributes or {}).items()
        if value is not None
    )
    content = "".join(str(escape(part)) for part in inside)
    return Markup(f"<{name}{words}>{content}</{name}>" if content else f"<{name}{words}/>")


def group(css: str, *inside: str | Markup) -> Markup:
    """A ``<g>`` of that class."""
    return element("g", {"class": css or None}, *inside)


def drawing(height: float, *inside: str | Markup, label: str, width: float = WIDTH) -> Markup:
    """An ``<svg>`` of ``width`` × ``height`` units. ``label`` says what kind of picture it is."""
    box = f"0 0 {_number(width)} {_number(height)}"
    return element("svg", {"viewBox": box, "class": "drawing", "role": "img", "aria-label": label}, *inside)


def marked(row: Row, title: str, *inside: str | Markup, css: str = "") -> Markup:
    """What stands for one case. ``title``: lines that the pointer shows."""
    attributes = {
        "class": f"datum {css}".strip(),
        "data-case": row["anchor"],
        "data-backbone": row["backbone"],
        "data-method": row["method"],
    }
    return element("g", attributes, element("title", None, title), *inside)


def joined(rows: Sequence[Row], *inside: str | Markup, css: str = "") -> Markup:
    """What stands for several cases, and goes when the last of them is hidden."""
    names = " ".join(dict.fromkeys(str(row["anchor"]) for row in rows))
    return element("g", {"class": css or None, "data-cases": names}, *inside)


@dataclass(frozen=True)
class Scale:
    """Values ``low`` … ``high`` to places ``start`` … ``end``; ``log`` for a logarithmic one.

    Raises ValueError where the ends are equal or not finite, or a logarithmic one reaches 0.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"a scale needs two ends in order, not {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic scale begins above 0, not at {self.low}")

    def __call__(self, value: float) -> float:
        """The place of a value, also of one beyond the ends. Raises ValueError for what has no place."""
        if not math.isfinite(value) or (self.log and value <= 0):
            raise ValueError(f"{value} has no place on this scale")
        low, high, at = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + (self.end - self.start) * (at - low) / (high - low)

    def holds(self, value: float) -> bool:
        """True for a value between the ends."""
        return self.low <= value <= self.high

    def inside(self, value: float) -> float:
        """The place of a value, or of the end that it lies beyond; a value of 0 or less is at the low end."""
        return self(min(max(value, self.low), self.high))


def log_scale(values: Iterable[float], start: float, end: float, room: float = 1.15) -> Scale:
    """A logarithmic scale over the positive values, with a factor ``room`` around them.

    Raises ValueError where there is none.
    """
    found = [value for value in values if value > 0 and math.isfinite(value)]
    if not found:
        raise ValueError("a scale needs a value")
    return Scale(min(found) / room, max(found) * room, start, end, log=True)


def log_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from ``low`` to ``high``: those of the finest series that has no more than ``most``.

    Where the ends are so near that it has fewer than two, multiples as of a linear axis.
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    found: list[float] = []
    for series in ((1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8), (1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        scaled = (float(f"{digit}e{power}") for power in range(first, last + 1) for digit in series)
        found = [tick for tick in scaled if low <= tick <= high]
        if len(found) <= most:
            return found if len(found) > 1 else linear_ticks(low, high, most)
    step = math.ceil(len(found) / most)
    return found[::step]


def linear_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten from ``low`` to ``high``, no more than ``most``."""
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for factor in (1, 2, 5, 10, 20):
        step = factor * power
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            return [float(f"{number * step:.10g}") for number in range(first, last + 1)]
    return []


@dataclass(frozen=True)
class Axis:
    """A scale with its title, and the values at its ticks, each in ``words``."""

    scale: Scale
    title: str
    ticks: Sequence[float]
    words: Callable[[float], str] = "{:g}".format


def below(axis: Axis, y: float, top: float) -> Markup:
    """The axis along the bottom of a plot at ``y``, its grid reaching up to ``top``; takes 32 units below."""
    grid = [line(axis.scale(tick), top, axis.scale(tick), y, "grid") for tick in axis.ticks]
    words = [text(axis.scale(tick), y + 13, axis.words(tick), "tick", "middle") for tick in axis.ticks]
    left, right = sorted((axis.scale.start, axis.scale.end))
    title = text((left + right) / 2, y + 27, axis.title, "axis-title", "middle")
    return group("axis", *grid, line(left, y, right, y, "rule"), *words, title)


def beside(axis: Axis, x: float, right: float) -> Markup:
    """The axis along the left of a plot at ``x``, its grid reaching to ``right``; its title stands above."""
    grid = [line(x, axis.scale(tick), right, axis.scale(tick), "grid") for tick in axis.ticks]
    words = [text(x - 5, axis.scale(tick) + 3.5, axis.words(tick), "tick", "end") for tick in axis.ticks]
    top, bottom = sorted((axis.scale.start, axis.scale.end))
    title = text(2, top - 7, axis.title, "axis-title", "start")
    return group("axis", *grid, line(x, top, x, bottom, "rule"), *words, title)


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> Markup:
    """A straight line."""
    return element("line", {"class": css, "x1": x1, "y1": y1, "x2": x2, "y2": y2})


def path(points: Sequence[tuple[float, float]], css: str, closed: bool = False) -> Markup:
    """A line through the points, or an area with them as its corners."""
    steps = " ".join(f"{_number(x)},{_number(y)}" for x, y in points)
    return element("polygon" if closed else "polyline", {"class": css, "points": steps})


def box(x: float, y: float, width: float, height: float, css: str) -> Markup:
    """A rectangle; ``width`` and ``height`` may be negative."""
    place = {"x": min(x, x + width), "y": min(y, y + height), "width": abs(width), "height": abs(height)}
    return element("rect", {"class": css, **place})


def text(x: float, y: float, words: str, css: str, anchor: str = "start") -> Markup:
    """Words whose start, middle or end (``anchor``) is at x, on the base line y."""
    return element("text", {"class": css, "x": x, "y": y, "text-anchor": anchor}, words)


def cut(words: str, width: float) -> str:
    """The words, or as much of their beginning as fits into ``width`` units at the size of a label.

    Knobs lose their names first, by which values at the end are seen: ``psconv(PSD1_P16,fused)``.
    """
    most = max(1, int(width / LETTER))
    if len(words) > most:
        words = _KNOB.sub(r"\1", words)
    return words if len(words) <= most else words[: most - 1].rstrip() + "…"


SHAPES = ("circle", "square", "up", "diamond", "down", "plus", "cross", "pentagon")
"""Shapes of a dot, all of about the same area."""

_CORNERS: Mapping[str, Sequence[tuple[float, float]]] = {
    "square": ((-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)),
    "up": ((0, -1.25), (1.15, 0.8), (-1.15, 0.8)),
    "down": ((0, 1.25), (1.15, -0.8), (-1.15, -0.8)),
    "diamond": ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
    "plus": ((-0.4, -1.2), (0.4, -1.2), (0.4, -0.4), (1.2, -0.4), (1.2, 0.4), (0.4, 0.4), (0.4, 1.2),
             (-0.4, 1.2), (-0.4, 0.4), (-1.2, 0.4), (-1.2, -0.4), (-0.4, -0.4)),
    "cross": ((-1.13, -0.57), (-0.57, -1.13), (0, -0.57), (0.57, -1.13), (1.13, -0.57), (0.57, 0),
              (1.13, 0.57), (0.57, 1.13), (0, 0.57), (-0.57, 1.13), (-1.13, 0.57), (-0.57, 0)),
    "pentagon": ((0, -1.15), (1.09, -0.36), (0.68, 0.93), (-0.68, 0.93), (-1.09, -0.36)),
}  # fmt: skip


def dot(shape: str, x: float, y: float, size: float = 4.2, css: str = "dot") -> Markup:
    """A dot of a shape of SHAPES, ``size`` its radius."""
    if shape == "circle":
        return element("circle", {"class": css, "cx": x, "cy": y, "r": size})
    return path([(x + size * dx, y + size * dy) for dx, dy in _CORNERS[shape]], css, closed=True)


def arrow(x: float, y: float, right: bool, css: str = "dot") -> Markup:
    """At the edge of a plot, for a value that lies beyond it on that side."""
    tip = 6.0 if right else -6.0
    return path([(x + tip, y), (x - tip / 2, y - 4.5), (x - tip / 2, y + 4.5)], css, closed=True)


def arrow_up(x: float, y: float, up: bool, css: str = "dot") -> Markup:
    """The same at the top or the bottom of a plot."""
    tip = -6.0 if up else 6.0
    return path([(x, y + tip), (x - 4.5, y - tip / 2), (x + 4.5, y - tip / 2)], css, closed=True)


def whisker(scale: Scale, low: float, high: float, y: float) -> Markup:
    """An interval along a row at ``y``, cut at the axis' ends; nothing where it is not known."""
    if not (math.isfinite(low) and math.isfinite(high)) or not (low <= scale.high and high >= scale.low):
        return Markup("")
    return line(scale.inside(low), y, scale.inside(high), y, "whisker")


def whisker_up(scale: Scale, low: float, high: float, x: float) -> Markup:
    """The same along a column at ``x``."""
    if not (math.isfinite(low) and math.isfinite(high)) or not (low <= scale.high and high >= scale.low):
        return Markup("")
    return line(x, scale.inside(low), x, scale.inside(high), "whisker")


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """The places moved apart until neighbours are ``gap`` from each other, within ``low`` … ``high``.

    Each stays as near to its own place as the others allow; the order is kept. Where the room is too
    small for all, they share it evenly.
    """
    order = sorted(range(len(places)), key=lambda at: places[at])
    if len(order) > 1:
        gap = min(gap, (high - low) / (len(order) - 1))
    blocks: list[list[float]] = []  # [sum of wanted starts, members]: members lie gap after gap
    for at in order:
        blocks.append([places[at], 1])
        while len(blocks) > 1 and _start(blocks[-2]) + gap * blocks[-2][1] > _start(blocks[-1]):
            wanted, members = blocks.pop()
            blocks[-1][0] += wanted - gap * members * blocks[-1][1]
            blocks[-1][1] += members
    found: list[float] = []
    for one in blocks:
        found += [_start(one) + gap * number for number in range(int(one[1]))]
    found = [min(place, high - gap * (len(found) - 1 - number)) for number, place in enumerate(found)]
    found = [max(place, low + gap * number) for number, place in enumerate(found)]
    moved = [0.0] * len(places)
    for place, at in zip(found, order, strict=True):
        moved[at] = place
    return moved


def _start(block: Sequence[float]) -> float:
    return block[0] / block[1]


@dataclass(frozen=True)
class Panel:
    """One drawing with its title, and its finding in words. ``key`` tells the panels of a section apart."""

    title: str
    drawing: Markup
    summary: str
    setting: str = ""
    key: str = ""


@dataclass(frozen=True)
class Chart:
    """Panels of one kind with an introduction; ``missing`` says in words why there are none, or fewer."""

    title: str
    introduction: str
    panels: tuple[Panel, ...]
    missing: str = ""


MOST_MARKS = 500
"""Cases that one panel draws: beyond that no eye tells dots apart."""

MOST_LETTERS = 350_000
"""Letters of all drawings of one chart: results of thousands of cases still make a page that opens."""


def chart(title: str, introduction: str, panels: Sequence[Panel], missing: str) -> Chart:
    """The chart of the first panels up to MOST_LETTERS, with a word for those left out.

    ``missing``: why there is none.
    """
    if not panels:
        return Chart(title, introduction, (), missing)
    kept: list[Panel] = []
    letters = 0
    for panel in panels:
        letters += len(panel.drawing)
        if kept and letters > MOST_LETTERS:
            break
        kept.append(panel)
    left = len(panels) - len(kept)
    words = f"{left} further panels are left out; the table has their cases." if left else ""
    return Chart(title, introduction, tuple(kept), words)


def first_marks(rows: Sequence[Row]) -> tuple[Sequence[Row], str]:
    """The rows that a panel draws, and a sentence where it does not draw all."""
    if len(rows) <= MOST_MARKS:
        return rows, ""
    return rows[:MOST_MARKS], f" Drawn are the first {MOST_MARKS} of {len(rows):,} cases."


def _number(value: float) -> str:
    """A length with two decimals at most: ``12.5``."""
    return f"{round(value, 2) + 0.0:.2f}".rstrip("0").rstrip(".")
