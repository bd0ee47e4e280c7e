"""A history in lines for a terminal, and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bench.analysis.commit_history import TIMES, CommitHistory, Series, Step
from bench.report.gate import as_text, markdown_table

COLUMNS = ["commit", "case", "metric", "before", "after", "change", "subject"]


def step_rows(history: CommitHistory, subjects: Mapping[str, str]) -> list[list[str]]:
    """One row for each rise and fall, the newest first; ``subjects``: commit -> first line of its message."""
    return [
        [
            named(step.candidates),
            step.case,
            step.metric,
            _value(step.before, step.exact),
            _value(step.after, step.exact),
            _change(step),
            subjects.get(step.candidates[-1], "")
            if len(step.candidates) == 1
            else f"one of {len(step.candidates)}",
        ]
        for step in history.steps
    ]


def named(candidates: Sequence[str]) -> str:
    """One commit, or the first and the last of several."""
    if len(candidates) == 1:
        return candidates[0][:12]
    return f"{candidates[0][:12]} … {candidates[-1][:12]}"


def settling(history: CommitHistory, suite: str) -> list[str]:
    """For each step that the history cannot pin to one commit, the command that would, in words."""
    found = []
    for step in history.steps:
        if len(step.candidates) == 1:
            continue
        commits = f"{step.base[:12]} {step.candidates[-1][:12]}"
        command = f"bench ab {commits} {suite} --only '{step.case}'"
        if step.exact:
            command += " --fail-on bigger"
        found.append(
            f"{step.case} {step.metric}: one of {len(step.candidates)} commits ({named(step.candidates)}); "
            f"`{command}` compares the ends, "
            f"`bench history --bisect '{step.case}' --metric {step.metric}` finds it"
        )
    return found


def resolutions(history: CommitHistory) -> list[str]:
    """What the times of each line could have shown, in words."""
    by_line: dict[str, list[Series]] = {}
    for one in history.series:
        if one.metric in TIMES and math.isfinite(one.resolution):
            by_line.setdefault(one.line, []).append(one)
    lines = []
    for line, series in by_line.items():
        best = min(series, key=lambda one: one.resolution)
        worst = max(series, key=lambda one: one.resolution)
        lines.append(
            f"{line}: of times, lasting changes from {best.resolution:.1%} ({best.case} {best.metric}) to "
            f"{worst.resolution:.1%} ({worst.case} {worst.metric}) would be found once "
            f"{best.behind} commits have followed"
        )
    silent = sum(1 for one in history.series if one.metric in TIMES and not math.isfinite(one.resolution))
    if silent:
        lines.append(
            f"of {silent} histories of a time nothing can be said: fewer than 5 commits were measured"
        )
    return lines


def doubts_in_words(history: CommitHistory) -> list[str]:
    """What cannot be told, each reason once, with what it holds for."""
    by_reason: dict[str, list[str]] = {}
    for one in history.series:
        for doubt in one.doubts:
            by_reason.setdefault(doubt, []).append(f"{one.case} {one.metric}")
    return [
        f"{of[0]}{f' and {len(of) - 1} more' if len(of) > 1 else ''}: {reason}"
        for reason, of in by_reason.items()
    ]


def history_in_markdown(history: CommitHistory, subjects: Mapping[str, str], notes: Sequence[str]) -> str:
    """The same as a table with notes."""
    rows = [[as_text(cell) for cell in row] for row in step_rows(history, subjects)]
    table = markdown_table(COLUMNS, rows) if rows else "Nothing rose and nothing fell."
    told = "\n".join(f"- {as_text(note)}" for note in notes)
    return f"### Rises and falls\n\n{table}\n\n{told}".strip() + "\n"


def _value(value: float, exact: bool) -> str:
    return f"{value:,.0f}" if exact else f"{value:.4g}"


def _change(step: Step) -> str:
    if step.exact:
        return f"{step.after - step.before:+,.0f}"
    return f"{step.ratio - 1:+.1%} ({step.low - 1:+.1%} … {step.high - 1:+.1%})"
