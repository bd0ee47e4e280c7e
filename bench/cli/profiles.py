"""What `bench profile` and `bench why` share: their options, the cases they look at, what they keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from bench.cli import completion
from bench.cli.ending import interrupt_when_asked_to_end
from bench.cli.screen import one_line, say
from bench.errors import InputError

if TYPE_CHECKING:
    from bench.analysis.store import Results
    from bench.case import Case
    from bench.run.profiling import Profile


CaseArgument = Annotated[
    str,
    typer.Argument(
        help="A case id, or its beginning: BACKBONE/METHOD(KNOB=VALUE).", autocompletion=completion.cases
    ),
]
StoreIt = Annotated[
    bool,
    typer.Option(
        "--store",
        help="Keep it, with that of the dense baseline, in the folder's newest run of this case; "
        "`bench report` draws it.",
    ),
]

Found = TypeVar("Found")
Peaks = Mapping[str, Any] | None
"""What ``bench.analysis.roofline.read_peaks`` gives."""


def looked_at(
    case_id: str,
    folder: Path,
    store: bool,
    look: Callable[[Case, Peaks], Found],
    profile_of: Callable[[Found], Profile],
) -> Found:
    """What ``look`` finds of a case at the host's peaks, which lie in ``folder``.

    With ``store`` of its dense baseline too, and both profiles go to the folder's newest run of the case.
    Leaves with exit code 3 where one of them fails; raises InputError for what is no case or in no run.
    """
    from bench.analysis.roofline import read_peaks
    from bench.plan.case_id import parse_case_id

    case = parse_case_id(case_id)
    run = _run_of(case, folder) if store else None
    interrupt_when_asked_to_end()
    peaks = read_peaks(folder)
    every = _look_at(case, run is not None, lambda one: look(one, peaks))
    if run is not None:
        _keep([profile_of(found) for found in every], run)
    return every[-1]


def _look_at(case: Case, beside: bool, look: Callable[[Case], Found]) -> list[Found]:
    """What ``look`` finds of the case, and before it of its dense baseline where both are wanted.

    Leaves with exit code 3 where one of them fails.
    """
    from bench.run.profiling import CaseFailedError, with_baselines

    found = []
    for one in with_baselines([case]) if beside else [case]:
        try:
            found.append(look(one))
        except CaseFailedError as error:
            say(one_line(f"bench: {one.id}: {error}"), err=True)
            raise typer.Exit(3) from None
    return found


def _run_of(case: Case, folder: Path) -> Results:
    """The newest run of the folder that has the case. Raises InputError where none does."""
    from bench.analysis.store import list_results, read_results

    for file in sorted(list_results(folder), reverse=True):
        try:
            found = read_results(file)
        except InputError:
            continue  # of a newer schema, or no results: `bench results` names them
        if any(planned.case.id == case.id for planned in found.start.planned()):
            return found
    raise InputError(f"--store: no run in {folder} has the case {case.id}; `bench run` measures it first")


def _keep(profiles: Sequence[Profile], run: Results) -> None:
    """Appends the profiles to the run's results."""
    from bench.analysis.store import Store

    with Store(run.file) as results:
        for found in profiles:
            results.append(found.as_record(run.start.run))
    say(f"stored in {run.file}", err=True)
