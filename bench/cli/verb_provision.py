"""bench provision"""

from __future__ import annotations

from typing import Annotated

import typer

from bench.cli.app import app
from bench.cli.screen import one_line, say

FAILED = 3


@app.command(short_help="Set up another host to measure there.", epilog="Example: bench provision pi")
def provision(
    target: Annotated[
        str, typer.Argument(help="A target that is started by ssh (`bench targets`), or cortex-a72.")
    ],
) -> None:
    """Copy the package to a target and install torch there, where either is missing.

    It goes over the command that the target is started with, into the home folder of its user. For a core
    that qemu emulates, a Debian root, torch and a plugin are put into this user's folder for caches.

    Exit: 0 the target answers, 3 it does not, 2 the input was wrong.
    """
    from bench.plan.target_file import known_targets
    from bench.run.provision import ProvisionFailed
    from bench.run.provision import provision as set_up
    from bench.run.reach import reach

    wanted = known_targets().get(target)
    try:
        set_up(wanted, lambda line: say(one_line(line), err=True))
    except ProvisionFailed as error:
        say(one_line(f"bench: {error}"), err=True)
        raise typer.Exit(FAILED) from None
    found = reach(wanted, 300.0)
    if found.why:
        say(one_line(f"bench: target {target} was set up and does not answer: {found.why}"), err=True)
        raise typer.Exit(FAILED)
    say(f"{target}: {found.processor}, torch {(found.facts.host or {}).get('torch')}")
