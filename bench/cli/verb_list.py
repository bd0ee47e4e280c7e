"""bench list"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from bench.cli.app import app
from bench.cli.options import AsJson
from bench.cli.screen import print_table
from bench.errors import InputError


class Kind(StrEnum):
    """What can be listed."""

    backbones = "backbones"
    methods = "methods"
    runtimes = "runtimes"
    targets = "targets"


@app.command(
    name="list",
    short_help="List names that suites understand.",
    epilog="Example: bench list backbones 'timm/ghost*'",
)
def list_(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    glob: Annotated[str, typer.Argument(help="Only names that fit.")] = "*",
    as_json: AsJson = False,
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

    from bench.plan.declared import DECLARED_BACKBONES, DECLARED_METHODS, DECLARED_RUNTIMES
    from bench.plan.emulator import CORES
    from bench.plan.target_file import known_targets

    if kind is Kind.backbones:
        return [(name, DECLARED_BACKBONES.get(name).summary) for name in DECLARED_BACKBONES.names(glob)]
    if kind is Kind.methods:
        return [(name, _method_row(name)) for name in DECLARED_METHODS.names(glob)]
    if kind is Kind.runtimes:
        return [(name, _runtime_row(name)) for name in DECLARED_RUNTIMES.names(glob)]
    known = known_targets()
    rows = [(target.name, target.summary or "your own") for target in known.all()]
    rows += [(core, known.get(core).summary) for core in CORES if core not in dict(rows)]
    return [(name, summary) for name, summary in rows if fnmatchcase(name, glob)]


def _runtime_row(name: str) -> str:
    """What a runtime is, and what to install where a package of it is missing."""
    from bench.plan.declared import DECLARED_RUNTIMES

    runtime = DECLARED_RUNTIMES.get(name)
    return f"{runtime.summary} [{runtime.absent}]" if runtime.absent else runtime.summary


def _method_row(name: str) -> str:
    """What a method does, with its knobs in brackets; or why an installed one cannot be used."""
    from bench.plan.declared import DECLARED_METHODS

    try:
        method = DECLARED_METHODS.get(name)
    except InputError as error:
        return str(error)
    return f"{method.summary} [{', '.join(method.knobs)}]" if method.knobs else method.summary
