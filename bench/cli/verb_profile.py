"""bench profile"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.cli.app import app
from bench.cli.screen import print_table


@app.command(epilog="Example: bench profile 'resnet56/csr_conv(T=4)'")
def profile(
    case: Annotated[str, typer.Argument(help="A case id, or its beginning: BACKBONE/METHOD(KNOB=VALUE).")],
    results: Annotated[Path, typer.Option(help="Folder with peaks.json of `bench doctor --peaks`.")] = Path(
        "results"
    ),
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Refuse instead of waiting while another run measures here.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show where a network's time goes, layer by layer, in eager mode on this processor.

    For CSR-Conv: how much goes to U and V convolutions, element-wise work, split/concatenate and
    dispatch. Exit: 0 profiled, 2 the input was wrong, 3 the case failed.
    """
    from bench.analysis.roofline import layer_bytes, peak_for, read_peaks
    from bench.plan.case_id import parse_case_id
    from bench.plan.targets import TARGETS
    from bench.run.launch import run_worker
    from bench.run.lock import HostLock
    from bench.worker.counter import count_case
    from bench.worker.protocol import Job, Profiled

    parsed = parse_case_id(case)
    counted = count_case(parsed)
    profiled = Profiled(error=counted.error)
    if counted.error is None:
        job = Job(parsed, recipes=counted.recipes)
        with HostLock(not no_wait):
            profiled = run_worker(TARGETS.get("cpu"), job, 600, Profiled, module="bench.worker.profiler")
    if profiled.error is not None or counted.counts is None or profiled.host is None:
        message = profiled.error.message if profiled.error else "no answer"
        typer.echo(f"bench: {parsed.id}: {message}", err=True)
        raise typer.Exit(3)
    peak = peak_for(read_peaks(results), profiled.host["id"], parsed.threads)
    timed = {row.name: row for row in profiled.layers}
    rows: list[dict[str, Any]] = []
    for layer in counted.counts.layers:
        row = timed[layer.name]
        moved = layer_bytes(layer, parsed.batch)
        macs = parsed.batch * layer.executed_macs
        attainable = peak.attainable(macs, moved) if peak else None
        rows.append(
            {
                "layer": layer.name,
                "kind": layer.kind,
                "macs": macs,
                "bytes": moved,
                "seconds": row.seconds,
                "attainable_seconds": attainable,
                "fraction": attainable / row.seconds if attainable and row.seconds else None,
                "parts": row.parts,
            }
        )
    if as_json:
        typer.echo(json.dumps({"case": parsed.id, "seconds": profiled.seconds, "layers": rows}, indent=1))
        return
    _print(parsed.id, profiled.seconds, rows, peak is not None)


def _print(case_id: str, seconds: float, rows: list[dict[str, Any]], with_peak: bool) -> None:
    from bench.worker.profiler import PARTS

    columns = ["layer", "kind", "MACs", "bytes", "µs", "of attainable", *PARTS]
    lines = []
    for row in rows:
        parts = row["parts"] or {}
        shares = [f"{parts[p] / sum(parts.values()):.0%}" if parts else "" for p in PARTS]
        fraction = "—" if row["fraction"] is None else f"{row['fraction']:.0%}"
        numbers = [f"{row['macs']:,}", f"{row['bytes']:,}", f"{row['seconds'] * 1e6:.1f}", fraction]
        lines.append([row["layer"], row["kind"], *numbers, *shares])
    print_table(columns, lines, right=tuple(range(2, len(columns))))
    inside = sum(row["seconds"] for row in rows)
    typer.echo(f"{case_id}: {seconds * 1e3:.3f} ms a forward, {inside / seconds:.0%} in the layers above")
    totals = {p: sum((row["parts"] or {}).get(p, 0.0) for row in rows) for p in PARTS}
    if sum(totals.values()):
        words = ", ".join(f"{p} {t / sum(totals.values()):.0%}" for p, t in totals.items())
        typer.echo(f"CSR-Conv layers: {words}")
    if not with_peak:
        typer.echo("no peaks of this host are stored: `bench doctor --peaks` measures them", err=True)
