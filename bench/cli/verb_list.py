"""bench list"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from bench.cli.app import app
from bench.cli.screen import print_table
from bench.errors import InputError


class Kind(StrEnum):
    """What can be listed."""

    backbones = "backbones"
    methods = "methods"
    runtimes = "runtimes"
    targets = "targets"


@app.command(name="list", epilog="Example: bench list backbones 'timm/ghost*'")
def list_(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    glob: Annotated[str, typer.Argument(help="Only names that fit.")] = "*",
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """List the names that suites and commands understand."""
    rows = _rows(kind, glob)
    if as_json:
        typer.echo(json.dumps([{"name": name, "summary": summary} for name, summary in rows], indent=1))
        return
    print_table(["name", "summary"], [list(row) for row in rows])
    if kind is Kind.backbones and glob == "*":
        typer.echo(
            "and whole families by full name: bench list backbones 'torchvision/*', 'timm/*'", err=True
        )


def _rows(kind: Kind, glob: str) -> list[tuple[str, str]]:
    from fnmatch import fnmatchcase

    from bench.methods import METHODS
    from bench.models import BACKBONES
    from bench.plan.targets import TARGETS
    from bench.runtimes import RUNTIMES

    if kind is Kind.backbones:
        return [(name, BACKBONES.get(name).summary) for name in BACKBONES.names(glob)]
    if kind is Kind.methods:
        found = []
        for name in METHODS.names(glob):
            try:
                method = METHODS.get(name)
            except InputError as error:  # an installed distribution's own mistake
                found.append((name, str(error)))
                continue
            knobs = ", ".join(method.knobs)
            found.append((name, f"{method.summary} [{knobs}]" if knobs else method.summary))
        return found
    if kind is Kind.runtimes:
        return [(name, RUNTIMES.get(name).summary) for name in RUNTIMES.names(glob)]
    return [(t.name, t.summary) for t in TARGETS.all() if fnmatchcase(t.name, glob)]
