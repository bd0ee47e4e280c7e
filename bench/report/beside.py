"""Hosts and runs side by side: ratios by host, base against head, and the history over runs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.compare import NOT_TIMED, CaseChange, Comparison, compare_arms, compare_runs
from bench.analysis.history import History, Point, history
from bench.analysis.hosts import OnHost, side_by_side
from bench.analysis.records import RunStart
from bench.analysis.stats import Interval
from bench.analysis.store import Results
from bench.analysis.verdict import CANNOT_TELL, FASTER, SAME, SLOWER
from bench.report import digits
from bench.report.columns import Value, bounds, decimals_for, fixed, told_apart
from bench.report.prose import coded, paragraph, plural
from bench.report.rows import Row, method_label

SAME_WITHIN = 0.03
"""Of runs that were not interleaved, as `bench compare` has it; 1 % of two arms of one run."""

MOST_RUNS = 10
"""Newest runs that the history shows."""

MOST_CASES = 300

HOSTS = paragraph("""
    Latency ÷ dense by host, with its interval and verdict: what turns from one processor to another is no
    property of the method.
""")

CHANGE = coded(
    paragraph("""
    Head over base: latency with the verdict of `bench compare`, and every exact count that changed. Runs that
    were not interleaved have what drifted between them in every ratio; `bench ab` measures two revisions in
    one run.
""")
)

HISTORY = paragraph("""
    Latency ÷ dense over the runs of a host, the newest on the right. A step is marked where the intervals of
    two runs that follow each other do not touch and the ratios are more than 3 % apart.
