"""bench new-suite"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import completion
from bench.cli.app import app
from bench.cli.options import Plugins
from bench.cli.screen import say


@app.command(
    name="new-suite",
    short_help="Write a suite of your own to start from.",
    epilog="Example: bench new-suite mine --backbone resnet56",
)
def new_suite(
    name: Annotated[str, typer.Argument(help="Names the file, the results and the report.")],
    backbone: Annotated[
        list[str],
        typer.Option(
            help="What is compressed: `bench list backbones`; may be repeated.",
            autocompletion=completion.backbones,
        ),
    ],
    folder: Annotated[Path, typer.Option(help="Where the file goes.")] = Path(),
    plugin: Plugins = None,
) -> None:
    """Write a suite of your own, with every key that it may have explained, to start from.

    Exit: 0 written, 2 the name cannot be used, a backbone is not known or the file exists (nothing is
    written then).
    """
    from bench.plan.new_suite import write_suite
    from bench.plugins import load_plugins

    load_plugins(map(str, plugin or ()))
    file = write_suite(name, folder, backbone)
    words = "".join(f" --plugin {path}" for path in plugin or ())
    say(f"suite: {file}")
    say(f"try it: bench plan {file}{words}\n        bench run {file} --quick{words}", err=True)
