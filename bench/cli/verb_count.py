"""bench count"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from bench.cli import completion
from bench.cli.app import app
from bench.cli.options import AsJson, Plugins
from bench.cli.screen import leaving, one_line, say

_LONGEST = 40
"""Characters of a wrong value that a message quotes."""


@app.command(
    short_help="Count parameters and MACs of a network.",
    epilog="Example: bench count resnet56 csr_conv T=4 --json\n\n"
    "Example: bench count mobilenet_v2_csr csr_conv 'T={expand: 3, project: 4}'",
)
def count(
    backbone: Annotated[
        str, typer.Argument(help="A name of `bench list backbones`.", autocompletion=completion.backbones)
    ],
    method: Annotated[
        str, typer.Argument(help="A name of `bench list methods`.", autocompletion=completion.methods)
    ],
    knobs: Annotated[
        list[str] | None, typer.Argument(metavar="[KNOB=VALUE…]", help="Knobs, in YAML.")
    ] = None,
    input: Annotated[str | None, typer.Option(help="CxHxW; the backbone's own by default.")] = None,
    classes: Annotated[
        int | None, typer.Option(min=1, help="Logits of a classifier, channels of a map.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the weights.")] = 0,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Count parameters and MACs of a backbone with a method, by three witnesses.

    Exit: 0 counted, 2 the input was wrong, 3 the method cannot be applied or the witnesses disagree.
    """
    from bench.case import Case, parse_shape
    from bench.models import BACKBONES
    from bench.models.base import refuse_classes
    from bench.plan.knobs import check_call, parse_knob_words
    from bench.plugins import load_plugins
    from bench.worker.counter import count_case

    load_plugins(map(str, plugin or ()))
    entry = BACKBONES.get(backbone)
    own = entry.input
    call = check_call(method, parse_knob_words(knobs or ()))
    refuse_classes(backbone, entry.output, classes)
    shape = parse_shape(input, own[0]) if input else own
    counted = count_case(Case(backbone, (call,), input=shape, classes=classes, seed=seed))
    if counted.error is not None or counted.counts is None:
        message = counted.error.message if counted.error else "no counts"
        say(one_line(f"bench: {backbone} {call.label}: {message}"), err=True)
        raise typer.Exit(3)
    answer = asdict(counted)
    counts: dict[str, Any] = answer["counts"]
    with leaving(3 if counts["disagreements"] else 0):
        for line in counts["disagreements"]:
            say(one_line(f"witnesses disagree: {line}"), err=True)
        if as_json:
            say(json.dumps({**counts, "replaced": answer["replaced"], "left": answer["left"]}, indent=1))
        else:
            _print(f"{backbone} {call.label} {'x'.join(map(str, shape))}", counts, answer)


def _print(title: str, counts: dict[str, Any], answer: dict[str, Any]) -> None:
    say(title)
    names = {
        "params": "parameters, stored",
        "logical_params": "parameters, logical",
        "macs": "MACs, logical",
        "executed_macs": "MACs, executed",
        "flops": "FLOPs (2 × executed MACs)",
        "other_elements": "other work (output elements)",
        "activation_macs": "MACs between activations",
        "weight_bytes": "weight bytes",
    }
    for key, words in names.items():
        if key == "activation_macs" and not counts[key]:
            continue  # few networks have any, and it is in none of the other lines
        say(f"  {words:<30}{counts[key]:>16,}")
    for witness, macs in counts["witnesses"].items():
        say(f"  {'witness ' + witness:<30}{macs:>16,}")
    for leaving_at in counts["exits"]:
        words = f"{leaving_at['inputs']} inputs leave at {leaving_at['name']}"
        say(f"  {words:<30}{leaving_at['executed_macs']:>16,} MACs each")
    say(f"  layers replaced {len(answer['replaced'])}, left {len(answer['left'])}")
    reasons: dict[str, list[str]] = {}
    for layer in answer["left"]:
        reasons.setdefault(layer["reason"], []).append(layer["name"])
    for reason, layers in reasons.items():
        shown = ", ".join(layers[:4]) + (f" … ({len(layers)})" if len(layers) > 4 else "")
        say(f"    left: {reason}: {shown}")