""")


@dataclass(frozen=True)
class Entry:
    """One ratio: text, interval in words, a verdict's or a step's class. ``wide``: words, not a number."""

    text: str
    words: str = ""
    css: str = ""
    mark: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Beside:
    """One row: backbone, method, the entries, and a mark for what the reader must not overlook."""

    backbone: str
    method: str
    anchor: str
    entries: tuple[Entry, ...]
    mark: str = ""


@dataclass(frozen=True)
class Section:
    """A table of such rows. ``finding``: what it says, in a sentence."""

    title: str
    introduction: str
    heads: tuple[str, ...]
    rows: tuple[Beside, ...]
    finding: str
    notes: tuple[str, ...] = ()


def hosts_section(rows: Sequence[Row]) -> Section | None:
    """A column for each host; None where there is one."""
    hosts, cases = side_by_side(rows)
    if not cases:
        return None
    places = _places([found.ratio for case in cases for found in case.by_host.values()])
    shown = tuple(
        Beside(
            case.row["backbone"],
            method_label(case.row),
            case.row["anchor"],
            tuple(_on_host(case.by_host.get(host), places) for host in hosts),
            "turns" if case.turned else "",
        )
        for case in cases[:MOST_CASES]
    )
    turned = [case for case in cases if case.turned]
    finding = (
        f"The verdict turns from faster to slower in {len(turned)} of {plural(len(cases), 'case')}."
        if turned
        else f"No verdict turns from faster to slower in {plural(len(cases), 'case')}."
    )
    return Section("Host beside host", HOSTS, hosts, shown, finding, _cut(len(cases)))


def change_section(rows: Sequence[Row], results: Sequence[Results]) -> Section | None:
    """Base against head: two runs, or the two revisions of one; None where there is no such pair."""
    found = _comparison(results)
    if found is None:
        return None
    title, comparison = found
    by_case = {row["case"]: row for row in rows}
    places = _places([change.ratio for change in comparison.cases])
    # Of times that are not compared nothing can be shown but counts that changed.
    told = [change for change in comparison.cases if change.changed or not comparison.refused]
    shown = tuple(
        _changed(change, by_case[change.case], places)
        for change in told[:MOST_CASES]
        if change.case in by_case
    )
    heads = ("head ÷ base", "verdict", "counts")
    notes = (*comparison.notes, *_cut(len(told)))
    return Section(title, CHANGE, heads, shown, _totals(comparison), notes)


def history_section(rows: Sequence[Row], starts: Sequence[RunStart]) -> Section | None:
    """A column for each run of which several measured the same case; None where none did."""
    found = history(rows, starts)
    if not found.lines:
        return None
    runs = found.runs[-MOST_RUNS:]
    places = _places([point.ratio for line in found.lines for point in line.points])
    shown = []
    for line in found.lines[:MOST_CASES]:
        by_run = {point.run: point for point in line.points}
        entries = tuple(_in_run(by_run.get(run.run), places) for run in runs)
        mark = "step" if line.steps else ""
        names = line.row["backbone"], method_label(line.row), line.row["anchor"]
        shown.append(Beside(*names, entries, mark))
    notes = list(_cut(len(found.lines)))
    if len(runs) < len(found.runs):
        notes.append(f"The newest {len(runs)} of {len(found.runs)} runs are shown; steps count all of them.")
    heads = tuple(f"{run.started[:10]} {run.revision[:9]}" for run in runs)
    return Section("History", HISTORY, heads, tuple(shown), _steps(found), tuple(notes))


def _comparison(results: Sequence[Results]) -> tuple[str, Comparison] | None:
    if len(results) == 1 and len(results[0].start.arms) == 2:
        base, head = results[0].start.arms
        names = results[0].start.arms
        title = f"Base against head: {names[base][:12]} and {names[head][:12]}"
        asked = results[0].start.measure.get("resolution")
        return title, compare_arms(results[0], base, head, asked if digits.known(asked) else 0.01)
    if len(results) == 2 and not any(one.start.arms for one in results):
        base_run, head_run = results
        if not {case["id"] for case in base_run.start.cases} & {case["id"] for case in head_run.start.cases}:
            return None  # two suites, or two targets: nothing of one stands in the other
        title = f"Base against head: {base_run.start.run} and {head_run.start.run}"
        return title, compare_runs(base_run, head_run, SAME_WITHIN)
    return None


def _changed(change: CaseChange, row: Row, places: int) -> Beside:
    ratio = change.ratio
    counts = "; ".join(f"{name.replace('_', ' ')} {a:,} → {b:,}" for name, (a, b) in change.changed.items())
    word = change.verdict + (f" within {digits.percent(SAME_WITHIN)}" if change.verdict == SAME else "")
    return Beside(
        row["backbone"],
        str(row["label"]),
        row["anchor"],
        (
            Entry(fixed(ratio.value, places) if ratio.count else digits.MISSING, _bounds(ratio, places)),
            Entry(word, change.note, change.verdict, wide=True),
            Entry(counts or "equal", css="step" if change.bigger else "", wide=True),
        ),
        "changed" if change.verdict in (FASTER, SLOWER) or change.changed else "",
    )


def _totals(comparison: Comparison) -> str:
    found = Counter(change.verdict for change in comparison.cases)
    words = [
        f"{found[word]} {word}" for word in (FASTER, SLOWER, SAME, CANNOT_TELL, NOT_TIMED) if found[word]
    ]
    counts = sum(bool(change.changed) for change in comparison.cases)
    changed = f"counts changed in {counts}" if counts else "no count changed"
    if comparison.refused:
        why = comparison.refused.partition(";")[0]
        return f"{why[:1].upper()}{why[1:]}. Of {plural(len(comparison.cases), 'case')}: {changed}."
    return f"Of {plural(len(comparison.cases), 'case')}: {', '.join([*words, changed])}."


def _on_host(found: OnHost | None, places: int) -> Entry:
    if found is None:
        return Entry(digits.MISSING)
    return Entry(fixed(found.ratio.value, places), _bounds(found.ratio, places), found.verdict)


def _in_run(point: Point | None, places: int) -> Entry:
    if point is None:
        return Entry(digits.MISSING)
    words = _bounds(point.ratio, places)
    if not point.step:
        return Entry(fixed(point.ratio.value, places), words)
    sign = "▲" if point.step > 0 else "▼"
    mark = f"{sign} {digits.percent(math.expm1(point.step))}"
    return Entry(fixed(point.ratio.value, places), words, "step" if point.step > 0 else "step down", mark)


def _steps(found: History) -> str:
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


def _bounds(ratio: Interval, places: int) -> str:
    return bounds(ratio.low, ratio.high, places, watch=1.0) if ratio.known else ""


def _places(ratios: Sequence[Interval]) -> int:
    values = [Value(ratio.value, ratio.low, ratio.high) for ratio in ratios if ratio.count]
    apart = [ratio.value for ratio in ratios if ratio.known and not ratio.low <= 1 <= ratio.high]
    return told_apart(apart, max(2, decimals_for(values)))


def _cut(number: int) -> tuple[str, ...]:
    return (f"The first {MOST_CASES} of {number:,} cases are shown.",) if number > MOST_CASES else ()
