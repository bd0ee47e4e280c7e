"""The pace of a run: what a trial of each case should take, by its probe, and what is left to do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from bench.analysis.records import Probe
from bench.analysis.sequential import looks, rounds_needed
from bench.plan.plan import CASE_SECONDS, PROCESS_SECONDS, Plan
from bench.plan.suite import Measure
from bench.run.estimate import USUAL_DEVIATION
from bench.run.spare import untimed
from bench.run.turns import FAR, FAR_PASSES, MOST_SEATS, turn_plan
from bench.worker.measurements import VISITS

BUILDING = ("build", "method", "runtime", "check", "output")
"""Stages of a probe that a trial goes through too."""

SAMPLE_SECONDS = 0.0005
"""A sample is the mean of so many calls that they take this long."""

WARM_UP_SECONDS, WARM_UP_CALLS = 0.04, 7
"""A warm-up at least: two windows of 20 ms, or of three calls, after the first call."""

SHARED = 1.15
"""A probe runs beside others, and its stages take longer than a trial's for it: by so much, where that was
not seen (``slowed``)."""

ALONE = 1.05
"""The fourth call of a process is that much slower than those of a trial's turns."""

MOST_SHARED = 3.0
"""Two threads of one core halve each other's speed; what looks like more than this is another disturbance."""


@dataclass(frozen=True)
class Cost:
    """Seconds that a case needs to be built and to answer once, and of one call, roughly.

    ``in_round``: calls that only together stand for the network, as where inputs leave it early.
    """

    building: float
    call: float
    in_round: int = 1


def slowed(beside: Probe, alone: Mapping[str, float]) -> float:
    """How much longer a probe took beside others than the same one ``alone`` (its stages)."""
    if "call" not in beside.stages or not alone.get("call"):
        return SHARED
    return min(max(beside.stages["call"] / alone["call"] * ALONE, ALONE), MOST_SHARED)


def cost_of(probe: Probe, shared: float = SHARED) -> Cost | None:
    """What a probe tells about time; None where it failed or comes from before probes told it.

    ``shared``: how much longer its stages took than those of a trial.
    """
    if probe.status != "ok" or "call" not in probe.stages:
        return None
    building = sum(probe.stages.get(stage, 0.0) for stage in BUILDING) / shared
    in_round = probe.inputs.in_round if probe.inputs else 1
    call = probe.stages["call"] / shared / in_round
    alone = VISITS * len(probe.inputs.left_at) if probe.inputs else 0
    return Cost(building + alone * call, call, in_round)


def trial_seconds(cost: Cost, far: bool, measure: Measure) -> float:
    """Seconds of one trial among others in turns, without the start of their process."""
    rounds = max(1, math.ceil(SAMPLE_SECONDS / max(cost.call * cost.in_round, 1e-9)))
    calls = rounds * cost.in_round
    turns = turn_plan(cost.call, calls, measure.max_seconds, measure.passes)
    passes = min(turns.passes, FAR_PASSES) if far else turns.passes
    sampling = passes * (turns.uncounted + turns.counted * calls) * cost.call
    warm_up = min(max(WARM_UP_SECONDS, WARM_UP_CALLS * cost.in_round * cost.call), measure.warmup_max_seconds)
    return cost.building + warm_up + sampling


BESIDE = 0.2
"""Share of a process's start that a sitting still waits for where the next one's process starts meanwhile:
the two slow each other down."""


def start_seconds(start: float, building: float, ahead: bool) -> float:
    """What is waited for a process that starts, where it may start ``ahead``, while others are built."""
    return max(BESIDE * start, start - building) if ahead else start


