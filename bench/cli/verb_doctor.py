"""bench doctor"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.cli.app import app
from bench.cli.screen import bar, print_table


@app.command(epilog="Example: bench doctor --gate 2% --json")
def doctor(
    gate: Annotated[str, typer.Option(help="The change that this host should be able to tell.")] = "5%",
    pairs: Annotated[int, typer.Option(min=5, help="A/A pairs to measure.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the order and of the draws.")] = 0,
    peaks: Annotated[
        bool, typer.Option("--peaks", help="Also measure matrix-multiply rate and bandwidth, and store them.")
    ] = False,
    results: Annotated[Path, typer.Option(help="Folder that keeps peaks.json.")] = Path("results"),
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Refuse instead of waiting while another run measures here.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Say whether this host is fit to judge: one case measured as two arms, and what stands around it.

    Exit: 0 it can gate at --gate, 1 it cannot, 2 the input was wrong. What cannot be read is "unknown".
    """
    from bench.analysis.resolution import parse_percent
    from bench.analysis.roofline import write_peaks
    from bench.case import Case
    from bench.plan.targets import TARGETS
    from bench.run import doctor as doctors
    from bench.run.launch import run_worker
    from bench.run.lock import HostLock
    from bench.worker import host
    from bench.worker.protocol import Job, Peaks

    wanted = parse_percent(gate)
    facts: dict[str, Any] = {"host": host.fingerprint("cpu")}
    with HostLock(not no_wait):
        facts["conditions"] = host.conditions()  # before the test makes its own load
        facts["gpu_users"] = doctors.gpu_users()
        facts["builds"] = doctors.library_builds()
        if peaks:
            facts["peaks"] = []
            for threads in sorted({1, len(os.sched_getaffinity(0))}):
                job = Job(Case("none", (), threads=threads))
                answer = run_worker(TARGETS.get("cpu"), job, 300, Peaks, module="bench.worker.peaks")
                if answer.error is not None:
                    typer.echo(f"peaks with {threads} threads: {answer.error.message}", err=True)
                    continue
                facts["peaks"].append(
                    {"threads": answer.threads, "flops": answer.flops, "bandwidth": answer.bandwidth}
                )
            facts["peaks_file"] = str(write_peaks(results, facts["host"], facts["peaks"]))
        with bar("measuring A/A pairs") as done:
            test, _ = doctors.self_test(pairs, seed, done)
    if as_json:
        typer.echo(json.dumps(doctors.as_dict(test, facts, wanted), indent=1))
    else:
        _print(test, facts)
        typer.echo(doctors.verdict_line(test))
    raise typer.Exit(0 if test.gates(wanted) else 1)


def _print(test: Any, facts: dict[str, Any]) -> None:
    from bench.run import doctor as doctors

    conditions = facts["conditions"]
    rows = [[key, str(value)] for key, value in facts["host"].items()]
    rows += [[key, str(conditions[key])] for key in conditions if key not in ("own_cpu", "clock")]
    users = facts["gpu_users"]
    rows.append(["other users of the GPU", users if isinstance(users, str) else f"{len(users)}"])
    rows += [["torch build", line] for line in facts["builds"][1:8]]
    for peak in facts.get("peaks", ()):
        rates = ", ".join(f"{name} {rate / 1e9:.0f} GFLOP/s" for name, rate in peak["flops"].items())
        rows.append([f"peak, {peak['threads']} threads", f"{rates}; {peak['bandwidth'] / 1e9:.1f} GB/s"])
    rows += [
        ["A/A pairs", f"{test.pairs}" + (f", {test.failed} failed" if test.failed else "")],
        ["A/A verdicts wrong", f"{test.wrong:.1%} of comparisons of {doctors.ROUNDS} rounds"],
        ["A/A difference, 95th percentile", f"{test.difference_p95:.2%}"],
        ["resolution, 95th percentile", f"±{test.resolution_p95:.2%}"],
        ["marked trials", ", ".join(f"{k} {v}" for k, v in test.marked.items()) or "none"],
    ]
    print_table(["fact", "value"], rows)
