"""Profiles that are kept with a run's results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.screen import say
from bench.errors import InputError

if TYPE_CHECKING:
    from bench.analysis.store import Results
    from bench.case import Case
    from bench.run.profiling import Profile


def run_of(case: Case, folder: Path) -> Results:
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


def keep(profiles: Sequence[Profile], run: Results) -> None:
    """Appends the profiles to the run's results."""
    from bench.analysis.store import Store

    with Store(run.file) as results:
        for found in profiles:
            results.append(found.as_record(run.start.run))
    say(f"stored in {run.file}", err=True)
