"""From run to run of a host: a table with a column for each run, its steps marked."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.analysis.records import RunStart
from bench.analysis.run_history import RunHistory, RunPoint, run_history
from bench.report import digits
from bench.report.beside import MOST_CASES, Beside, Entry, Section, cut_note, interval_words, places_of
from bench.report.column_digits import fixed
from bench.report.prose import paragraph, plural
from bench.report.rows import Row, method_label

MOST_RUNS = 10
"""Newest runs that the history shows."""

INTRODUCTION = paragraph("""
    Latency ÷ dense over the runs of a host, the newest on the right. A step is marked where the intervals of
    two runs that follow each other do not touch and the ratios are more than 3 % apart.
""")


def run_history_section(rows: Sequence[Row], starts: Sequence[RunStart]) -> Section | None:
    """A column for each run of which several measured the same case; None where none did."""
    found = run_history(rows, starts)
    if not found.lines:
        return None
    runs = found.runs[-MOST_RUNS:]
    places = places_of([point.ratio for line in found.lines for point in line.points])
    shown = []
    for line in found.lines[:MOST_CASES]:
        by_run = {point.run: point for point in line.points}
        entries = tuple(_in_run(by_run.get(run.run), places) for run in runs)
        mark = "step" if line.steps else ""
        names = line.row["backbone"], method_label(line.row), line.row["anchor"]
        shown.append(Beside(*names, entries, mark))
    notes = list(cut_note(len(found.lines)))
    if len(runs) < len(found.runs):
        notes.append(f"The newest {len(runs)} of {len(found.runs)} runs are shown; steps count all of them.")
    heads = tuple(f"{run.started[:10]} {run.revision[:9]}" for run in runs)
    return Section("History", INTRODUCTION, heads, tuple(shown), _steps(found), tuple(notes))


def _in_run(point: RunPoint | None, places: int) -> Entry:
    if point is None:
        return Entry(digits.MISSING)
    words = interval_words(point.ratio, places)
    if not point.step:
        return Entry(fixed(point.ratio.value, places), words)
    sign = "▲" if point.step > 0 else "▼"
    mark = f"{sign} {digits.percent(math.expm1(point.step))}"
    return Entry(fixed(point.ratio.value, places), words, "step" if point.step > 0 else "step down", mark)


def _steps(found: RunHistory) -> str:
    steps = [(line, point) for line in found.lines for point in line.steps]
    cases = plural(len(found.lines), "case")
    if not steps:
        return f"No step in {cases} over {len(found.runs)} runs."
    dates = {run.run: run for run in found.runs}
    line, point = max(steps, key=lambda step: abs(step[1].step))
    start = dates[point.run]
    return (
        f"{plural(len(steps), 'step')} in {cases} over {len(found.runs)} runs; the largest: "
        f"{line.row['backbone']}, {method_label(line.row)} {digits.percent(math.expm1(point.step))} "
        f"at {start.revision[:12]} ({start.started[:10]})."
    )
