"""The forest plot: per backbone, what each method's latency is over dense, beside what its MACs promised."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from bench.analysis.judging import resolution_asked
from bench.analysis.store import Results
from bench.report import digits, outcome, svg
from bench.report.palette import Look, Palette
from bench.report.prose import isolated, paragraph
from bench.report.rows import Row, baselines, grouped, method_label, setting, to_dense, varying
from bench.report.svg import Axis, Chart, Panel, Scale

TITLE = "Latency over dense, per backbone"

INTRODUCTION = paragraph("""
    One row a case, the fastest first: a dot is the latency over dense with its interval, hollow where it
    cannot be told from dense. Left of the line at 1 is faster; the band around it is what the run calls the
    same. The upright tick in a row is what it executes, MACs over dense: the promise beside the delivery.
    An arrow stands for a value beyond the axis.
""")

MISSING = "No compressed case was planned: there is nothing to hold against dense."

LOW, HIGH = 0.2, 4.0
"""The axis of every panel, so that panels compare at a glance."""

TICKS = (0.2, 0.3, 0.5, 1.0, 2.0, 4.0)

_LABELS = 148.0
_LEFT, _RIGHT = 166.0, 322.0
_ROW = 18.0
_TOP = 6.0


def forest(rows: Sequence[Row], results: Sequence[Results], palette: Palette) -> Chart:
    """One panel per backbone and setting that has a compressed case."""
    columns = varying(rows)
    index = baselines(rows)
    bands = {one.start.run: resolution_asked(one.start.measure) for one in results}
    panels = []
    for group in grouped(rows, ("backbone", *columns)):
        cases = sorted((row for row in group if not row["is_baseline"]), key=order)
        if cases:
            promised = {row["anchor"]: to_dense(row, "executed_macs", index) for row in cases}
            panels.append(_panel(cases, setting(cases[0], columns), promised, bands, palette))
    return svg.chart(TITLE, INTRODUCTION, panels, MISSING)


def order(row: Row) -> tuple[bool, float]:
    """Sorts by ratio; what has none comes last."""
    known = digits.known(row["ratio"])
    return not known, float(row["ratio"]) if known else 0.0


def _panel(
    cases: Sequence[Row],
    words: str,
    promised: Mapping[str, float],
    bands: Mapping[str, float],
    palette: Palette,
) -> Panel:
    scale = Scale(LOW, HIGH, _LEFT, _RIGHT, log=True)
    summary = _summary(cases)
    cases, note = svg.first_marks(cases)
    bottom = _TOP + _ROW * len(cases)
    band = 1 + bands.get(str(cases[0]["run"]), 0.0)
    low, high = scale(1 / band), scale(band)
    half = max(0.75, (high - low) / 2)  # never thinner than what can be seen
    parts = [
        svg.box(scale(1) - half, _TOP, 2 * half, bottom - _TOP, "band"),
        svg.below(Axis(scale, "latency ÷ dense (log scale)", TICKS), bottom, _TOP),
        svg.line(scale(1), _TOP, scale(1), bottom, "one"),
    ]
    for number, row in enumerate(cases):
        y = _TOP + _ROW * (number + 0.5)
        parts.append(_row(row, y, scale, promised[row["anchor"]], palette.look(row)))
    backbone = str(cases[0]["backbone"])
    drawing = svg.drawing(bottom + 32, *parts, label=f"Forest plot of {backbone}")
    return Panel(backbone, drawing, summary + note, words)


def _row(row: Row, y: float, scale: Scale, promised: float, look: Look) -> Markup:
    word = outcome.outcome(row)
    label = method_label(row)
    parts = [svg.text(4, y + 4, svg.cut(label, _LABELS), "label")]
    if digits.known(promised) and promised > 0:
        parts.append(_promise(promised, y, scale))
    if digits.known(row["ratio"]) and row["ratio"] > 0:
        parts += _delivery(row, word, y, scale, look)
    else:
        parts.append(svg.text(scale(1) + 6, y + 4, word, "quiet"))
    return svg.marked(row, hover(row, promised), *parts, css=f"{look.css} {word.replace(' ', '-')}")


def _promise(promised: float, y: float, scale: Scale) -> Markup:
    """The tick of the MACs; beyond the axis a small arrow at the edge."""
    if scale.holds(promised):
        return svg.line(scale(promised), y - 6, scale(promised), y + 6, "promise")
    right = promised > scale.high
    return svg.arrow(scale.inside(promised) + (5 if right else -5), y, right, "promise-beyond")


def _delivery(row: Row, word: str, y: float, scale: Scale, look: Look) -> list[Markup]:
    ratio = float(row["ratio"])
    hollow = word in (outcome.CANNOT_TELL, outcome.NO_INTERVAL)
    css = "dot hollow" if hollow else "dot"
    if not scale.holds(ratio):
        right = ratio > scale.high
        mark = svg.arrow(scale.inside(ratio) + (-5 if right else 5), y, right, css)
    else:
        mark = svg.dot(look.shape, scale(ratio), y, css=css)
    return [
        svg.whisker(scale, row["ratio_low"], row["ratio_high"], y),
        mark,
        svg.text(svg.WIDTH - 4, y + 4, outcome.ratio_words(row), "value", "end"),
    ]


def hover(row: Row, promised: float = math.nan) -> str:
    """What the pointer shows of a case."""
    text, interval = digits.with_interval(row["ratio"], row["ratio_low"], row["ratio_high"], watch=1)
    lines = [f"{row['backbone']}, {method_label(row)}: {outcome.outcome(row)}"]
    if text != digits.MISSING:
        lines.append(f"latency ÷ dense {text}" + (f" ({interval})" if interval else " (no interval)"))
    if digits.known(promised):
        lines.append(f"executed MACs ÷ dense {digits.times(promised)}")
    return "\n".join(lines)


def _summary(cases: Sequence[Row]) -> str:
    """The finding of a panel: its ends, and what has no ratio."""
    decided = [row for row in cases if outcome.outcome(row) in outcome.COMPARED]
    without = len(cases) - len(decided)
    words = []
    if decided:
        words.append(f"lowest {_named(decided[0])}")
    if len(decided) > 1:
        words.append(f"highest {_named(decided[-1])}")
    if without:
        words.append(f"{without} without a verdict")
    text = "; ".join(words)
    return f"{text[:1].upper()}{text[1:]}."


def _named(row: Row) -> str:
    return f"{isolated(method_label(row))} {outcome.ratio_words(row)} ({outcome.outcome(row)})"
