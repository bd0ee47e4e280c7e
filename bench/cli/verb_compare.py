"""bench compare"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import completion
from bench.cli.app import app
from bench.cli.options import AsJson, FailOn, Header, SameWithin
from bench.cli.screen import leaving, one_line, print_table, say
from bench.errors import InputError, nearest

if TYPE_CHECKING:
    from bench.analysis.compare import CaseChange, Comparison


@app.command(
    short_help="Compare two results files.",
    epilog="Example: bench compare results/old.jsonl results/new.jsonl --fail-on bigger",
)
def compare(
    base: Annotated[
        Path,
        typer.Argument(help="Results file from before the change.", autocompletion=completion.result_files),
    ],
    head: Annotated[
        Path,
        typer.Argument(help="Results file from after the change.", autocompletion=completion.result_files),
    ],
    fail_on: FailOn = "slower,bigger",
    resolution: SameWithin = "3%",
    across_hosts: Annotated[
        bool, typer.Option("--across-hosts", help="Compare times although the hosts' fingerprints differ.")
    ] = False,
    header: Header = False,
    as_json: AsJson = False,
) -> None:
    """Compare two results files, case by case: times by intervals, counts exactly.

    Counts, weight bytes and live tensors are compared everywhere, the allocator's peak on one host only,
    times between hosts only with `--across-hosts`.

    Exit: 0 nothing got worse, 1 something did, 2 the input was wrong, 4 cannot tell (too little data,
    a case missing, or the hosts differ).
    """
    from bench.analysis.compare import compare_runs
    from bench.analysis.resolution import parse_percent
    from bench.analysis.store import read_results

    wanted = parse_fail_on(fail_on)
    comparison = compare_runs(
        read_results(base), read_results(head), parse_percent(resolution), wanted, across_hosts
    )
    show(comparison, as_json, header)


def parse_fail_on(text: str) -> tuple[str, ...]:
    """``slower,bigger`` as a tuple. Raises InputError for other words."""
    from bench.analysis.compare import FAIL_ON

    words = tuple(word.strip() for word in text.split(",") if word.strip())
    for word in words:
        if word not in FAIL_ON:
            raise InputError(f"--fail-on: '{word}' is not known{nearest(word, FAIL_ON)}")
    return words


def show(comparison: Comparison, as_json: bool, header: bool = False) -> None:
    """Prints a comparison and leaves with its exit code, also when its reader has gone."""
    code = comparison.exit_code
    with leaving(code):
        if as_json:
            say(json.dumps(comparison.as_dict(), indent=1))
        else:
            print_comparison(comparison, header)
            if comparison.refused:
                say(one_line(f"bench: {comparison.refused}"), err=True)
            meanings = {
                0: "nothing got worse",
                1: "something got worse",
                4: "cannot tell for at least one case",
            }
            say(meanings[code], err=True)


def print_comparison(comparison: Comparison, header: bool = False) -> None:
    """Prints a comparison as a table, its notes on stderr."""
    rows = []
    for c in comparison.cases:
        known = c.ratio.known
        rows.append(
            [
                c.case,
                f"same within {100 * comparison.resolution:.3g} %" if c.verdict == "same" else c.verdict,
                f"{c.ratio.value:.3f}" if c.ratio.count else "—",
                f"{c.ratio.low:.3f} … {c.ratio.high:.3f}" if known else "—",
                _counts(c),
                c.note,
            ]
        )
    columns = ["case", "time", "head/base", "interval", "counts", "note"]
    print_table(columns, rows, right=(2, 3), header=header)
    for note in comparison.notes:
        say(one_line(note), err=True)
    say(totals(comparison), err=True)


def _counts(change: CaseChange) -> str:
    if not change.counted:
        return "counts unknown"
    return ", ".join(f"{k} {a} → {b}" for k, (a, b) in change.changed.items()) or "counts equal"


def totals(comparison: Comparison) -> str:
    """``3 cases: 2 same, 1 cannot tell; counts: 2 equal, 1 unknown``."""
    cases = comparison.cases
    times = Counter(c.verdict for c in cases)
    counts = Counter(
        "unknown" if not c.counted else "bigger" if c.bigger else "smaller" if c.smaller else "equal"
        for c in cases
    )
    noun = "case" if len(cases) == 1 else "cases"
    return f"{len(cases)} {noun}: {_listed(times)}; counts: {_listed(counts)}"


def _listed(found: Counter[str]) -> str:
    return ", ".join(f"{number} {word}" for word, number in found.items()) or "none"
