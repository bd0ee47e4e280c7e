"""A colour and a shape for every method: the same on the whole page, and no pair twice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from bench.report import svg
from bench.report.rows import Row
from bench.report.svg import SHAPES

COLOURS = 7
"""Colours of plots.css, ``--c0`` … ``--c6``; with SHAPES, which 7 does not divide, 56 pairs."""

FIRST = ("dense", "csr_conv")
"""Methods that have the same look on every page."""


@dataclass(frozen=True)
class Look:
    """The class that sets the colour, and the shape of the dot."""

    css: str
    shape: str


class Palette:
    """The look of each method of a page, by order of first appearance after FIRST."""

    def __init__(self, methods: Iterable[str]) -> None:
        self._place = {
            method: number for number, method in enumerate(dict.fromkeys((*FIRST, *map(str, methods))))
        }

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Palette:
        """The palette of the methods of these rows."""
        return cls(row["method"] for row in rows)

    def __getitem__(self, method: str) -> Look:
        """Raises KeyError for a method that is on no row."""
        place = self._place[method]
        return Look(f"c{place % COLOURS}", SHAPES[place % len(SHAPES)])

    def look(self, row: Row) -> Look:
        """The look of the row's method."""
        return self[str(row["method"])]

    def legend(self, rows: Iterable[Row]) -> Markup:
        """The methods of these rows with their dots, as items of a list."""
        found = []
        for method in sorted({str(row["method"]) for row in rows}, key=self._place.__getitem__):
            look = self[method]
            dot = svg.dot(look.shape, 6.0, 6.0)
            box = {"viewBox": "0 0 12 12", "class": f"drawing key {look.css}", "aria-hidden": "true"}
            found.append(svg.element("li", None, svg.element("svg", box, dot), f" {method}"))
        return Markup("").join(found)
