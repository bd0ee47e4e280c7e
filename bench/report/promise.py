"""Promise against delivery: does a case that executes fewer MACs take less time?"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from bench.analysis.rank import FEWEST, spearman
from bench.analysis.stats import Interval
from bench.report import digits, svg
from bench.report.forest import hover
from bench.report.palette import Palette
from bench.report.prose import paragraph, plural
from bench.report.rows import SETTING, Row, baselines, grouped, setting, to_dense, varying
from bench.report.svg import Axis, Chart, Panel, Scale

TITLE = "Promise against delivery"

INTRODUCTION = paragraph("""
    Each point is a compressed case of any backbone: what it executes of dense's MACs, and what it takes of
    dense's time. On the diagonal the whole promise arrived; above the level line the case is slower than
    dense. Spearman's ρ says how far the order of the MACs is the order of the times: 1 wholly, 0 not at all.
    Its interval is that of drawing cases anew, which are those of this page and no sample of all networks.
""")

MISSING = "No compressed case has both executed MACs and a latency over dense: there is nothing to plot."

QUADRANTS = ("promised and delivered", "paper only", "delivered unpromised", "neither")
"""Left below, left above, right below, right above."""

_LEFT, _RIGHT = 40.0, 368.0
_TOP, _BOTTOM = 20.0, 220.0


def promise(rows: Sequence[Row], palette: Palette) -> Chart:
    """One panel per host and whatever else makes two latencies incomparable."""
    columns = varying(rows)
    index = baselines(rows)
    usable = [(row, to_dense(row, "executed_macs", index)) for row in rows if not row["is_baseline"]]
    pairs = {row["anchor"]: macs for row, macs in usable if _positive(macs) and _positive(row["ratio"])}
    panels = [
        _panel(group, [pairs[row["anchor"]] for row in group], _title(group[0], columns), palette)
        for group in grouped([row for row, _ in usable if row["anchor"] in pairs], SETTING)
    ]
    return svg.chart(TITLE, INTRODUCTION, panels, MISSING)


def rho_words(rho: Interval) -> str:
    """``Spearman's ρ = 0.62 (0.41 to 0.78)``, or why there is none."""
    if not digits.known(rho.value):
        return f"no rank correlation: it needs {FEWEST} cases that differ in both"
    if not rho.known:
        return f"Spearman's ρ = {_signed(rho.value)} (no interval)"
    return f"Spearman's ρ = {_signed(rho.value)} ({_signed(rho.low)} to {_signed(rho.high)})"


def quadrant(macs: float, latency: float) -> str:
    """The word of QUADRANTS for two ratios to dense; equal to dense is neither promised nor delivered."""
    if macs < 1:
        return QUADRANTS[0] if latency < 1 else QUADRANTS[1]
    return QUADRANTS[2] if latency < 1 else QUADRANTS[3]


def _title(row: Row, columns: Sequence[str]) -> str:
    return setting(row, columns) or str(row["machine"]) or "all cases"


def _panel(rows: Sequence[Row], macs: Sequence[float], title: str, palette: Palette) -> Panel:
    ratios = [float(row["ratio"]) for row in rows]
    x = svg.log_scale([1.1, 1 / 1.1, *macs], _LEFT, _RIGHT, room=1.25)
    y = svg.log_scale([1.1, 1 / 1.1, *ratios], _BOTTOM, _TOP, room=1.25)
    drawn, note = svg.first_marks(rows)
    parts = [
        svg.below(Axis(x, "executed MACs ÷ dense (log scale)", svg.log_ticks(x.low, x.high)), _BOTTOM, _TOP),
        svg.beside(Axis(y, "latency ÷ dense (log scale)", svg.log_ticks(y.low, y.high)), _LEFT, _RIGHT),
        svg.line(x(1), _TOP, x(1), _BOTTOM, "one"),
        svg.line(_LEFT, y(1), _RIGHT, y(1), "one"),
        _diagonal(x, y),
        *(_mark(row, ratio, x, y, palette) for row, ratio in zip(drawn, macs, strict=False)),
        *_corners(x),
    ]
    drawing = svg.drawing(_BOTTOM + 32, *parts, label="Executed MACs against latency, both over dense")
    where = [quadrant(m, r) for m, r in zip(macs, ratios, strict=True)]
    tally = ", ".join(f"{where.count(word)} {word}" for word in QUADRANTS if word in where)
    rho = rho_words(spearman(macs, ratios))
    words = f"{rho[0].upper()}{rho[1:]} over {plural(len(rows), 'case')}: {tally}."
    return Panel(title, drawing, words + note)


def _diagonal(x: Scale, y: Scale) -> Markup:
    low, high = max(x.low, y.low), min(x.high, y.high)
    return svg.path([(x(low), y(low)), (x(high), y(high))], "guide")


def _corners(x: Scale) -> list[Markup]:
    """The quadrants' names in the plot's corners, where a quadrant is wide enough for its name."""
    found = []
    for word, left, at in (
        (QUADRANTS[0], True, _BOTTOM - 6),
        (QUADRANTS[1], True, _TOP + 12),
        (QUADRANTS[2], False, _BOTTOM - 6),
        (QUADRANTS[3], False, _TOP + 12),
    ):
        width = x(1) - _LEFT if left else _RIGHT - x(1)
        if width > svg.LETTER * len(word):
            place, anchor = (_LEFT + 4, "start") if left else (_RIGHT - 3, "end")
            found.append(svg.text(place, at, word, "corner halo", anchor))
    return found


def _mark(row: Row, macs: float, x: Scale, y: Scale, palette: Palette) -> Markup:
    look = palette.look(row)
    at = x(macs)
    return svg.marked(
        row,
        hover(row, macs),
        svg.whisker_up(y, row["ratio_low"], row["ratio_high"], at),
        svg.dot(look.shape, at, y(float(row["ratio"])), 3.8),
        css=look.css,
    )


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def _positive(value: object) -> bool:
    return digits.known(value) and float(value) > 0
