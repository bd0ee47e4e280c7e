"""From commit to commit: a small chart for each case, with every rise and fall at its commit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bench.analysis.commit_history import TIMES, CommitHistory, Point, Series, Step
from bench.report import digits, svg
from bench.report.prose import paragraph, plural
from bench.report.svg import Axis, Chart, Panel, Scale

TITLE = "From commit to commit"

INTRODUCTION = paragraph("""
    One chart for each case and machine: its latency over dense (of a baseline, its latency) at every commit
    that was measured, oldest first, with 95 % or 99 % intervals as the results have them. Below it, on an
    axis of its own, each count that ever changed. A dashed line is a commit that is named: a count that
    differs from the one before, or a lasting change of a time whose interval leaves out 1. A shaded stretch
    holds several commits that the history cannot tell apart.
""")

MISSING = "Nothing was measured at two commits: there is nothing to plot."

MOST_COUNTS = 6
"""Counts that are drawn below one time; what else changed is in the words."""

_LEFT, _RIGHT = 62.0, 366.0
_TIME, _COUNT, _APART = 108.0, 40.0, 26.0
"""Heights of a strip for a time and for a count, and between two strips."""


@dataclass(frozen=True)
class CommitsToDraw:
    """A history to draw, with the first line of every commit's message."""

    history: CommitHistory
    subjects: Mapping[str, str]


def commit_charts(past: CommitsToDraw | None) -> Chart | None:
    """One panel for each case and machine, in the order of the cases; None where no history was asked for."""
    if past is None:
        return None
    panels: list[Panel] = []
    by_case: dict[str, list[Series]] = {}
    for one in past.history.series:
        by_case.setdefault(one.case, []).append(one)
    for case, series in by_case.items():
        counts = [one for one in series if one.metric not in TIMES]
        lines = _times(series)
        for at, time in enumerate(lines):
            panels.append(_panel(case, time, counts if at == 0 else [], past))
        if not lines and any(len(one.points) > 1 for one in counts):
            panels.append(_panel(case, None, counts, past))
    return Chart(TITLE, INTRODUCTION, tuple(panels), "" if panels else MISSING)


def _times(series: Sequence[Series]) -> list[Series]:
    """One time for each line: the ratio where there is one."""
    by_line: dict[str, Series] = {}
    for one in series:
        if one.metric in TIMES and len(one.points) > 1 and (one.metric == "ratio" or one.line not in by_line):
            by_line[one.line] = one
    return list(by_line.values())


def _panel(case: str, time: Series | None, counts: Sequence[Series], past: CommitsToDraw) -> Panel:
    changed = [one for one in counts if one.steps]
    drawn = [*([time] if time else []), *changed[:MOST_COUNTS]] or list(counts[:1])
    places = sorted({point.at for one in (*drawn, *counts) for point in one.points})
    x = Scale(places[0] - 0.5, places[-1] + 0.5, _LEFT, _RIGHT)
    parts, top = [], 22.0
    for one in drawn:
        height = _TIME if one.metric in TIMES else _COUNT
        parts += _strip(one, x, top, top + height, past)
        top += height + _APART
    bottom = top - _APART
    ticks = _ticks(places)
    words = {int(at): past.history.order[int(at)][:7] for at in ticks}
    parts.append(svg.below(Axis(x, "commit", ticks, lambda at: words[int(at)]), bottom, bottom))
    drawing = svg.drawing(bottom + 32, *parts, label=f"{case} from commit to commit")
    return Panel(
        case,
        drawing,
        _summary([*([time] if time else []), *changed], places, past, bool(counts)),
        time.line if time else "",
    )


