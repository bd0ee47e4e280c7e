"""What was found, in sentences: built from the rows alone, and true for any of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.report import digits, verdict
from bench.report.rows import Row, baselines, grouped, name, ratio_of, setting, to_dense, varying


@dataclass(frozen=True)
class Part:
    """Cases of one group with the same verdict."""

    verdict: str
    cases: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """One backbone in one setting."""

    name: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Summary:
    """One headline, the sentences under it, and the verdicts of each group."""

    headline: str
    sentences: tuple[str, ...]
    groups: tuple[Group, ...]


def summarise(rows: Sequence[Row]) -> Summary:
    """The finding. Nothing is said about speed where there is no interval."""
    columns = varying(rows)
    compressed = [row for row in rows if not row["is_baseline"]]
    judged = [row for row in compressed if verdict.verdict(row) in verdict.COMPARED]
    sentences = [
        *_tally(judged),
        *_on_paper(judged, rows),
        *_extremes(judged, columns),
        *_unjudged(compressed, bool(judged)),
        *_failures(rows),
        *_witnesses(rows),
    ]
    return Summary(_headline(rows, compressed, judged), tuple(sentences), _groups(rows, columns))


def plural(number: int, noun: str) -> str:
    """``1 case``, ``3 cases``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _headline(rows: Sequence[Row], compressed: Sequence[Row], judged: Sequence[Row]) -> str:
    if not rows:
        return "No case was measured."
    if not any(row["status"] == "ok" for row in rows):
        if all(row["status"] == "failed" for row in rows):
            return f"All {plural(len(rows), 'case')} failed: there is no time to read here."
        return f"Nothing has been measured: {plural(len(rows), 'case')} planned."
    if not compressed:
        return "Only dense networks were measured: there is nothing to compare them with."
    if not judged:
        return "Nothing is claimed about speed: no compressed case has an interval for its ratio to dense."
    saving = _saving(judged)
    slow = [row for row in saving if verdict.verdict(row) == verdict.SLOWER]
    everything = f"{plural(len(judged), 'compressed case')}{_with_interval(compressed, judged)}"
    if not saving:
        return f"Not one of {everything} is known to have fewer MACs than dense."
    if slow:
        verbs = (
            "promises fewer MACs than dense and is"
            if len(slow) == 1
            else "promise fewer MACs than dense and are"
        )
        return f"{len(slow)} of {everything} {verbs} still slower."
    fast = sum(verdict.verdict(row) == verdict.FASTER for row in saving)
    return (
        f"{len(saving)} of {everything} {'promises' if len(saving) == 1 else 'promise'} fewer MACs than "
        "dense: "
        f"{fast} faster, {len(saving) - fast} the same or not to be told apart, none slower."
    )


def _with_interval(compressed: Sequence[Row], judged: Sequence[Row]) -> str:
    return "" if len(judged) == len(compressed) else " with an interval"


def _saving(judged: Sequence[Row]) -> list[Row]:
    return [row for row in judged if digits.known(row["macs_ratio"]) and row["macs_ratio"] < 1]


def _tally(judged: Sequence[Row]) -> list[str]:
    if not judged:
        return []
    found = Counter(verdict.verdict(row) for row in judged)
    text = f"Against dense in the same rounds: {found[verdict.FASTER]} faster, {found[verdict.SLOWER]} slower"
    if same := found[verdict.SAME]:
        text += f", {same} the same"
    unsure = sorted(ratio_of(r).half_width for r in judged if verdict.verdict(r) == verdict.CANNOT_TELL)
    text += f", {len(unsure)} that cannot be told apart"
    if unsure:
        low, high = digits.resolution(unsure[0]), digits.resolution(unsure[-1])
        text += f" (resolution {low})" if low == high else f" (resolution {low} to {high})"
    return [text + "."]


def _on_paper(judged: Sequence[Row], rows: Sequence[Row]) -> list[str]:
    index = baselines(rows)
    saving = _saving(judged)
    paper = [row for row in saving if to_dense(row, "executed_macs", index) >= 1]
    if not paper:
        return []
    return [
        f"In {len(paper)} of the {plural(len(saving), 'case')} with fewer MACs the saving is on paper only: "
        "the runtime executes at least as many MACs as for dense."
    ]


