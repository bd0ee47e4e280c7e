"""bench why"""

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
    from bench.analysis.why import Explanation
    from bench.case import Case
    from bench.run.explaining import Explained


@app.command(
    short_help="Say why a network takes its time.", epilog="Example: bench why 'resnet56/csr_conv(T=4)'"
)
def why(
    case: CaseArgument,
    results: PeaksFolder = Path("results"),
    store: StoreIt = False,
    no_wait: NoWait = False,
    header: Header = False,
    as_json: AsJson = False,
) -> None:
    """Say why a network takes its time, layer by layer, in eager mode on this processor.

    Which kernel ran the products, how many MACs the hardware did for them (channels are filled up to
    whole vectors), and how much of the time is arithmetic, reorders of layout and dispatch. oneDNN's
    log is read in a run of its own; the layers' times come from another, undisturbed one.

    Exit: 0 explained, 2 the input was wrong, 3 the case failed.
    """
    from bench.run.explaining import explain_case

    def look(one: Case, peaks: Peaks) -> Explained:
        return explain_case(one, peaks, host_lock(no_wait))

    found = looked_at(case, results, store, look, lambda explained: explained.profile).explanation
    if as_json:
        say(json.dumps(found.as_dict(), indent=1))
    else:
        _print(found, header)


def _print(found: Explanation, header: bool) -> None:
    from bench.analysis.why import BETWEEN, PARTS

    names = [part for part in PARTS if part != BETWEEN and found.parts[part] > 0]
    columns = ["layer", "kernel", "MACs", "of hardware", "µs", "of attainable", *names]
    lines = []
    for layer in found.layers:
        fraction = "—" if layer.fraction is None else f"{layer.fraction:.0%}"
        numbers = [f"{layer.macs:,}", f"{layer.hardware_macs:,}", f"{layer.seconds * 1e6:.1f}", fraction]
        shares = [f"{layer.parts[part] / layer.seconds:.0%}" if layer.seconds else "" for part in names]
        lines.append([layer.name, ", ".join(layer.kernels) or "—", *numbers, *shares])
    print_table(columns, lines, right=tuple(range(2, len(columns))), header=header)
    say(f"{found.case}: {found.sentence}")