def _strip(series: Series, x: Scale, top: float, bottom: float, past: CommitsToDraw) -> list[Markup]:
    """One number over the commits, on an axis of its own."""
    time = series.metric in TIMES
    seen = [
        v for p in series.points for v in (p.value, *((p.low, p.high) if time else ())) if math.isfinite(v)
    ]
    low, high = min(seen), max(seen)
    room = (0.08 if time else 0.3) * (high - low) or 0.05 * abs(high) or 1.0
    y = Scale(low - room, high + room, bottom, top)
    ticks: Sequence[float] = svg.linear_ticks(y.low, y.high, 4) if time else sorted({low, high})
    words: Callable[[float], str] = _WORDS.get(series.metric, digits.exact)
    title = {"latency": "latency", "ratio": "latency ÷ dense"}.get(series.metric, series.metric)
    parts = [svg.beside(Axis(y, title, ticks, words), _LEFT, _RIGHT)]
    parts += [_named(step, x, top, bottom, past) for step in series.steps]
    if len(series.points) > 1:
        parts.append(svg.path(_line(series.points, x, y, stepped=not time), "series"))
    for point in series.points if time else ():
        about = (
            f"{past.history.order[point.at][:12]} {past.subjects.get(point.commit, '')}\n{words(point.value)}"
        )
        parts.append(
            svg.element(
                "g",
                {"class": "mark"},
                svg.element("title", None, about),
                svg.whisker_up(y, point.low, point.high, x(point.at)),
                svg.dot("circle", x(point.at), y(point.value), 2.4),
            )
        )
    return [svg.group("c1" if time else "c0", *parts)]


def _line(points: Sequence[Point], x: Scale, y: Scale, stepped: bool) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for point in points:
        if stepped and found:
            found.append((x(point.at), found[-1][1]))
        found.append((x(point.at), y(point.value)))
    return found


def _named(step: Step, x: Scale, top: float, bottom: float, past: CommitsToDraw) -> Markup:
    """A dashed line at the commit of a step, or a shade over those that it may be."""
    places = {commit: at for at, commit in enumerate(past.history.order)}
    first, last = places[step.candidates[0]], places[step.candidates[-1]]
    name = (
        step.candidates[-1][:7] if first == last else f"{step.candidates[0][:7]} … {step.candidates[-1][:7]}"
    )
    middle = x((max(first, x.low) + last) / 2)
    left, right = x.inside(first - 0.5), x.inside(last + 0.5)
    shade = "" if first == last else svg.box(left, top, right - left, bottom - top, "gap")
    anchor = "end" if middle > (_LEFT + _RIGHT) / 2 else "start"
    return svg.element(
        "g", None, svg.element("title", None, words_of(step, past.subjects)), shade,
        svg.line(middle, top, middle, bottom, "guide"),
        svg.text(middle, top - 3, name, "tick", anchor),
    )  # fmt: skip


def words_of(step: Step, subjects: Mapping[str, str]) -> str:
    """A rise or fall in a sentence."""
    if len(step.candidates) == 1:
        where = f"at {step.candidates[0][:7]} ({subjects.get(step.candidates[0], '')})"
    else:
        where = (
            f"at one of {len(step.candidates)} commits, {step.candidates[0][:7]} to {step.candidates[-1][:7]}"
        )
    if step.exact:
        return f"{step.metric} {digits.exact(step.before)} → {digits.exact(step.after)} {where}"
    value, interval = digits.with_interval(step.ratio, step.low, step.high, watch=1)
    return f"{step.metric} × {value} ({interval}) {where}"


def _summary(series: Sequence[Series], places: Sequence[int], past: CommitsToDraw, counted: bool) -> str:
    told = [words_of(step, past.subjects) for one in series for step in one.steps]
    time = next((one for one in series if one.metric in TIMES), None)
    if time is not None and not time.steps:
        if math.isfinite(time.resolution):
            least = digits.percent(time.resolution, 1)
            told.append(f"{time.metric}: no lasting change; one of {least} would have been found")
        else:
            told.append(f"{time.metric}: too few commits to say anything")
    if counted and not any(one.metric not in TIMES for one in series):
        told.append("no count changed")
    return f"{plural(len(places), 'commit')}. " + "; ".join(told) + "."


def _ticks(places: Sequence[int]) -> list[float]:
    """The first, the middle and the last commit that was measured."""
    return [float(at) for at in sorted({places[0], places[len(places) // 2], places[-1]})]


def _ratio(value: float) -> str:
    return f"{value:.3g}"


_WORDS: Mapping[str, Callable[[float], str]] = {"latency": digits.time, "ratio": _ratio}
