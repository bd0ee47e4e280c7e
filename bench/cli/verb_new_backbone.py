"""bench new-backbone"""

from __future__ import annotations

from pathlib import Path

from bench.cli.app import app
from bench.cli.options import NewFolder, NewName
from bench.cli.screen import say


@app.command(
    name="new-backbone",
    short_help="Write a network of your own to start from.",
    epilog="Example: bench new-backbone my_net",
)
def new_backbone(name: NewName, folder: NewFolder = Path()) -> None:
    """Write a network of your own and its test, to start from.

    Exit: 0 written, 2 the name cannot be used or a file exists (nothing is written then).
    """
    from bench.models.template.scaffold import write_backbone

    backbone, test = write_backbone(name, folder)
    say(f"backbone: {backbone}")
    say(f"test:     {test}")
    say(
        f"try it: python -m pytest {test}\n"
        f"        bench count {name} csr_conv T=4 --plugin {backbone}\n"
        f"        bench new-suite my_suite --backbone {name} --plugin {backbone}\n"
        f"        bench run my_suite.yaml --plugin {backbone}",
        err=True,
    )
