"""bench doctor"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.app import app
from bench.cli.ending import interrupt_when_asked_to_end
from bench.cli.locking import host_lock
from bench.cli.options import AsJson, Header, NoWait
from bench.cli.screen import bar, leaving, one_line, print_table, say
from bench.errors import InputError

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
    header: Header = False,
    as_json: AsJson = False,
) -> None:
    """Say whether this host is fit to judge: one case measured as two arms, and what stands around it.

    The verdict is the first line. With --target it is that target's host, through whatever reaches it: e.g.
    bench doctor --target pi

    Exit: 0 it can gate at --gate, 1 it cannot, 2 the input was wrong. What cannot be read is "unknown".
    """
    from bench.analysis.resolution import parse_percent
    from bench.plan.target_file import known_targets
    from bench.run.doctor import NothingMeasuredError, examine, examine_elsewhere
    from bench.run.doctor_words import facts, verdict

    wanted = parse_percent(gate)
    elsewhere = None if target in (None, "cpu") else known_targets().get(str(target))
    if elsewhere is not None and peaks:
        raise InputError("--peaks measures this host: leave --target out")
    interrupt_when_asked_to_end()
    try:
        with host_lock(no_wait), bar("measuring A/A pairs") as done:
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
            say(verdict(found, wanted))
            print_table(["fact", "value"], facts(found), header=header)
