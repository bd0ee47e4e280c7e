"""What was found, in sentences: built from the rows alone, and true for any of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.report import digits, outcome
from bench.report.prose import plural
from bench.report.rows import (
    Row,
    baselines,
    grouped,
    method_label,
    name,
    ratio_of,
    setting,
    to_dense,
    varying,
)


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
    judged = [row for row in compressed if outcome.outcome(row) in outcome.COMPARED]
    sentences = [
        *_tally(judged),
        *_on_paper(judged, rows),
        *_extremes(judged, columns),
        *_unjudged(compressed, bool(judged)),
        *_failures(rows),
        *_witnesses(rows),
    ]
    return Summary(_headline(rows, compressed, judged), tuple(sentences), _groups(rows, columns))


def _headline(rows: Sequence[Row], compressed: Sequence[Row], judged: Sequence[Row]) -> str:
    if not rows:
        return "No case was measured."
    if not any(row["status"] == "ok" for row in rows):
        if all(row["status"] == "failed" for row in rows):
            return f"All {plural(len(rows), 'case')} failed: there are no times to show."
        return f"Nothing has been measured: {plural(len(rows), 'case')} planned."
    if not compressed:
        return "Only dense networks were measured: there is nothing to compare them with."
    if not judged:
        return "Nothing is claimed about speed: no compressed case has an interval for its ratio to dense."
    return _promises(judged, "" if len(judged) == len(compressed) else " with an interval")


def _promises(judged: Sequence[Row], which: str) -> str:
    """What became of the promise of fewer MACs. ``which``: words that tell these cases from the others."""
    saving = _saving(judged)
    alone = f"The one compressed case{which}" if len(judged) == 1 else ""
    everything = f"{plural(len(judged), 'compressed case')}{which}"
    if not saving:
        all_known = all(digits.known(row["macs_ratio"]) for row in judged)
        if alone:
            verb = "has no fewer MACs" if all_known else "is not known to have fewer MACs"
            return f"{alone} {verb} than dense."
        verb = "has" if all_known else "is known to have"
        return f"None of the {everything} {verb} fewer MACs than dense."
    found = Counter(outcome.outcome(row) for row in saving)
    if alone:
        return f"{alone} promises fewer MACs than dense {_KEPT[outcome.outcome(saving[0])]}."
    if slow := found[outcome.SLOWER]:
        verbs = ("promises", "is") if slow == 1 else ("promise", "are")
        return f"{slow} of {everything} {verbs[0]} fewer MACs than dense and {verbs[1]} still slower."
    promise = "promises" if len(saving) == 1 else "promise"
    fast = found[outcome.FASTER]
    rest = len(saving) - fast
    return (
        f"{len(saving)} of {everything} {promise} fewer MACs than dense: "
        f"{fast} faster, {rest} the same or not to be told apart, none slower."
    )


_KEPT = {
    outcome.FASTER: "and is faster",
    outcome.SLOWER: "and is still slower",
    outcome.SAME: "and takes the same time",
    outcome.CANNOT_TELL: "but cannot be told apart from it in time",
}
"""What became of the promise of a single case."""


def _saving(judged: Sequence[Row]) -> list[Row]:
    return [row for row in judged if digits.known(row["macs_ratio"]) and row["macs_ratio"] < 1]


def _tally(judged: Sequence[Row]) -> list[str]:
    if not judged:
        return []
    found = Counter(outcome.outcome(row) for row in judged)
    text = f"Against dense in the same rounds: {found[outcome.FASTER]} faster, {found[outcome.SLOWER]} slower"
    if same := found[outcome.SAME]:
        text += f", {same} the same"
    unsure = sorted(ratio_of(r).half_width for r in judged if outcome.outcome(r) == outcome.CANNOT_TELL)
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
    if len(saving) == 1:
        return [f"The one case with fewer MACs saves them on paper only: {_EXECUTED}."]
    which = f"In {len(paper)} of the {len(saving)} cases with fewer MACs"
    return [f"{which} the saving is on paper only: {_EXECUTED}."]


_EXECUTED = "the runtime executes at least as many MACs as for dense"


def _extremes(judged: Sequence[Row], columns: Sequence[str]) -> list[str]:
    """The best and the worst of those that differ from dense: an estimate that may be 1 is neither."""
    decided = [row for row in judged if outcome.outcome(row) in (outcome.FASTER, outcome.SLOWER)]
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
    return f"{name(row, columns)}: {_ratio(row)}, {outcome.outcome(row)}"


def _ratio(row: Row) -> str:
    value, interval = digits.with_interval(row["ratio"], row["ratio_low"], row["ratio_high"], watch=1)
    return f"{value} × ({interval})" if interval else f"{value} ×"


def _unjudged(compressed: Sequence[Row], others_judged: bool) -> list[str]:
    found = Counter(outcome.outcome(row) for row in compressed)
    lines = []
    noun = "further compressed case" if others_judged else "compressed case"
    if alone := found[outcome.NO_INTERVAL]:
        cases = plural(alone, noun)
        lines.append(
            f"{cases} shared only one round with dense: one round gives no interval, so there is no verdict."
        )
    if emulated := found[outcome.NOT_TIMED]:
        cases = plural(emulated, noun)
        lines.append(
            f"{cases} ran on an emulated core: instructions are counted there, and no time is taken."
        )
    if without := found[outcome.NOT_COMPARED]:
        cases = plural(without, noun)
        lines.append(
            f"{cases} had no dense baseline measured in the same round: no ratio, so there is no verdict."
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
        cases = plural(len(counted), "counted case")
        return [f"The three witnesses for MACs disagree in {disputed} of {cases}, marked ⚠ in the table."]
    return [f"The three witnesses for MACs agree in every counted case ({len(counted)})."] if counted else []


def _groups(rows: Sequence[Row], columns: Sequence[str]) -> tuple[Group, ...]:
    groups = []
    for group in grouped(rows, ("backbone", *columns)):
        parts = []
        for word in (outcome.FASTER, outcome.SLOWER, outcome.SAME, outcome.CANNOT_TELL, outcome.NO_INTERVAL,
                     outcome.NOT_COMPARED, outcome.NOT_TIMED, outcome.FAILED, outcome.NOT_RUN):  # fmt: skip
            cases = [_entry(row, word) for row in group if outcome.outcome(row) == word]
            if cases:
                parts.append(Part(word, tuple(cases)))
        if parts:
            words = setting(group[0], columns)
            groups.append(Group(f"{group[0]['backbone']}" + (f" ({words})" if words else ""), tuple(parts)))
    return tuple(groups)


def _entry(row: Row, word: str) -> str:
    if word == outcome.CANNOT_TELL:
        return f"{method_label(row)} {_ratio(row)}, resolution {digits.resolution(ratio_of(row).half_width)}"
    told = word in (outcome.FASTER, outcome.SLOWER, outcome.SAME)
    return f"{method_label(row)} {_ratio(row)}" if told else method_label(row)
