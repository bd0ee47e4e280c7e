"""bench worker"""

from __future__ import annotations

import re
from typing import Annotated

import typer

from bench.cli.app import app
from bench.cli.ending import interrupt_when_asked_to_end
from bench.cli.options import TlsCaFile, TlsCert, TlsKey
from bench.cli.screen import one_line, say
from bench.errors import InputError, quoted


@app.command(
    short_help="Offer this host to runs on others.",
    epilog="Example: bench worker tcp://host:8786 --target pi",
)
def worker(
    address: Annotated[str, typer.Argument(help="The scheduler's address: `dask scheduler` tells it.")],
    target: Annotated[
        list[str] | None,
        typer.Option("--target", help="A target's name that this host stands for; may be repeated."),
    ] = None,
    nthreads: Annotated[int, typer.Option(min=1, help="Threads for tasks that are not ours.")] = 1,
    tls_ca_file: TlsCaFile = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
) -> None:
    """Offer this host to `bench run SUITE --cluster ADDRESS`, which measures cases of its target here.

    One sitting at a time, under the host's lock, in fresh processes. Whoever reaches the scheduler can run
    programs here: keep it in a network of your own, or give the --tls options to both sides.

    Exit: 0 the scheduler is gone, 2 the input was wrong or no scheduler answers, 130 interrupted.
    """
    from bench.plan.target_file import NAME
    from bench.run.dask_setup import Tls
    from bench.run.serving import serve

    names = list(dict.fromkeys(target or ["cpu"]))
    for name in names:
        if not re.fullmatch(NAME, name):
            raise InputError(f"--target {quoted(name)} is no name of a target: letters, digits and . _ -")
    interrupt_when_asked_to_end()
    tls = Tls(tls_ca_file, tls_cert, tls_key)
    serve(address, names, nthreads, tls, lambda line: say(one_line(line), err=True))
