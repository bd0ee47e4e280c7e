"""The public Python face of csr-bench: what scripts, notebooks and other revisions may rely on.

    from bench import api

    plan = api.make_plan(api.load_suite("suites/smoke.yaml"), rounds=3)
    results = api.run(plan, "results")
    frame = api.make_frame([results])

Everything that the command line does goes through the same functions. Names here stay; their parameters
are only added to. docs/api.md has an example to run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from bench.analysis.compare import Comparison
    from bench.analysis.records import Trial
    from bench.analysis.round_values import RoundValues
    from bench.analysis.store import Results
    from bench.plan.plan import Plan
    from bench.plan.suite import LoadedSuite
    from bench.run.session import Listener

Name = str | PathLike[str]

__all__ = [
    "InputError", "Silent", "compare", "is_set_up", "load_suite", "make_frame", "make_plan", "read_results",
    "round_values", "run",
]  # fmt: skip


class Silent:
    """A listener that tells nobody."""

    def counting(self, done: int, total: int) -> None:
        """Counted, and not told."""

    def probing(self, done: int, total: int) -> None:
        """Probed, and not told."""

    def trial(self, done: int, total: int, trial: Trial | None) -> None:
        """Measured, and not told."""

    def remaining(self, seconds: float) -> None:
        """Known, and not told."""


def load_suite(path: Name, plugins: Iterable[str] = (), trust: bool = False) -> LoadedSuite:
    """Reads and checks a suite file, or the shipped suite of that bare name: ``load_suite("smoke")``.

    ``plugins`` are Python files of your own; code that the suite names (plugins, imports) runs only with
    ``trust``.
    Raises InputError with file, line and the nearest valid word.
    """
    from bench.plan.suite import load_suite as load

    return load(Path(path), plugins, trust)


def make_plan(
    suite: LoadedSuite,
    rounds: int | None = None,
    only: str | Sequence[str] | None = None,
    quick: bool = False,
) -> Plan:
    """The cases of a suite with all that is needed to measure them: ``len(plan.cases)``, ``plan.trials``.

    ``rounds`` instead of the suite's; ``only`` is a glob on case ids, or a part of one, or several.
    Raises InputError.
    """
    from bench.plan.plan import make_plan as make

    return make(suite, rounds=rounds, only=only, quick=quick)


def is_set_up(plan: Plan) -> bool:
    """Whether the emulated cores of the plan are set up, as ``bench provision`` does; True without any."""
    from bench.plan.emulator import emulator

    return not any(map(plan.is_emulated, plan.cases)) or not emulator().lacks()


def run(
    plan: Plan,
    folder: Name = "results",
    seed: int | None = None,
    listener: Listener | None = None,
    trust: bool = False,
    identify: bool = False,
) -> Results:
    """Measures the plan and returns all its records, which are also in a new file of the folder.

    Waits for another run on this host to end. A failed case is a result; KeyboardInterrupt is raised
    again once what was measured is on the disk. Raises InputError when nothing may or can be written,
    and for programs of the suite's own without ``trust``. Names of hosts and users and places on the disk are
    written only with ``identify``.
    """
    from bench.analysis.store import read_results as read
    from bench.run.lock import HostLock
    from bench.run.run import begin, execute

    plan.require_trust(trust)
    file, start = begin(plan, Path(folder), seed)
    with HostLock(wait=True):
        outcome = execute(plan, file, start, listener or Silent(), identify=identify)
    if outcome.interrupted:
        raise KeyboardInterrupt
    return read(file)


def read_results(path: Name) -> Results:
    """All records of a results file. Raises InputError with file and line for a file that is not one."""
    from bench.analysis.store import read_results as read

    return read(Path(path))


def make_frame(results: Iterable[Results]) -> pd.DataFrame:
    """One row per run, arm and case. Times in seconds, memory in bytes, ratios to the dense baseline.

    ``bench.analysis.frame.CaseRow`` names the columns.
    """
    from bench.analysis.frame import make_frame as make

    return make(results)


def round_values(results: Results) -> dict[str, RoundValues]:
    """Case id -> what each round of a run said: latencies in seconds, ratios to the dense baseline."""
    from bench.analysis.round_values import round_values as values

    return values(results)


def compare(
    base: Results,
    head: Results,
    resolution: float = 0.03,
    fail_on: Collection[str] = ("slower", "bigger"),
    across_hosts: bool = False,
) -> Comparison:
    """Two runs case by case, as ``bench compare`` does: counts exactly, times by intervals.

    ``resolution`` 0.03: differences up to 3 % are called the same. ``exit_code`` of the answer is the
    command's.
    """
    from bench.analysis.compare import compare_runs

    return compare_runs(base, head, resolution, fail_on, across_hosts)