def _extremes(judged: Sequence[Row], columns: Sequence[str]) -> list[str]:
    """The best and the worst of those that differ from dense: an estimate that may be 1 is neither."""
    decided = [row for row in judged if verdict.verdict(row) in (verdict.FASTER, verdict.SLOWER)]
    order = sorted(decided, key=lambda row: float(row["ratio"]))
    if not order:
        return []
    if len(order) == 1:
        return [f"The one case that can be told from dense: {_described(order[0], columns)}."]
    return [
        f"Lowest latency over dense: {_described(order[0], columns)}.",
        f"Highest latency over dense: {_described(order[-1], columns)}.",
    ]


def _described(row: Row, columns: Sequence[str]) -> str:
    return f"{name(row, columns)}: {_ratio(row)}, {verdict.verdict(row)}"


def _ratio(row: Row) -> str:
    value, interval = digits.with_interval(row["ratio"], row["ratio_low"], row["ratio_high"], watch=1)
    return f"{value} × ({interval})" if interval else f"{value} ×"


def _unjudged(compressed: Sequence[Row], others_judged: bool) -> list[str]:
    found = Counter(verdict.verdict(row) for row in compressed)
    lines = []
    further = "further " if others_judged else ""
    if alone := found[verdict.NO_INTERVAL]:
        lines.append(
            f"{plural(alone, f'{further}compressed case')} shared one round only with dense: "
            "one round gives no interval, so no verdict."
        )
    if without := found[verdict.NOT_COMPARED]:
        lines.append(
            f"{plural(without, f'{further}compressed case')} had no dense baseline measured in the same "
            "round: "
            "no ratio, so no verdict."
        )
    return lines


def _failures(rows: Sequence[Row]) -> list[str]:
    found = Counter(row["status"] for row in rows)
    lines = []
    if found["failed"]:
        lines.append(f"{found['failed']} of {plural(len(rows), 'case')} failed; the table says why.")
    missing = sum(number for status, number in found.items() if status not in ("ok", "failed"))
    if missing:
        lines.append(f"{missing} of {plural(len(rows), 'case')} {'was' if missing == 1 else 'were'} not run.")
    return lines


def _witnesses(rows: Sequence[Row]) -> list[str]:
    counted = [row for row in rows if digits.known(row["macs"])]
    disputed = sum(bool(row["disagreements"]) for row in counted)
    if disputed:
        return [
            f"The three witnesses for MACs disagree in {disputed} of {plural(len(counted), 'counted case')}, "
            "marked ⚠ in the table."
        ]
    return [f"The three witnesses for MACs agree in every counted case ({len(counted)})."] if counted else []


def _groups(rows: Sequence[Row], columns: Sequence[str]) -> tuple[Group, ...]:
    groups = []
    for group in grouped(rows, ("backbone", *columns)):
        parts = []
        for word in (verdict.FASTER, verdict.SLOWER, verdict.SAME, verdict.CANNOT_TELL, verdict.NO_INTERVAL,
                     verdict.NOT_COMPARED, verdict.FAILED, verdict.NOT_RUN):  # fmt: skip
            cases = [_entry(row, word) for row in group if verdict.verdict(row) == word]
            if cases:
                parts.append(Part(word, tuple(cases)))
        if parts:
            words = setting(group[0], columns)
            groups.append(Group(f"{group[0]['backbone']}" + (f" ({words})" if words else ""), tuple(parts)))
    return tuple(groups)


def _entry(row: Row, word: str) -> str:
    if word == verdict.CANNOT_TELL:
        return f"{row['label']} {_ratio(row)}, resolution {digits.resolution(ratio_of(row).half_width)}"
    told = word in (verdict.FASTER, verdict.SLOWER, verdict.SAME)
    return f"{row['label']} {_ratio(row)}" if told else str(row["label"])
