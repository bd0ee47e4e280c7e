"""Dense networks called a few times, one after the other, by which a plan tells its time.

What a method makes of a network is not known before it is built; over many methods they take about as long as
the dense network does.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from bench.analysis.records import Probe
from bench.case import VARIED, Case
from bench.plan.declared import DECLARED_METHODS
from bench.plan.plan import PROCESS_SECONDS, Plan
from bench.run.pace import ALONE, Cost, cost_of, start_seconds, trial_seconds
from bench.run.probing import Prober
from bench.run.requests import ProbeRequest
from bench.run.spare import untimed
from bench.run.turns import MOST_SEATS
from bench.worker.measurements import VISITS
from bench.worker.protocol import Job

LEAST_BEFORE, BUILDS_BEFORE, CALLS_BEFORE = 0.7, 2, 10
"""Counting and probing a case: seconds at least, and how often dense could be built and called meanwhile."""

CALLS_TOGETHER = 10
"""Inputs in a round of a network that some of them leave early: 4 for shares of 50 %, 10 for 30 %."""

LEAVING = 0.75
"""Share of dense's time that a call of such a network takes: the mean of suites/dynamic.yaml."""


@dataclass(frozen=True)
class DenseTimes:
    """What dense networks cost here, by their ids; ``start``: seconds until a process is ready."""

    costs: Mapping[str, Cost] = field(default_factory=dict)
    start: float = PROCESS_SECONDS

    def trial(self, case: Case, plan: Plan) -> float | None:
        """Seconds of a trial, its share of the process's start included; None where nothing is known.

        Most ratios are far from 1, and so few turns are expected.
        """
        cost = self.costs.get(called(case).id)
        if cost is None:
            return None
        base = case.baseline().id
        group = sum(1 for other in plan.cases if other.baseline().id == base)
        processes = max(1, math.ceil((group - 1) / (MOST_SEATS - 1)))
        if any(DECLARED_METHODS.get(call.name).varies for call in case.methods):
            call = LEAVING * cost.call
            cost = Cost(cost.building + VISITS * VARIED * call, call, CALLS_TOGETHER)
        measure = plan.measure_of(case)
        ahead = untimed(case, plan.targets[case.target], measure)
        start = start_seconds(self.start * processes / group, cost.building, ahead)
        return trial_seconds(cost, True, measure) + start

    def before(self, case: Case) -> float | None:
        """Seconds to count and to probe a case; None where nothing is known."""
        cost = self.costs.get(called(case).id)
        if cost is None:
            return None
        return max(LEAST_BEFORE, BUILDS_BEFORE * cost.building + CALLS_BEFORE * cost.call)


def called(case: Case) -> Case:
    """The dense network that is called for a case: in eager mode, which needs no export."""
    return replace(case.baseline(), runtime="eager")


def call_dense(
    plan: Plan,
    known: Collection[str],
    done: Callable[[int, int], None],
    prober: Prober | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> DenseTimes:
    """Calls the dense networks of all cases that are not ``known`` by their ids and run on this host itself.

    Nothing that the suite names is started, and nothing is kept. A network that fails has no time.
    """
    todo = {
        called(case).id: called(case) for case in plan.cases if case.id not in known and _here(case, plan)
    }
    asked = prober or Prober()
    costs: dict[str, Cost] = {}
    start = PROCESS_SECONDS
    try:
        for number, case in enumerate(todo.values()):
            done(number, len(todo))
            target = plan.targets[case.target]
            job = Job(
                case, target.device, (None,), plan.measure_of(case).protocol(), plan.plugins, timed=False
            )
            since = clock()
            answer = asked.ask(ProbeRequest(target, job, plan.measure_of(case).timeout))
            took = clock() - since
            probe = Probe(
                run="", case=case.id, status="failed" if answer.error else "ok", stages=answer.stages
            )
            cost = cost_of(probe, ALONE)
            if cost is not None:
                if not costs:
                    start = max(0.1, took - sum(answer.stages.values()))
                costs[case.id] = cost
    finally:
        asked.close()
    return DenseTimes(costs, start)


def _here(case: Case, plan: Plan) -> bool:
    target = plan.targets[case.target]
    return not target.starts_a_program and not plan.is_emulated(case)
