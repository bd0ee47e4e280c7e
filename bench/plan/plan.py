"""What a run will do, before it does it: cases, trials, time."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

from pydantic import ValidationError

from bench.case import Case
from bench.errors import InputError, nearest, printable, quoted
from bench.plan.declared import DECLARED_METHODS, DECLARED_RUNTIMES
from bench.plan.expand import Draft, expand, globs_of
from bench.plan.problems import Located, message_of
from bench.plan.suite import PASSES, LoadedSuite, Measure
from bench.plan.target_file import known_targets
from bench.plan.targets import Target
from bench.plan.wanted import Solved

# Seconds, read off runs of suites/cifar.yaml on a two-core virtual machine. The estimate is for a
# person's patience; the progress bar corrects it from the run's own trials.
CASE_SECONDS, PROCESS_SECONDS = 0.85, 1.5
BEFORE_START, BEFORE_EACH = 2.0, 1.1
EMULATED_CASE_SECONDS = 8.0

ENERGY_SECONDS = 5.0
"""What a probe takes longer where it measures energy: two windows, and what stands before them."""


@dataclass(frozen=True)
class Plan:
    """The cases of a run with all that is needed to measure them.

    ``solved`` are the knobs that were found for wanted budgets. ``times`` has the ``count_id`` of every
    case whose recipe comes from timings of its own: nothing else may run while that is counted.
    ``untrusted`` are the commands that the suite would start instead of the harness's own interpreter.
    ``file`` and ``text`` are the suite's.
    """

    suite: str
    description: str
    cases: tuple[Case, ...]
    targets: dict[str, Target]
    measure: Measure
    plugins: tuple[str, ...]
    quick: bool = False
    solved: tuple[Solved, ...] = ()
    times: frozenset[str] = frozenset()
    untrusted: tuple[str, ...] = ()
    file: str = ""
    text: str = ""

    @property
    def trials(self) -> int:
        """Processes that will be timed."""
        return sum(map(self.rounds_of, self.cases))

    def rounds_of(self, case: Case) -> int:
        """Rounds of a case: the planned ones; one on an emulated core, where nothing is timed."""
        return 1 if self.is_emulated(case) else self.measure.planned_rounds

    def is_emulated(self, case: Case) -> bool:
        """Whether its target is an emulated core."""
        target = self.targets.get(case.target)
        return target is not None and target.emulates is not None

    @property
    def networks(self) -> int:
        """Different networks that will be counted."""
        return len({case.count_id for case in self.cases})

    @property
    def not_installed(self) -> tuple[str, ...]:
        """Runtimes of its cases that will fail on this host, in words, with how many they are."""
        here = [case for case in self.cases if not self.targets[case.target].is_remote]
        cases = Counter(case.runtime for case in here if self.targets[case.target].python is None)
        found = ((DECLARED_RUNTIMES.get(name).absent, count) for name, count in cases.items())
        return tuple(f"{words} (cases that will fail: {count})" for words, count in found if words)

    @property
    def seconds_before(self) -> float:
        """Seconds for each case before the first round: its counts and its probe."""
        return BEFORE_EACH + (ENERGY_SECONDS if self.measure.energy else 0.0)

    @property
    def estimated_seconds(self) -> float:
        """A first guess of the run's time, on a usual host, when every case takes the planned rounds."""
        return self.seconds_of(self.measure.planned_rounds)

    def seconds_of(self, rounds: float) -> float:
        """The same for that many rounds a case, on average."""
        sampling = self.measure.passes / PASSES * CASE_SECONDS
        timed = [case for case in self.cases if not self.is_emulated(case)]
        groups = len({case.baseline().id for case in timed})
        each_round = len(timed) * sampling + groups * PROCESS_SECONDS
        before = BEFORE_START + len(self.cases) * self.seconds_before
        emulated = (len(self.cases) - len(timed)) * EMULATED_CASE_SECONDS
        return rounds * each_round + before + emulated

    def digest(self) -> str:
        """Changes when anything changes that a resumed run must have in common with its beginning."""
        targets = [asdict(target) for target in self.targets.values()]
        data = [[case.id for case in self.cases], self.measure.protocol(), targets]
        if self.measure.energy:
            data.append("energy")
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]

    def require_trust(self, trust: bool) -> None:
        """Raises InputError when the suite would start programs of its own and ``trust`` is False."""
        if self.untrusted and not trust:
            raise InputError(
                f"suite {self.suite} would run: {'; '.join(self.untrusted)}. `--trust` allows the commands "
                "that this suite names"
            )

    def as_dict(self) -> dict[str, Any]:
        """Plain data for ``bench plan --json``."""
        return {
            "suite": self.suite,
            "cases": [case.id for case in self.cases],
            "networks": self.networks,
            "rounds": self.measure.planned_rounds,
            "trials": self.trials,
            "estimated_seconds": round(self.estimated_seconds, 1),
            "solved": [solved.as_dict() for solved in self.solved],
            "targets": [asdict(target) for target in self.targets.values()],
            "would_run": list(self.untrusted),
            "not_installed": list(self.not_installed),
        }


