"""bench profile"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.app import app
from bench.cli.ending import interrupt_when_asked_to_end
from bench.cli.locking import host_lock
from bench.cli.options import AsJson, Header, NoWait, PeaksFolder
from bench.cli.profiles import CaseArgument, StoreIt, keep, look_at, run_of
from bench.cli.screen import print_table, say

if TYPE_CHECKING:
    from bench.run.profiling import Profile


@app.command(
    short_help="Show where a network's time goes.", epilog="Example: bench profile 'resnet56/csr_conv(T=4)'"
)
def profile(
    case: CaseArgument,
    results: PeaksFolder = Path("results"),
    store: StoreIt = False,
    no_wait: NoWait = False,
    header: Header = False,
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
    from bench.run.profiling import profile_case

    parsed = parse_case_id(case)
    run = run_of(parsed, results) if store else None
    interrupt_when_asked_to_end()
    peaks = read_peaks(results)
    every = look_at(parsed, run is not None, lambda one: profile_case(one, peaks, host_lock(no_wait)))
    found = every[-1]
    if run is not None:
        keep(every, run)
    if as_json:
        say(json.dumps(found.as_dict(), indent=1))
    else:
        _print(found, header)


def _print(found: Profile, header: bool) -> None:
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
    print_table(columns, lines, right=tuple(range(2, len(columns))), header=header)
    say(f"{found.case}: {found.seconds * 1e3:.3f} ms a forward, {found.inside:.0%} in the layers above")
    totals = found.totals()
    if sum(totals.values()):
        words = ", ".join(f"{part} {t / sum(totals.values()):.0%}" for part, t in totals.items())
        say(f"layers with parts: {words}")
    if not found.with_peak:
        say("no peaks of this host are stored: `bench doctor --peaks` measures them", err=True)
