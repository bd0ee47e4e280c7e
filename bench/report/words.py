"""What else was found, in sentences: built from the rows alone, and true for any of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bench.report import digits, outcome
from bench.report.prose import plural
from bench.report.rows import (
    Row,
    baselines,
    name,
    ratio_of,
    to_dense,
    varying,
)


def findings(rows: Sequence[Row]) -> tuple[str, ...]:
    """The findings, each a sentence. Nothing is said about speed where there is no interval."""
    columns = varying(rows)
    compressed = [row for row in rows if not row["is_baseline"]]
    judged = [row for row in compressed if outcome.outcome(row) in outcome.COMPARED]
    return (
        *_tally(judged),
        *_on_paper(judged, rows),
        *_extremes(judged, columns),
        *_unjudged(compressed, bool(judged)),
        *_failures(rows),
        *_witnesses(rows),
    )


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
