"""Side by side: ratios by host, and base against head; the run history uses the same table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.compare import NOT_TIMED, CaseChange, Comparison, compare_arms, compare_runs
from bench.analysis.hosts import OnHost, side_by_side
from bench.analysis.stats import Interval
from bench.analysis.store import Results
from bench.analysis.verdict import CANNOT_TELL, FASTER, SAME, SLOWER
from bench.report import digits
from bench.report.column_digits import Value, bounds, decimals_for, fixed, told_apart
from bench.report.prose import coded, paragraph, plural
from bench.report.rows import Row, method_label

SAME_WITHIN = 0.03
"""Of runs that were not interleaved, as `bench compare` has it; 1 % of two arms of one run."""

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
    places = places_of([found.ratio for case in cases for found in case.by_host.values()])
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
    return Section("Host beside host", HOSTS, hosts, shown, finding, cut_note(len(cases)))


def change_section(rows: Sequence[Row], results: Sequence[Results]) -> Section | None:
    """Base against head: two runs, or the two revisions of one; None where there is no such pair."""
    found = _comparison(results)
    if found is None:
        return None
    title, comparison = found
    by_case = {row["case"]: row for row in rows}
    places = places_of([change.ratio for change in comparison.cases])
    # Of times that are not compared nothing can be shown but counts that changed.
    told = [change for change in comparison.cases if change.changed or not comparison.refused]
    shown = tuple(
        _changed(change, by_case[change.case], places)
        for change in told[:MOST_CASES]
        if change.case in by_case
    )
    heads = ("head ÷ base", "verdict", "counts")
    notes = (*comparison.notes, *cut_note(len(told)))
    return Section(title, CHANGE, heads, shown, _totals(comparison), notes)


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
            Entry(
                fixed(ratio.value, places) if ratio.count else digits.MISSING, interval_words(ratio, places)
            ),
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
    return Entry(fixed(found.ratio.value, places), interval_words(found.ratio, places), found.verdict)


def interval_words(ratio: Interval, places: int) -> str:
    """The interval; empty where it is not known."""
    return bounds(ratio.low, ratio.high, places, watch=1.0) if ratio.known else ""


def places_of(ratios: Sequence[Interval]) -> int:
    """Decimals of a column of ratios: one that is known to differ from 1 is never printed as 1."""
    values = [Value(ratio.value, ratio.low, ratio.high) for ratio in ratios if ratio.count]
    apart = [ratio.value for ratio in ratios if ratio.known and not ratio.low <= 1 <= ratio.high]
    return told_apart(apart, max(2, decimals_for(values)))


def cut_note(number: int) -> tuple[str, ...]:
    """A note where a table has fewer cases than there are."""
    return (f"The first {MOST_CASES} of {number:,} cases are shown.",) if number > MOST_CASES else ()
