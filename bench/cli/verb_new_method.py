"""bench new-method"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.app import app
from bench.cli.screen import say


@app.command(
    name="new-method",
    short_help="Write a method of your own to start from.",
    epilog="Example: bench new-method my_conv",
)
def new_method(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and _.")],
    folder: Annotated[Path, typer.Option(help="Where the two files go.")] = Path(),
) -> None:
    """Write a method of your own and its test, to start from.

    Exit: 0 written, 2 the name cannot be used or a file exists (nothing is written then).
    """
    from bench.methods.template.scaffold import write_method

    method, test = write_method(name, folder)
    say(f"method: {method}")
    say(f"test:   {test}")
    say(
        f"try it: python -m pytest {test}\n"
        f"        bench count resnet20 {name} ratio=0.25 --plugin {method}\n"
        f"        bench run SUITE.yaml --plugin {method}   (methods: [{name}: {{ratio: 0.25}}])",
        err=True,
    )
