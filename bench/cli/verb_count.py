"""bench count"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from bench.cli.app import app
from bench.cli.options import AsJson, Plugins
from bench.cli.screen import leaving, one_line, say
from bench.errors import InputError

_LONGEST = 40
"""Characters of a wrong value that a message quotes."""


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
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Count parameters and MACs of a backbone with a method, by three witnesses.

    Exit: 0 counted, 2 the input was wrong, 3 the method cannot be applied or the witnesses disagree.
    """
    from bench.case import Case
    from bench.models import BACKBONES
    from bench.plan.knobs import check_call
    from bench.plan.suite import parse_shape
    from bench.plugins import load_plugins
    from bench.worker.counter import count_case

    load_plugins(map(str, plugin or ()))
    own = BACKBONES.get(backbone).input
    call = check_call(method, _knobs(knobs or ()))
    shape = parse_shape(input, own[0]) if input else own
    answer = count_case(Case(backbone, (call,), input=shape, classes=classes, seed=seed).as_dict())
    if answer["status"] != "ok":
        say(one_line(f"bench: {backbone} {call.label}: {answer['error']['message']}"), err=True)
        raise typer.Exit(3)
    counts: dict[str, Any] = answer["counts"]
    with leaving(3 if counts["disagreements"] else 0):
        for line in counts["disagreements"]:
            say(one_line(f"witnesses disagree: {line}"), err=True)
        if as_json:
            say(json.dumps({**counts, "replaced": answer["replaced"], "left": answer["left"]}, indent=1))
        else:
            _print(f"{backbone} {call.label} {'x'.join(map(str, shape))}", counts, answer)


def _knobs(words: Iterable[str]) -> dict[str, Any]:
    """``KNOB=VALUE`` words as knobs, values read as in a suite.

    Raises InputError for a word that is none, a knob that stands twice and a value that YAML cannot read.
    """
    from bench.plan.yaml_source import parse_yaml

    knobs: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise InputError(f"'{word}' is no knob; write KNOB=VALUE, for example T=4")
        if name in knobs:
            raise InputError(f"knob {name} stands twice; give it one value")
        try:
            knobs[name] = parse_yaml(value, f"knob {name}").data
        except InputError:
            short = value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
            raise InputError(f"knob {name}: '{short}' is no YAML value that a knob can take") from None
    return knobs


def _print(title: str, counts: dict[str, Any], answer: dict[str, Any]) -> None:
    say(title)
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
        say(f"  {words:<30}{counts[key]:>16,}")
    for witness, macs in counts["witnesses"].items():
        say(f"  {'witness ' + witness:<30}{macs:>16,}")
    say(f"  layers replaced {len(answer['replaced'])}, left {len(answer['left'])}")
    reasons: dict[str, list[str]] = {}
    for layer in answer["left"]:
        reasons.setdefault(layer["reason"], []).append(layer["name"])
    for reason, layers in reasons.items():
        shown = ", ".join(layers[:4]) + (f" … ({len(layers)})" if len(layers) > 4 else "")
        say(f"    left: {reason}: {shown}")
