"""`bench history --bisect`: asks about the commits between two ends until one is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.screen import one_line, say
from bench.errors import InputError

if TYPE_CHECKING:
    from bench.analysis.commit_history import CommitHistory
    from bench.run.commits import Commit

RESOLUTION = 0.01
"""Smallest change of a time that is asked about."""


@dataclass(frozen=True)
class Asking:
    """What commits are asked with. ``rounds``: None for the suite's; ``results``: where runs are written."""

    suite: Path
    rounds: int | None
    results: Path
    repository: Path

    def whether_changed(self, base: str, case: str, count: str | None) -> Callable[[str], bool | None]:
        """Asks whether a commit differs from ``base``: in a count, or by `bench ab` in time. None: it cannot
        be told."""
        from bench.analysis.compare import compare_arms
        from bench.analysis.verdict import FASTER, SAME, SLOWER
        from bench.cli.two_revisions import Both, measure
        from bench.plan.plan import make_plan
        from bench.plan.suite import load_suite
        from bench.run import arms

        plan = make_plan(load_suite(self.suite), rounds=self.rounds, only=case, resolution=RESOLUTION)

        def changed(commit: str) -> bool | None:
            ran = measure(
                Both(plan, self.repository, base, commit, self.results, timed=count is None),
                f"{base[:12]} against {commit[:12]}",
            )
            compared = compare_arms(ran, arms.BASE, arms.HEAD, RESOLUTION)
            (found,) = (change for change in compared.cases if change.case == case)
            if found.note:
                say(one_line(f"{commit[:12]}: {found.note}"), err=True)
                return None
            if count is not None:
                return count in found.changed
            return {SLOWER: True, FASTER: True, SAME: False}.get(found.verdict)

        return changed


def bisect_history(
    found: CommitHistory, line: tuple[Commit, ...], wanted: str, metric: str, asking: Asking
) -> bool:
    """Says which commits are left between the ends of the newest step, or of all that was measured.

    True where it is one. Raises InputError unless ``wanted`` fits one case.
    """
    from bench.analysis.bisection import bisect
    from bench.analysis.commit_history import COUNTS

    case, *more = dict.fromkeys(series.case for series in found.series)
    if more:
        raise InputError(f"--bisect '{wanted}' fits {len(more) + 1} cases; name one, such as {case}")
    base, candidates = _ends(found, [commit.id for commit in line], metric)
    ask = asking.whether_changed(base, case, metric if metric in COUNTS else None)
    say(f"{case} {metric}: {len(candidates)} commits after {base[:12]} may be it", err=True)
    left = candidates if len(candidates) == 1 else bisect(candidates, ask)
    subjects = {commit.id: commit.subject for commit in line}
    for commit in left:
        say(f"{commit[:12]}\t{one_line(subjects[commit])}")
    if len(left) != 1:
        many = f"one of {len(left)} commits; more rounds may tell" if left else "the ends do not differ"
        say(f"cannot tell: {many}", err=True)
    return len(left) == 1


def _ends(found: CommitHistory, order: list[str], metric: str) -> tuple[str, tuple[str, ...]]:
    """The last commit before the change, and those that it may be."""
    steps = [step for step in found.steps if step.metric == metric]
    if steps:
        return steps[0].base, steps[0].candidates
    measured = sorted({point.at for series in found.series for point in series.points})
    return order[measured[0]], tuple(order[measured[0] + 1 : measured[-1] + 1])
