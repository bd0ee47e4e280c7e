"""What a run will do, before it does it: cases, trials, time."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any, TypedDict, Unpack

from pydantic import ValidationError

from bench.case import Case
from bench.errors import InputError, nearest, printable, quoted
from bench.plan.declared import DECLARED_METHODS, DECLARED_RUNTIMES
from bench.plan.expand import expand
from bench.plan.problems import message_of
from bench.plan.settle import Settled, settle
from bench.plan.suite import PASSES, LoadedSuite, Measure
from bench.plan.target_file import known_targets
from bench.plan.targets import Target
from bench.plan.trimming import LeftOut
from bench.plan.unused import refuse_unused
from bench.plan.wanted import Solved

# Seconds, read off runs of suites/cifar.yaml on a two-core virtual machine. The estimate is for a
# person's patience; the progress bar corrects it from the run's own trials.
CASE_SECONDS, PROCESS_SECONDS = 0.85, 1.5
BEFORE_START, BEFORE_EACH = 2.0, 1.1
EMULATED_CASE_SECONDS = 8.0

ENERGY_SECONDS = 5.0
"""What a probe takes longer where it measures energy: two windows, and what stands before them."""


@dataclass(frozen=True)
class PlannedSweep:
    """A sweep of the suite: the ids of its cases, some of which others may have too, and their measure."""

    name: str
    cases: tuple[str, ...]
    measure: Measure

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON, and for the run's first record."""
        return {"for": self.name, "cases": list(self.cases), "measure": self.measure.model_dump()}


@dataclass(frozen=True)
class Plan:
    """The cases of a run with all that is needed to measure them.

    ``solved`` are the knobs that were found for wanted budgets. ``times`` has the ``count_id`` of every
    case whose recipe comes from timings of its own: nothing else may run while that is counted.
    ``untrusted`` are the commands that the suite would start instead of the harness's own interpreter.
    ``file`` and ``text`` are the suite's.
    ``measure`` is the suite's, ``measures`` has those of cases whose sweep says otherwise, by id. ``sweeps``
    is empty for a suite without any; ``left_out``: what ``exclude`` says why it leaves out.
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
    measures: Mapping[str, Measure] = field(default_factory=dict)
    sweeps: tuple[PlannedSweep, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    def measure_of(self, case: Case) -> Measure:
        """How a case is measured: those that are compared are measured alike."""
        return self.measures.get(case.id, self.measure)

    def alike(self, cases: Iterable[Case]) -> list[tuple[Measure, list[Case]]]:
        """The cases sorted by how they are measured."""
        found: list[tuple[Measure, list[Case]]] = []
        for case in cases:
            measure = self.measure_of(case)
            same = next((of_it for known, of_it in found if known == measure), None)
            if same is None:
                found.append((measure, [case]))
            else:
                same.append(case)
        return found

    @property
    def trials(self) -> int:
        """Processes that will be timed."""
        return sum(map(self.rounds_of, self.cases))

    def rounds_of(self, case: Case) -> int:
        """Rounds of a case: the planned ones; one on an emulated core, where nothing is timed."""
        return 1 if self.is_emulated(case) else self.measure_of(case).planned_rounds

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
    def rounds_in_words(self) -> str:
        """``5 rounds``; ``3 to 5 rounds`` where sweeps plan different numbers."""
        planned = sorted({measure.planned_rounds for measure, _ in self.alike(self.cases)})
        return f"{planned[0]} rounds" if len(planned) == 1 else f"{planned[0]} to {planned[-1]} rounds"

    @property
    def seconds_before(self) -> float:
        """Seconds for each case before the first round: its counts and its probe."""
        probed = sum(self.measure_of(case).energy for case in self.cases)
        return BEFORE_EACH + ENERGY_SECONDS * probed / max(1, len(self.cases))

    @property
    def estimated_seconds(self) -> float:
        """A first guess of the run's time, on a usual host, when every case takes the planned rounds."""
        return self._before() + sum(
            self._each_round(measure, cases, measure.planned_rounds)
            for measure, cases in self.alike(self.cases)
        )

    def seconds_of(self, rounds: float) -> float:
        """The same for that many rounds a case, on average."""
        return self._before() + sum(
            self._each_round(measure, cases, rounds) for measure, cases in self.alike(self.cases)
        )

    def _before(self) -> float:
        emulated = sum(map(self.is_emulated, self.cases))
        return BEFORE_START + len(self.cases) * self.seconds_before + emulated * EMULATED_CASE_SECONDS

    def _each_round(self, measure: Measure, cases: Iterable[Case], rounds: float) -> float:
        timed = [case for case in cases if not self.is_emulated(case)]
        groups = len({case.baseline().id for case in timed})
        sampling = measure.passes / PASSES * CASE_SECONDS
        return rounds * (len(timed) * sampling + groups * PROCESS_SECONDS)

    def digest(self) -> str:
        """Changes when anything changes that a resumed run must have in common with its beginning."""
        targets = [asdict(target) for target in self.targets.values()]
        data = [[case.id for case in self.cases], self.measure.protocol(), targets]
        if self.measure.energy:
            data.append("energy")
        if self.measures:
            data.append({id_: measure.model_dump() for id_, measure in self.measures.items()})
        if weights := {case.backbone: case.imported.sha256 for case in self.cases if case.imported}:
            data.append(weights)
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]

    def imports_in_words(self, elsewhere: bool = False) -> tuple[str, ...]:
        """The networks of the user's own, what is loaded into them, and what other hosts need for them.

        ``elsewhere``: other machines measure.
        """
        found: dict[str, str] = {}
        for case in self.cases:
            source = case.imported
            if source is None:
                continue
            weights = f", weights {source.weights} (SHA-256 {source.sha256[:12]})" if source.weights else ""
            found[case.backbone] = f"imports: {case.backbone}: {source.build}{weights}"
            if elsewhere or self.targets[case.target].is_remote:
                files = f", and {source.weights} has to lie there at the same path" if source.weights else ""
                module = source.build.partition(":")[0]
                found[f"{case.backbone} {case.target}"] = (
                    f"target {case.target}: {module} has to be installed there, or to lie where workers "
                    f"start{files}"
                )
        return tuple(found.values())

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
            "imports": list(self.imports_in_words()),
            "not_installed": list(self.not_installed),
            "sweeps": [sweep.as_dict() for sweep in self.sweeps],
            "left_out": [asdict(left_out) for left_out in self.left_out],
        }


