"""bench profile"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.app import app
from bench.cli.locking import host_lock
from bench.cli.options import AsJson, Header, NoWait, PeaksFolder
from bench.cli.profiles import CaseArgument, Peaks, StoreIt, looked_at
from bench.cli.screen import print_table, say

if TYPE_CHECKING:
    from bench.case import Case
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
    from bench.run.profiling import profile_case

    def look(one: Case, peaks: Peaks) -> Profile:
        return profile_case(one, peaks, host_lock(no_wait))

    found = looked_at(case, results, store, look, lambda profile: profile)
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
