"""bench count"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from bench.cli.app import app
from bench.errors import InputError


@app.command(
    epilog="Example: bench count resnet56 csr_conv T=4 --json\n\n"
    "bench count mobilenet_v2_csr csr_conv 'T={expand: 3, project: 4}'"
)
def count(
    backbone: Annotated[str, typer.Argument(help="A name of `bench list backbones`.")],
    method: Annotated[str, typer.Argument(help="A name of `bench list methods`.")],
    knobs: Annotated[
        list[str] | None, typer.Argument(metavar="[KNOB=VALUE…]", help="Knobs, in YAML.")
    ] = None,
    input: Annotated[str | None, typer.Option(help="CxHxW; the backbone's own by default.")] = None,
    classes: Annotated[int | None, typer.Option(min=1, help="Classes of the classifier.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the weights.")] = 0,
    plugin: Annotated[list[str] | None, typer.Option(help="Python file with methods of your own.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines, with every layer.")] = False,
) -> None:
    """Count parameters and MACs of a backbone with a method, by three witnesses.

    Exit: 0 counted, 2 the input was wrong, 3 the method cannot be applied or the witnesses disagree.
    """
    from bench.case import Case, parse_shape
    from bench.models import BACKBONES
    from bench.plan.knobs import check_call
    from bench.plugins import load_plugins
    from bench.worker.counter import count_case

    load_plugins(plugin or ())
    own = BACKBONES.get(backbone).input
    call = check_call(method, dict(_knob(text) for text in knobs or ()))
    shape = parse_shape(input, own[0]) if input else own
    counted = count_case(Case(backbone, (call,), input=shape, classes=classes, seed=seed))
    if counted.error is not None or counted.counts is None:
        typer.echo(f"bench: {backbone} {call.label}: {counted.error and counted.error.message}", err=True)
        raise typer.Exit(3)
    answer = asdict(counted)
    counts: dict[str, Any] = answer["counts"]
    if as_json:
        typer.echo(json.dumps({**counts, "replaced": answer["replaced"], "left": answer["left"]}, indent=1))
    else:
        _print(f"{backbone} {call.label} {'x'.join(map(str, shape))}", counts, answer)
    for line in counts["disagreements"]:
        typer.echo(f"witnesses disagree: {line}", err=True)
    raise typer.Exit(3 if counts["disagreements"] else 0)


def _knob(text: str) -> tuple[str, Any]:
    import yaml

    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputError(f"'{text}' is no knob; write KNOB=VALUE, for example T=4")
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError:
        raise InputError(f"knob {name}: '{value}' is no YAML value") from None


def _print(title: str, counts: dict[str, Any], answer: dict[str, Any]) -> None:
    typer.echo(title)
    names = {
        "params": "parameters, stored",
        "logical_params": "parameters, logical",
        "macs": "MACs, logical",
        "executed_macs": "MACs, executed",
        "flops": "FLOPs (2 × executed MACs)",
        "other_elements": "other work (output elements)",
        "weight_bytes": "weight bytes",
    }
    for key, words in names.items():
        typer.echo(f"  {words:<30}{counts[key]:>16,}")
    for witness, macs in counts["witnesses"].items():
        typer.echo(f"  {'witness ' + witness:<30}{macs:>16,}")
    typer.echo(f"  layers replaced {len(answer['replaced'])}, left {len(answer['left'])}")
    reasons: dict[str, list[str]] = {}
    for layer in answer["left"]:
        reasons.setdefault(layer["reason"], []).append(layer["name"])
    for reason, layers in reasons.items():
        shown = ", ".join(layers[:4]) + (f" … ({len(layers)})" if len(layers) > 4 else "")
        typer.echo(f"    left: {reason}: {shown}")