class Options(TypedDict, total=False):
    """What is asked for beyond the suite; None, like what is not given, leaves the suite's own.

    ``only``: a glob on case ids, or a part of one; a whole id is that case alone, and several choose all that
    any of them fits. ``quick``: few samples, to see that everything runs.
    """

    rounds: int | None
    max_rounds: int | None
    resolution: float | None
    only: str | Sequence[str] | None
    quick: bool


def make_plan(
    loaded: LoadedSuite, told: Callable[[int, int], None] | None = None, **options: Unpack[Options]
) -> Plan:
    """The plan of a suite: its cases, with wanted budgets solved. ``told`` is called with how many budgets
    are solved, of how many.

    A case's dense baseline stays although ``only`` leaves it out: a ratio needs it. Raises InputError
    when nothing fits, when no knob reaches a wanted budget, and for numbers that a suite could not have.
    """
    expansion = expand(loaded)
    settled = settle(loaded, expansion.drafts, told)
    every = list(settled.cases.values())
    refuse_unused(loaded, every)
    only = options.get("only")
    cases = _fitting(every, [only] if isinstance(only, str) else only) if only else every
    counted = {case.count_id for case in cases}
    measure = _with_options(loaded.suite.measure, options)
    by_sweep = {sweep.name: _with_options(sweep.measure, options) for sweep in loaded.sweeps}
    measures = {case.id: by_sweep[settled.asked_by[case.id][0].name] for case in cases}
    return Plan(
        suite=loaded.suite.name,
        description=loaded.suite.description,
        cases=tuple(cases),
        targets=dict(loaded.targets),
        measure=measure,
        plugins=loaded.plugins,
        quick=options.get("quick", False),
        solved=tuple(s for s in settled.solved if s.count_id in counted),
        times=frozenset(case.count_id for case in cases if _times(case)),
        untrusted=_commands(loaded.targets[name] for name in dict.fromkeys(c.target for c in cases)),
        file=loaded.source.file,
        text=loaded.source.text,
        measures={id_: own for id_, own in measures.items() if own != measure},
        sweeps=_planned_sweeps(loaded, settled, {case.id for case in cases}, by_sweep),
        left_out=expansion.left_out,
    )


def _planned_sweeps(
    loaded: LoadedSuite, settled: Settled, ids: Collection[str], by_sweep: Mapping[str, Measure]
) -> tuple[PlannedSweep, ...]:
    """The suite's sweeps with those of ``ids`` that each asks for; none where the suite has no sweeps."""
    return tuple(
        PlannedSweep(sweep.name, settled.ids_of(sweep, ids), by_sweep[sweep.name])
        for sweep in (loaded.sweeps if loaded.suite.sweeps else ())
    )


def _with_options(measure: Measure, options: Options) -> Measure:
    """The measure with the numbers that are asked for, within the bounds that a suite's have."""
    asked = {
        "rounds": options.get("rounds"),
        "resolution": options.get("resolution"),
        "max_rounds": options.get("max_rounds"),
    }
    given = {name: value for name, value in asked.items() if value is not None}
    for name, value in given.items():
        try:
            Measure.model_validate({name: value})
        except ValidationError as error:
            flag = f"--{name.replace('_', '-')}"
            raise InputError(f"{flag} {quoted(value)}: {message_of(error.errors()[0])}") from None
    return (measure.quickened() if options.get("quick") else measure).model_copy(update=given)


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


def _fitting(cases: list[Case], only: Sequence[str]) -> list[Case]:
    fitting = [case for words in only for case in named(cases, words, "--only")]
    wanted = {c.id for c in fitting} | {c.baseline().id for c in fitting}
    return [c for c in cases if c.id in wanted]


def _times(case: Case) -> bool:
    return any(DECLARED_METHODS.get(call.name).times_itself(call.knobs) for call in case.methods)


def _commands(targets: Iterable[Target]) -> tuple[str, ...]:
    """What the suite itself would start; the user's own targets need no leave."""
    starting = [target for target in targets if target.starts_a_program]
    known = known_targets().all() if starting else []
    return tuple(printable(shlex.join(target.command())) for target in starting if target not in known)
