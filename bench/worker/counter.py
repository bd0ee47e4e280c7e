"""The counting process: finds recipes and exact counts, case by case, before anything is timed.

Counts do not depend on the moment, so one process serves all cases of a run: one JSON line in per
case, one out. It may import what the measuring process must not: fvcore, torch-pruning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.account import Left, Replaced
from bench.case import Case
from bench.counting.counts import Counts
from bench.worker.measurements import Answers
from bench.worker.pipe import answer_each
from bench.worker.protocol import Failure, Job, Json


@dataclass(frozen=True)
class Counted:
    """The counting process's answer: counts, recipes (one per method), and the layers replaced and left.

    ``answers``: what the network answers, by which a trial proves that it built the same one.
    ``discarded``: layers of which the loaded weights are gone; empty where none were loaded.
    """

    error: Failure | None = None
    counts: Counts | None = None
    replaced: tuple[Replaced, ...] = ()
    left: tuple[Left, ...] = ()
    recipes: tuple[Any, ...] = ()
    answers: Answers | None = None
    discarded: tuple[str, ...] = ()


def count_case(case: Case) -> Counted:
    """Recipes, counts, replaced and left layers of a case; or why there are none."""
    try:
        from bench.counting.count import count
        from bench.network import check_answer, context_of, prepare
        from bench.worker.answers import answers_of
        from bench.worker.discarded import discarded
        from bench.worker.layer_time import seconds_of

        rewritten, recipes = prepare(case, seconds_of)
        check_answer(rewritten.network, case)
        counts = count(rewritten.network, context_of(case).example_input())
        lost: tuple[str, ...] = ()
        if case.imported is not None and case.imported.weights:
            lost = discarded(rewritten.network, case, recipes, rewritten.replaced)
        answers = answers_of(rewritten.network, case)
    except Exception as error:  # noqa: BLE001 - a failed case is a result: the record carries the traceback
        return Counted(error=Failure.of(error, "count"))
    return Counted(
        counts=counts,
        replaced=tuple(rewritten.replaced),
        left=tuple(rewritten.left),
        recipes=tuple(recipes),
        answers=answers,
        discarded=lost,
    )


def answer(data: Json) -> Counted:
    """The answer to one line."""
    from bench.plugins import load_plugins

    job = Job.from_json(data)
    try:
        load_plugins(job.plugins)
    except Exception as error:  # noqa: BLE001 - the user's own file: what it raises is the answer
        return Counted(error=Failure.of(error, "plugin"))
    return count_case(job.case)


def main() -> None:
    """Answers every line of stdin."""
    answer_each(answer, lambda failure: Counted(error=failure))
