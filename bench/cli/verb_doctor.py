"""bench doctor"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.app import app
from bench.cli.ending import interrupt_when_asked_to_end
from bench.cli.options import AsJson, NoWait
from bench.cli.screen import bar, leaving, one_line, print_table, say, say_waiting
from bench.errors import InputError

if TYPE_CHECKING:
    from bench.run.doctor import Examination

CANNOT_GATE = 1


@app.command(
    short_help="Say whether this host is fit to judge.", epilog="Example: bench doctor --gate 2% --json"
)
def doctor(
    gate: Annotated[str, typer.Option(help="The change that this host should be able to tell.")] = "5%",
    pairs: Annotated[int, typer.Option(min=5, help="A/A pairs to measure.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the order and of the draws.")] = 0,
    target: Annotated[
        str | None, typer.Option("--target", help="Examine the host of a target of yours: `bench targets`.")
    ] = None,
    peaks: Annotated[
        bool, typer.Option("--peaks", help="Also measure matrix-multiply rate and bandwidth, and store them.")
    ] = False,
    results: Annotated[Path, typer.Option(help="Folder that keeps peaks.json.")] = Path("results"),
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Say whether this host is fit to judge: one case measured as two arms, and what stands around it.

    With --target it is that target's host, through whatever reaches it: e.g. bench doctor --target pi

    Exit: 0 it can gate at --gate, 1 it cannot, 2 the input was wrong. What cannot be read is "unknown".
    """
    from bench.analysis.resolution import parse_percent
    from bench.plan.target_file import known_targets
    from bench.run.doctor import NothingMeasuredError, examine, examine_elsewhere, verdict_line
    from bench.run.lock import HostLock

    wanted = parse_percent(gate)
    elsewhere = None if target in (None, "cpu") else known_targets().get(str(target))
    if elsewhere is not None and peaks:
        raise InputError("--peaks measures this host: leave --target out")
    interrupt_when_asked_to_end()
    try:
        with HostLock(not no_wait, say_waiting), bar("measuring A/A pairs") as done:
            found = (
                examine(pairs, seed, done, results if peaks else None)
                if elsewhere is None
                else examine_elsewhere(elsewhere, pairs, seed, done)
            )
    except NothingMeasuredError as error:
        say(one_line(f"bench: {error}"), err=True)
        raise typer.Exit(CANNOT_GATE) from None
    with leaving(0 if found.test.gates(wanted) else CANNOT_GATE):
        for problem in found.problems:
            say(one_line(problem), err=True)
        if as_json:
            say(json.dumps(found.as_dict(wanted), indent=1))
        else:
            _print(found)
            say(verdict_line(found.test, found.where))


def _print(found: Examination) -> None:
    from bench.run.doctor import ROUNDS, UNKNOWN

    test, around, conditions, users = found.test, found.neighbours, found.conditions, found.gpu_users
    rows = [[key, str(value)] for key, value in found.host.items()]
    rows += [[key, str(conditions[key])] for key in conditions if key not in ("own_cpu", "clock")]
    if around is not None:
        rows += [
            [
                "load over 1, 5 and 15 minutes",
                ", ".join(f"{load:g}" for load in around.load or ()) or UNKNOWN,
            ],
            ["memory available", _memory(around.memory_available_bytes, around.memory_bytes)],
            ["busiest other processes", ", ".join(f"{n} {c:.2f} cores" for n, c in around.busiest) or "none"],
            ["other users of the GPU", users if isinstance(users, str) else f"{len(users)}"],
        ]
    rows += [["torch build", line] for line in found.builds[1:8]]
    for peak in found.peaks or ():
        rates = ", ".join(f"{name} {rate / 1e9:.0f} GFLOP/s" for name, rate in peak["flops"].items())
        rows.append([f"peak, {peak['threads']} threads", f"{rates}; {peak['bandwidth'] / 1e9:.1f} GB/s"])
    rows += [
        [
            "A/A processes",
            f"{test.pairs}" + (f", {test.failed} failed" if test.failed else ""),
        ],
        ["A/A verdicts wrong", f"{test.wrong:.1%} of comparisons of {ROUNDS} rounds"],
        ["A/A difference between processes", f"{test.spread:.2%} (standard deviation)"],
        ["A/A difference, 95th percentile", f"{test.difference_p95:.2%}"],
        ["smallest change found with 95 %", f"{test.smallest_change:.2%}"],
        ["resolution, 95th percentile", f"±{test.resolution_p95:.2%}"],
        ["marked trials", ", ".join(f"{k} {v}" for k, v in test.marked.items()) or "none"],
    ]
    print_table(["fact", "value"], rows)


def _memory(available: int | None, total: int | None) -> str:
    if available is None or total is None:
        return "unknown"
    return f"{available / 2**30:.1f} of {total / 2**30:.1f} GiB"
