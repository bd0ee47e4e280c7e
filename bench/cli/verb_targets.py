"""bench targets"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import completion
from bench.cli.app import app
from bench.cli.options import AsJson, Header
from bench.cli.screen import leaving, one_line, print_table, say
from bench.errors import InputError, nearest

if TYPE_CHECKING:
    from bench.run.reach import Reached

NOT_REACHED = 3


@app.command(short_help="Show where can be measured.", epilog="Example: bench targets pi --timeout 60")
def targets(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Names or globs; all targets by default.", autocompletion=completion.targets),
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds that a target has to answer.")] = 60.0,
    header: Header = False,
    as_json: AsJson = False,
) -> None:
    """Show each target: whether it answers and why not, what it is, and what can be measured there.

    Targets of your own stand in targets.yaml in your folder for settings. Nothing is timed.

    Exit: 0 all that were asked answer, 3 some do not, 2 the input was wrong.
    """
    from fnmatch import fnmatchcase

    from bench.plan.target_file import known_targets, targets_file
    from bench.run.reach import reach_all

    known = known_targets()
    asked = [t for t in known.all() if not names or any(fnmatchcase(t.name, glob) for glob in names)]
    asked = [target for target in asked if target.name != "cuda"]
    unlisted = [known.get(name) for name in names or [] if name in known]  # cores that qemu emulates
    asked += [target for target in unlisted if target.emulates and target not in asked]
    if not asked:
        meant = nearest((names or [""])[0], (target.name for target in known.all()))
        raise InputError(
            f"no target fits {', '.join(names or [])}{meant}; {targets_file()} may have your own"
        )
    found = reach_all(asked, timeout)
    with leaving(NOT_REACHED if any(one.why for one in found) else 0):
        if as_json:
            say(json.dumps([one.as_dict() for one in found], indent=1))
        else:
            print_table(
                ["target", "fact", "value"], [row for one in found for row in _rows(one)], header=header
            )


def _rows(found: Reached) -> list[list[str]]:
    name, host = found.target.name, found.facts.host or {}
    if found.why:
        return [[name, "not reachable", one_line(found.why)]]
    rows = [[name, "answers in", f"{found.seconds:.1f} s"], ["", "device", found.processor]]
    words = {
        "cpu_identity": "identified by",
        "isa": "instruction sets",
        "caches": "",
        "clusters": "",
        "torch": "",
    }
    rows += [["", words[key] or key, str(host[key])] for key in words if key in host]
    return [*rows, ["", "can be measured", ", ".join(found.facts.measurable)]]
