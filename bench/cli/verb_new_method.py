"""bench new-method"""

from __future__ import annotations

from pathlib import Path

from bench.cli.app import app
from bench.cli.options import NewFolder, NewName
from bench.cli.screen import say


@app.command(
    name="new-method",
    short_help="Write a method of your own to start from.",
    epilog="Example: bench new-method my_conv",
)
def new_method(name: NewName, folder: NewFolder = Path()) -> None:
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
