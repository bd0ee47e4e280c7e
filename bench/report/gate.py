"""What a gate found, as Markdown for the page of a pull request."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.analysis.compare import CaseChange, Comparison
from bench.analysis.expected import FILE, TIME, number
from bench.analysis.gate import Found, Gate
from bench.analysis.store import Results
from bench.analysis.verdict import SAME
from bench.errors import printable

OUTCOMES = {
    0: "passes",
    1: "fails: something changed that was not declared",
    2: f"fails: {FILE} declares what did not happen",
    4: "cannot tell: at least one case could not be judged",
}

VALUES = ("params", "logical_params", "macs", "executed_macs", "weight_bytes")
"""Counts that stand in the table whether they changed or not."""


@dataclass(frozen=True)
class Between:
    """The two commits in words, and what measured them."""

    base: str
    head: str
    host: str
    load: str


def between(results: Results, base: str, head: str) -> Between:
    """``base`` and ``head`` as a person knows them, with host and load as the run recorded them."""
    seen = [one for one in (*results.trials, *results.probes) if one.host]
    hosts = dict.fromkeys(
        f"{one.host.get('name', 'unnamed')}, {one.host.get('cpu', 'unknown processor')}"
        for one in seen
        if one.host
    )
    loads = [
        float(load)
        for one in seen
        if isinstance(load := (one.conditions_before or {}).get("load_1m"), int | float)
    ]
    load = f"{min(loads):.1f} … {max(loads):.1f}" if loads else "not known"
    return Between(base, head, "; ".join(hosts) or "not known", load)


def in_markdown(
    gate: Gate, about: Between, counts: Mapping[str, tuple[Mapping[str, int], Mapping[str, int]]]
) -> str:
    """The whole verdict. ``counts``: case -> its integers on the base and on the head."""
    parts = [
        f"### `bench gate` {OUTCOMES[gate.exit_code]}",
        "\n".join(
            [
                f"- base: {about.base}",
                f"- head: {about.head}",
                f"- host: {as_text(about.host)}; load {about.load}",
                f"- times: {reached(gate.comparison)}",
            ]
        ),
        markdown_table(
            ["case", "time", "head ÷ base", "interval", "note"],
            [_times(change) for change in gate.comparison.cases],
        ),
    ]
    rows = [_changed(one) for one in gate.found if one.metric != TIME]
    parts.append(
        markdown_table(["case", "count", "base", "head", "declared"], rows)
        if rows
        else "All counts are equal."
    )
    parts.append(_details(counts))
    if gate.undeclared:
        lines = "\n".join(one.line() for one in gate.undeclared)
        parts.append(
            f"Where these were meant, add to `{FILE}`, with a reason for each:\n\n```yaml\n{lines}\n```"
        )
    if gate.stale:
        parts.append("Wrong declarations:\n\n" + "\n".join(f"- {as_text(line)}" for line in gate.stale))
    return "\n\n".join(part for part in parts if part) + "\n"


def reached(comparison: Comparison) -> str:
    """How small a change of time the comparison could have seen, in words."""
    widths = [c.ratio.half_width for c in comparison.cases if c.ratio.known]
    if not widths:
        return "not taken"
    return (
        f"differences up to {comparison.resolution:.3g} are the same; every ratio is known to "
        f"±{math.expm1(max(widths)):.2%} or better"
    )


def _times(change: CaseChange) -> list[str]:
    known = change.ratio.known
    return [
        f"`{change.case}`",
        f"**{change.verdict}**" if change.verdict not in (SAME, "not timed") else change.verdict,
        f"{change.ratio.value:.3f}" if change.ratio.count else "—",
        f"{change.ratio.low:.3f} … {change.ratio.high:.3f}" if known else "—",
        as_text(change.note),
    ]


def _changed(found: Found) -> list[str]:
    why = f"yes: {as_text(found.declared.reason)}" if found.declared else "**no**"
    return [f"`{found.case}`", found.metric, number(found.before), f"**{number(found.after)}**", why]


def _details(counts: Mapping[str, tuple[Mapping[str, int], Mapping[str, int]]]) -> str:
    rows = []
    for case, (base, head) in counts.items():
        rows.append([f"`{case}`", *(_both(base.get(name), head.get(name)) for name in VALUES)])
    table = markdown_table(["case", *VALUES], rows)
    return f"<details><summary>Counts before and after</summary>\n\n{table}\n\n</details>" if rows else ""


def _both(base: int | None, head: int | None) -> str:
    if base == head:
        return "—" if base is None else f"{base:,}"
    return " → ".join("—" if value is None else f"{value:,}" for value in (base, head))


def markdown_table(columns: list[str], rows: Iterable[list[str]]) -> str:
    """A table; cells are Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_text(text: str) -> str:
    """Text as Markdown shows it unchanged: it ends no cell, is no markup, and calls nobody."""
    escaped = "".join(f"\\{c}" if c in "\\`*_[]|#~" else c for c in printable(text))
    return escaped.replace("<", "&lt;").replace("@", "@&#8203;")
