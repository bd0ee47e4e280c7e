"""Options that several verbs share: the same words mean the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import completion

MOST_ROUNDS = 1000
"""As in a suite's ``measure``."""

SuiteFile = Annotated[
    Path,
    typer.Argument(
        help="Suite file (YAML), or the name of a shipped one: `bench list suites`.",
        autocompletion=completion.suites,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Header = Annotated[bool, typer.Option("--header", help="Begin piped tables with their columns' names.")]
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="Refuse instead of waiting while another run measures here.")
]
ResultsFolder = Annotated[Path, typer.Option("--results", help="Folder for the measured data.")]
PeaksFolder = Annotated[
    Path, typer.Option("--results", help="Folder with peaks.json, which `bench doctor --peaks` writes.")
]
Plugins = Annotated[
    list[Path] | None, typer.Option("--plugin", help="Python file with methods of your own; may be repeated.")
]
Methods = Annotated[
    list[str] | None,
    typer.Option("--method", help="A method beside the suite's own: 'half(ratio=0.25)'; may be repeated."),
]
Trust = Annotated[
    bool,
    typer.Option("--trust", help="Allow this suite to run code: its plugins, imports and programs."),
]
Rounds = Annotated[
    int | None,
    typer.Option("--rounds", min=1, max=MOST_ROUNDS, help="Trials per case, instead of the suite's."),
]
MaxRounds = Annotated[
    int | None,
    typer.Option(
        "--max-rounds", min=1, max=MOST_ROUNDS, help="Rounds at most, where a resolution is asked for."
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        help="Only cases whose id fits this glob or has this part; may be repeated.",
        autocompletion=completion.cases_of_suite,
    ),
]
NewName = Annotated[str, typer.Argument(help="Lower-case letters, digits and _.")]
NewFolder = Annotated[Path, typer.Option("--folder", help="Where the two files go.")]
OrderSeed = Annotated[
    int | None, typer.Option("--seed", min=0, help="Seed of the rounds' order; random by default.")
]
Identify = Annotated[
    bool,
    typer.Option("--identify", help="Write host names, user names and absolute paths into results and log."),
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print the run's log too: what is launched, and how it ends.")
]
FailOn = Annotated[str, typer.Option("--fail-on", help="What counts as worse: slower, bigger, or both.")]
SameWithin = Annotated[str, typer.Option("--resolution", help="Differences up to this are called the same.")]
TlsCaFile = Annotated[
    Path | None, typer.Option("--tls-ca-file", help="CA of the cluster's certificates (PEM).")
]
TlsCert = Annotated[Path | None, typer.Option("--tls-cert", help="Certificate of this side (PEM).")]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", help="Private key of this side (PEM).")]