class Pace:
    """Expected seconds of a run's rounds. ``probes``: by case id, of as many cases as have one.

    ``shared`` as in ``cost_of``; ``start``: seconds until a process is ready. None: not seen here.
    """

    def __init__(
        self,
        plan: Plan,
        probes: Mapping[str, Probe],
        arms: int = 1,
        shared: float | None = None,
        start: float | None = None,
    ) -> None:
        shared = SHARED if shared is None else shared
        costs = {id_: cost for id_, probe in probes.items() if (cost := cost_of(probe, shared)) is not None}
        self._start = PROCESS_SECONDS if start is None else start
        self._baseline = {case.id: case.baseline().id for case in plan.cases}
        self._arms = arms
        building = {id_: cost.building for id_, cost in costs.items()}
        usually = sum(building.values()) / len(building) if building else 0.0
        self._building = {id_: building.get(id_, usually) for id_ in self._baseline}
        self._ahead = arms == 1 and all(
            untimed(case, plan.targets[case.target], plan.measure_of(case)) for case in plan.cases
        )
        far = _far(costs, self._baseline)
        measures = {case.id: plan.measure_of(case) for case in plan.cases}
        known = {id_: trial_seconds(cost, far[id_], measures[id_]) for id_, cost in costs.items()}
        usual = sum(known.values()) / len(known) if known else CASE_SECONDS
        self._seconds = {id_: known.get(id_, usual) for id_ in self._baseline}
        once = {case.id: 1 for case in plan.cases if plan.is_emulated(case)}
        self._rounds: dict[str, int] = {}
        for measure, alike in plan.alike(plan.cases):
            of_them = {case.id: self._baseline[case.id] for case in alike}
            self._rounds |= _rounds(measure, {id_: far[id_] for id_ in of_them}, of_them)
        self._rounds |= once
        self._expected = self._took = 0.0
        self._of_part: dict[frozenset[str], float] = {}

    def seconds(self, ids: AbstractSet[str]) -> float:
        """Of a round that visits these cases, with the start of its processes."""
        others: dict[str, int] = {}
        for id_ in ids:
            base = self._baseline[id_]
            others[base] = others.get(base, 0) + (id_ != base)
        sittings = sum(max(1, math.ceil(n / (MOST_SEATS - 1))) for n in others.values())
        building = sum(self._building[id_] for id_ in ids)
        starts = start_seconds(sittings * self._start, building, self._ahead)
        return self._arms * (sum(self._seconds[id_] for id_ in ids) + starts)

    def measured(self, ids: AbstractSet[str], took: float) -> None:
        """A part of a round took that many seconds: what is left is corrected by it."""
        self._expected += self.seconds(ids)
        self._took += took

    def left(self, parts: Iterable[AbstractSet[str]]) -> float:
        """Seconds for these parts of rounds, at the pace so far."""
        pace = self._took / self._expected if self._expected > 0 else 1.0
        return pace * sum(self._known_seconds(frozenset(part)) for part in parts if part)

    def _known_seconds(self, ids: frozenset[str]) -> float:
        """``seconds``, worked out once: it is asked again before every part of a round."""
        if ids not in self._of_part:
            self._of_part[ids] = self.seconds(ids)
        return self._of_part[ids]

    def after(self, number: int, ids: AbstractSet[str]) -> list[set[str]]:
        """The rounds that are expected after round ``number``, of which ``ids`` were or will be visited."""
        last = max((self._rounds[id_] for id_ in ids), default=0)
        return [{id_ for id_ in ids if self._rounds[id_] > later} for later in range(number + 1, last)]

    def total(self) -> float:
        """Seconds of all rounds that are expected."""
        everything = set(self._rounds)
        return self.left(self.after(-1, everything))


def _far(costs: Mapping[str, Cost], baselines: Mapping[str, str]) -> dict[str, bool]:
    """Case id -> True where its ratio is well beyond FAR by its probe; a baseline whose others all are."""
    far: dict[str, bool] = {}
    for id_, base_id in baselines.items():
        own, base = costs.get(id_), costs.get(base_id)
        known = own is not None and base is not None and min(own.call, base.call) > 0
        far[id_] = known and abs(math.log(own.call / base.call)) > 2 * math.log1p(FAR)  # type: ignore[union-attr]
    compared: dict[str, list[bool]] = {base_id: [] for base_id in baselines.values()}
    for id_, base_id in baselines.items():
        if id_ != base_id:
            compared[base_id].append(far[id_])
    for base_id, others in compared.items():
        far[base_id] = bool(others) and all(others)
    return far


def _rounds(measure: Measure, far: Mapping[str, bool], baselines: Mapping[str, str]) -> dict[str, int]:
    """Case id -> rounds: the planned ones, or more where its ratio may be near 1 and none were asked for."""
    planned = measure.planned_rounds
    if measure.rounds is not None:
        return dict.fromkeys(far, planned)
    undecided = rounds_needed(0.0, USUAL_DEVIATION, measure.resolution, looks(planned, measure.max_rounds))
    compared = {base for id_, base in baselines.items() if id_ != base}
    return {
        id_: planned if is_far or (id_ == baselines[id_] and id_ not in compared) else undecided
        for id_, is_far in far.items()
    }
