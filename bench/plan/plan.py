"""What a run will do, before it does it: cases, trials, time."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

from bench.case import Case
from bench.errors import InputError, nearest
from bench.plan.solve import Solved
from bench.plan.suite import LoadedSuite, Measure
from bench.plan.targets import Target

# Seconds, read off runs of suites/cifar.yaml on a two-core virtual machine. The estimate is for a
# person's patience; the progress bar corrects it from the run's own trials.
TRIAL_START = 0.95
COUNT_START, COUNT_EACH = 1.5, 0.5


@dataclass(frozen=True)
class Plan:
    """The cases of a run with all that is needed to measure them."""

    suite: str
    description: str
    cases: tuple[Case, ...]
    targets: dict[str, Target]
    measure: Measure
    plugins: tuple[str, ...]
    quick: bool = False
    solved: tuple[Solved, ...] = ()

    @property
    def trials(self) -> int:
        """Processes that will be timed."""
        return len(self.cases) * self.measure.rounds

    @property
    def networks(self) -> int:
        """Different networks that will be counted."""
        return len({case.count_id for case in self.cases})

    @property
    def estimated_seconds(self) -> float:
        """A first guess of the run's time."""
        sampling = self.measure.min_seconds + 0.3 * self.measure.warmup_max_seconds
        return self.trials * (TRIAL_START + sampling) + COUNT_START + self.networks * COUNT_EACH

    @property
    def times(self) -> frozenset[str]:
        """Count ids of networks whose recipe comes from times that the method takes itself."""
        from bench.methods import METHODS

        return frozenset(c.count_id for c in self.cases if any(METHODS.get(m.name).times for m in c.methods))

    def digest(self) -> str:
        """Changes when anything changes that a resumed run must have in common with its beginning."""
        targets = [asdict(target) for target in self.targets.values()]
        data = [[case.id for case in self.cases], self.measure.protocol(), targets]
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for ``bench plan --json``."""
        return {
            "suite": self.suite,
            "cases": [case.id for case in self.cases],
            "networks": self.networks,
            "rounds": self.measure.rounds,
            "trials": self.trials,
            "estimated_seconds": round(self.estimated_seconds, 1),
            "solved": [solved.as_dict() for solved in self.solved],
            "targets": [asdict(target) for target in self.targets.values()],
        }


def make_plan(
    loaded: LoadedSuite,
    rounds: int | None = None,
    only: str | None = None,
    quick: bool = False,
    resolution: float | None = None,
    max_rounds: int | None = None,
) -> Plan:
    """The plan of a suite. ``only`` is a glob on case ids, or a part of one.

    A case's dense baseline stays although ``only`` leaves it out: a ratio needs it. Raises InputError
    when nothing fits.
    """
    measure = loaded.suite.measure.quickened() if quick else loaded.suite.measure
    given = {"rounds": rounds, "resolution": resolution, "max_rounds": max_rounds}
    measure = measure.model_copy(update={k: v for k, v in given.items() if v is not None})
    cases = loaded.cases()
    if only is not None:
        fitting = [c for c in cases if only in c.id or fnmatchcase(c.id, f"*{only}*")]
        if not fitting:
            raise InputError(f"--only {only}: no case fits{nearest(only, (c.id for c in cases))}")
        wanted = {c.id for c in fitting} | {c.baseline().id for c in fitting}
        cases = [c for c in cases if c.id in wanted]
    return Plan(
        loaded.suite.name,
        loaded.suite.description,
        tuple(cases),
        loaded.targets,
        measure,
        tuple(loaded.suite.plugins),
        quick,
        tuple(s for s in loaded.solved() if s.count_id in {c.count_id for c in cases}),
    )
