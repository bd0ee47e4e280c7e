"""bench list"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from bench.cli import completion
from bench.cli.app import app
from bench.cli.options import AsJson, Header
from bench.cli.screen import print_table, say
from bench.errors import InputError


class Kind(StrEnum):
    """What can be listed."""

    suites = "suites"
    backbones = "backbones"
    methods = "methods"
    knobs = "knobs"
    runtimes = "runtimes"
    targets = "targets"


KNOB_COLUMNS = ("name", "takes", "usual", "values", "about")


@app.command(
    name="list",
    short_help="List names that suites understand.",
    epilog="Example: bench list backbones 'timm/ghost*'\n\nExample: bench list knobs csr_conv",
)
def list_(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    glob: Annotated[
        str,
        typer.Argument(
            metavar="[GLOB]",
            help="Only names that fit; of knobs, the method.",
            autocompletion=completion.methods,
        ),
    ] = "*",
    header: Header = False,
    as_json: AsJson = False,
) -> None:
    """List the names that suites and commands understand.

    `knobs METHOD` lists what each knob takes, its usual value and the values that are accepted.

    Exit: 0 listed, 2 the input was wrong.
    """
    if kind is Kind.knobs:
        _list_knobs(glob, header, as_json)
        return
    rows = _rows(kind, glob)
    if as_json:
        typer.echo(json.dumps([{"name": name, "summary": summary} for name, summary in rows], indent=1))
        return
    print_table(["name", "summary"], [list(row) for row in rows], header=header)
    if kind is Kind.backbones and glob == "*":
        say("and whole families by full name: bench list backbones 'torchvision/*', 'timm/*'", err=True)


def _list_knobs(method: str, header: bool, as_json: bool) -> None:
    from bench.plan.ranges import example_line, knob_facts

    if method == "*":
        raise InputError("knobs of which method? `bench list knobs csr_conv` shows those of csr_conv")
    facts = [fact.as_dict() for fact in knob_facts(method)]
    if as_json:
        say(json.dumps(facts, indent=1))
        return
    print_table(KNOB_COLUMNS, [[fact[c] for c in KNOB_COLUMNS] for fact in facts], header=header)
    say(f"in a suite: {example_line(method)}" if facts else f"{method} has no knobs", err=True)


def _rows(kind: Kind, glob: str) -> list[tuple[str, str]]:
    from fnmatch import fnmatchcase

    from bench.plan.declared import DECLARED_BACKBONES, DECLARED_METHODS, DECLARED_RUNTIMES

    if kind is Kind.backbones:
        return [(name, DECLARED_BACKBONES.get(name).summary) for name in DECLARED_BACKBONES.names(glob)]
    if kind is Kind.methods:
        return [(name, _method_row(name)) for name in DECLARED_METHODS.names(glob)]
    if kind is Kind.runtimes:
        return [(name, _runtime_row(name)) for name in DECLARED_RUNTIMES.names(glob)]
    rows = _suites() if kind is Kind.suites else _targets()
    return [(name, summary) for name, summary in rows if fnmatchcase(name, glob)]


def _suites() -> list[tuple[str, str]]:
    """The suites that come with the package, each with its description."""
    from bench.plan.shipped import shipped_suites
    from bench.plan.yaml_source import read_yaml

    return [
        (name, " ".join(str(read_yaml(file).data.get("description", "")).split()))
        for name, file in shipped_suites().items()
    ]


def _targets() -> list[tuple[str, str]]:
    """This host's, the user's own, and the cores that qemu emulates."""
    from bench.plan.emulator import CORES
    from bench.plan.target_file import known_targets

    known = known_targets()
    rows = [(target.name, target.summary or "your own") for target in known.all()]
    return [*rows, *((core, known.get(core).summary) for core in CORES if core not in dict(rows))]


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
