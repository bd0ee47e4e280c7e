"""bench conform"""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.app import app
from bench.cli.options import AsJson, Plugins
from bench.cli.screen import leaving, one_line, say
from bench.errors import InputError, nearest

if TYPE_CHECKING:
    from bench.analysis.conform import Finding
    from bench.analysis.published import Published


@app.command(
    short_help="Compare published figures with our own.", epilog="Example: bench conform --only 'csr_conv*'"
)
def conform(
    only: Annotated[str | None, typer.Option(help="Glob on system or 'system network'.")] = None,
    table: Annotated[Path | None, typer.Option(help="Another table of figures (CSV).")] = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Compare figures of the literature with what this code computes, one line each.

    Each has a kind: published (as the source prints it), derived (counted again from a published
    definition), formula (a size by the source's formula). They are tallied apart.

    Exit: 0 every figure that can be computed agrees, 1 one is off, 2 the input was wrong.
    """
    from bench.analysis.conform import Status, tally, tally_by_kind
    from bench.analysis.conform import conform as compare
    from bench.analysis.published import TABLE, read_published
    from bench.plugins import load_plugins

    load_plugins(map(str, plugin or ()))
    findings = compare(_chosen(read_published(table or TABLE), only))
    counts = tally(findings)
    with leaving(1 if counts[Status.OFF] else 0):
        if as_json:
            rows = [finding.as_dict() for finding in findings]
            by_kind = tally_by_kind(findings)
            say(json.dumps({"summary": counts, "by_kind": by_kind, "rows": rows}, indent=1))
        else:
            _print(findings)
            for kind, own in tally_by_kind(findings).items():
                say(f"{kind}: {_counted(own)}")
            say(_counted(counts))


def _chosen(rows: list[Published], glob: str | None) -> list[Published]:
    if glob is None:
        return rows
    chosen = [r for r in rows if fnmatchcase(r.system, glob) or fnmatchcase(f"{r.system} {r.network}", glob)]
    if not chosen:
        raise InputError(f"--only {glob}: no row fits{nearest(glob, (r.system for r in rows))}")
    return chosen


def _counted(tally: dict[str, int]) -> str:
    return ", ".join(f"{number} {status}" for status, number in tally.items())


def _print(findings: list[Finding]) -> None:
    """Aligned columns, on a terminal and in a pipe alike: a person reads both."""
    lines = []
    for finding in findings:
        row = finding.row
        words = (finding.status.value, row.kind.value, row.system, _what(row), row.metric)
        computed = "" if finding.computed is None else _number(finding.computed)
        margin = f"±{_number(row.tolerance)}" if row.tolerance else ""
        cells = (*words, _number(row.value), margin, computed, finding.note or row.source)
        lines.append([one_line(cell) for cell in cells])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        aligned = [
            cell.rjust(width) if 5 <= at <= 7 else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        say("  ".join(aligned).rstrip())


def _what(row: Published) -> str:
    return row.network if row.variant in ("", "-", "dense") else f"{row.network}, {row.variant}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4f}".rstrip("0")
