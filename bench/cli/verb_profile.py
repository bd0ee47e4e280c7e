"""bench profile"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.app import app
from bench.cli.ending import interrupt_when_asked_to_end
from bench.cli.options import AsJson, NoWait, PeaksFolder
from bench.cli.screen import one_line, print_table, say, say_waiting
from bench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.analysis.store import Results
    from bench.case import Case
    from bench.run.profiling import Profile

_LONGEST = 80
"""Characters of a wrong case that a message quotes."""


@app.command(
    short_help="Show where a network's time goes.", epilog="Example: bench profile 'resnet56/csr_conv(T=4)'"
)
def profile(
    case: Annotated[str, typer.Argument(help="A case id, or its beginning: BACKBONE/METHOD(KNOB=VALUE).")],
    results: PeaksFolder = Path("results"),
    store: Annotated[
        bool,
        typer.Option(
            "--store",
            help="Keep it, with that of the dense baseline, in the folder's newest run of this case; "
            "`bench report` draws it.",
        ),
    ] = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Show where a network's time goes, layer by layer, in eager mode on this processor.

    For CSR-Conv: how much goes to U and V convolutions, element-wise work, split/concatenate and
    dispatch.

    With --store the profile goes to the results of a run; nothing else is timed meanwhile.

    Exit: 0 profiled, 2 the input was wrong, 3 the case failed.
    """
    from bench.analysis.roofline import read_peaks
    from bench.plan.case_id import parse_case_id
    from bench.run.lock import HostLock
    from bench.run.profiling import CaseFailedError, profile_case, with_baselines

    parsed = parse_case_id(case)
    run = _run_of(parsed, results) if store else None
    interrupt_when_asked_to_end()
    peaks, every = read_peaks(results), []
    for one in with_baselines([parsed]) if run else [parsed]:
        try:
            every.append(profile_case(one, peaks, HostLock(not no_wait, say_waiting)))
        except CaseFailedError as error:
            say(one_line(f"bench: {one.id}: {error}"), err=True)
            raise typer.Exit(3) from None
    found = every[-1]
    if run is not None:
        _keep(every, run)
    if as_json:
        say(json.dumps(found.as_dict(), indent=1))
    else:
        _print(found)


def _run_of(case: Case, folder: Path) -> Results:
    """The newest run of the folder that has the case. Raises InputError where none does."""
    from bench.analysis.store import list_results, read_results

    for file in sorted(list_results(folder), reverse=True):
        try:
            found = read_results(file)
        except InputError:
            continue  # of a newer schema, or no results: `bench results` names them
        if any(planned.case.id == case.id for planned in found.start.planned()):
            return found
    raise InputError(f"--store: no run in {folder} has the case {case.id}; `bench run` measures it first")


def _keep(profiles: Sequence[Profile], run: Results) -> None:
    from bench.analysis.store import Store

    with Store(run.file) as results:
        for found in profiles:
            results.append(found.as_record(run.start.run))
    say(f"stored in {run.file}", err=True)


def _print(found: Profile) -> None:
    names = list(found.totals())
    columns = ["layer", "kind", "MACs", "bytes", "µs", "of attainable", *names]
    lines = []
    for layer in found.layers:
        parts = layer.parts or {}
        total = sum(parts.values())
        shares = [f"{parts[part] / total:.0%}" if total and part in parts else "" for part in names]
        fraction = "—" if layer.fraction is None else f"{layer.fraction:.0%}"
        numbers = [f"{layer.macs:,}", f"{layer.bytes:,}", f"{layer.seconds * 1e6:.1f}", fraction]
        lines.append([layer.layer, layer.kind, *numbers, *shares])
    print_table(columns, lines, right=tuple(range(2, len(columns))))
    say(f"{found.case}: {found.seconds * 1e3:.3f} ms a forward, {found.inside:.0%} in the layers above")
    totals = found.totals()
    if sum(totals.values()):
        words = ", ".join(f"{part} {t / sum(totals.values()):.0%}" for part, t in totals.items())
        say(f"layers with parts: {words}")
    if not found.with_peak:
        say("no peaks of this host are stored: `bench doctor --peaks` measures them", err=True)