def make_plan(
    loaded: LoadedSuite,
    rounds: int | None = None,
    only: str | None = None,
    quick: bool = False,
    resolution: float | None = None,
    max_rounds: int | None = None,
) -> Plan:
    """The plan of a suite: its cases, with wanted budgets solved. ``only`` is a glob on case ids, or a
    part of one; a whole id is that case alone.

    A case's dense baseline stays although ``only`` leaves it out: a ratio needs it. Raises InputError
    when nothing fits, when no knob reaches a wanted budget, and for numbers that a suite could not have.
    """
    measure = loaded.suite.measure.quickened() if quick else loaded.suite.measure
    measure = _with_options(measure, {"rounds": rounds, "resolution": resolution, "max_rounds": max_rounds})
    every, solved = settle(loaded, expand(loaded))
    cases = every if only is None else _fitting(every, only)
    counted = {case.count_id for case in cases}
    return Plan(
        suite=loaded.suite.name,
        description=loaded.suite.description,
        cases=tuple(cases),
        targets=dict(loaded.targets),
        measure=measure,
        plugins=loaded.plugins,
        quick=quick,
        solved=tuple(s for s in solved if s.count_id in counted),
        times=frozenset(case.count_id for case in cases if _times(case)),
        untrusted=_commands(loaded.targets[name] for name in dict.fromkeys(c.target for c in cases)),
        file=loaded.source.file,
        text=loaded.source.text,
    )


def settle(loaded: LoadedSuite, drafts: Iterable[Draft]) -> tuple[list[Case], list[Solved]]:
    """The cases of a suite, each once, and the knobs that were solved for on the way.

    Raises InputError, with file and line, when nothing is left, when two different cases have one id,
    and when no knob reaches a wanted budget.
    """
    globs = globs_of(loaded)
    cases: dict[str, Case] = {}
    solved: dict[tuple[str, str, float], Solved] = {}
    solver = None
    for draft in drafts:
        case = draft.case
        if draft.is_open:
            if solver is None:
                from bench.plan.solve import Solver  # torch comes with it

                solver = Solver()
            with Located(loaded.source, draft.place):
                case, found = solver.solve(case)
            if not globs.keep(case.id):
                continue
            solved[found.count_id, found.of, found.asked] = found
        if cases.setdefault(case.id, case) != case:
            raise InputError(f"{loaded.source.where(('methods',))}: two cases share the id {case.id}")
    if not cases:
        trimmed = "exclude" if loaded.suite.exclude else "include"
        raise InputError(f"{loaded.source.where((trimmed,))}: include and exclude leave no case")
    return list(cases.values()), list(solved.values())


def _with_options(measure: Measure, options: Mapping[str, float | None]) -> Measure:
    """The measure with the command line's numbers, within the bounds that a suite's have."""
    given = {name: value for name, value in options.items() if value is not None}
    for name, value in given.items():
        try:
            Measure.model_validate({name: value})
        except ValidationError as error:
            flag = f"--{name.replace('_', '-')}"
            raise InputError(f"{flag} {quoted(value)}: {message_of(error.errors()[0])}") from None
    return measure.model_copy(update=given)


def means(case_id: str, words: str) -> bool:
    """Whether a glob on ids, or a part of one, means a case."""
    return words in case_id or fnmatchcase(case_id, f"*{words}*")


def named(cases: Iterable[Case], words: str, option: str) -> list[Case]:
    """The cases that a glob, a part of an id or a whole id means. Raises InputError where it means none."""
    every = list(cases)
    fitting = [c for c in every if c.id == words]
    fitting = fitting or [c for c in every if means(c.id, words)]
    if not fitting:
        raise InputError(f"{option} {words}: no case fits{nearest(words, (c.id for c in every))}")
    return fitting


def _fitting(cases: list[Case], only: str) -> list[Case]:
    fitting = named(cases, only, "--only")
    wanted = {c.id for c in fitting} | {c.baseline().id for c in fitting}
    return [c for c in cases if c.id in wanted]


def _times(case: Case) -> bool:
    return any(DECLARED_METHODS.get(call.name).times for call in case.methods)


def _commands(targets: Iterable[Target]) -> tuple[str, ...]:
    """What the suite itself would start; the user's own targets need no leave."""
    starting = [target for target in targets if target.starts_a_program]
    known = known_targets().all() if starting else []
    return tuple(printable(shlex.join(target.command())) for target in starting if target not in known)
