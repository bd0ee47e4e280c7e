"""A run under way: what it works on, and what it knows by now."""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TypeVar

from bench.analysis.compact import Compactor
from bench.analysis.pairing import round_logs
from bench.analysis.proof import Record, proved, refuted
from bench.analysis.records import CountRecord, Probe, ProfileRecord, RunStart, Trial
from bench.analysis.resolution import undecided
from bench.analysis.store import Results, Store
from bench.case import Case
from bench.plan.plan import Plan
from bench.run.launch import knows_turns
from bench.run.requests import Held, ProbeRequest, SittingRequest
from bench.run.spare import Spare
from bench.worker.protocol import Exported, Failure, Measured

log = logging.getLogger(__name__)

Kept = TypeVar("Kept", Trial, Probe)

GIVE_UP_AFTER = 2
"""Failed trials of a case after which its other rounds are not tried: each may cost a whole time-out."""


class Listener(Protocol):
    """What a person is told while a run goes on."""

    def counting(self, done: int, total: int) -> None:
        """So many networks are counted."""

    def probing(self, done: int, total: int) -> None:
        """So many cases were written as files for their runtime, or asked for their memory."""

    def trial(self, done: int, total: int, trial: Trial | None) -> None:
        """So many trials are done; the last of them, or None at the beginning."""

    def remaining(self, seconds: float) -> None:
        """The rounds will take that much longer, by the probes and the pace so far."""


class Hosts(Protocol):
    """Other machines that measure for this one. Each holds one sitting at a time; all do at the same time."""

    def lane(self, case: Case) -> str:
        """Which of them a case is measured by, the same one as its baseline: a name to sort cases by."""

    def hold(self, request: SittingRequest) -> Held:
        """What the sitting gave. A machine that was lost is an answer too."""

    def probe(self, requests: Sequence[ProbeRequest]) -> list[Measured]:
        """An answer to each request, all of cases of one lane."""

    def stop(self) -> None:
        """From now on nothing is waited for."""


@dataclass(frozen=True)
class Arm:
    """One revision that a run measures: its name ("" where there is only one) and where it is checked out."""

    name: str = ""
    checkout: Path | None = None


@dataclass
class Outcome:
    """How a run went. ``failed``: case id (and its arm where there are two) -> what went wrong."""

    file: Path
    interrupted: bool = False
    failed: dict[str, str] = field(default_factory=dict)


class Session:
    """Plan, store and listener of a run, and its counts, trials and failures so far."""

    def __init__(
        self,
        plan: Plan,
        start: RunStart,
        store: Store,
        listener: Listener,
        arms: Sequence[Arm] = (Arm(),),
        resumed: Results | None = None,
        clock: Callable[[], float] = time.monotonic,
        hosts: Hosts | None = None,
    ) -> None:
        self.plan = plan
        self.hosts = hosts
        """Other machines that measure; None: this host does."""
        self.start = start
        self.listener = listener
        self.arms = tuple(arms)
        self.clock = clock
        self.outcome = Outcome(store.file)
        self.trials: list[Trial] = []
        """What is asked for again of every trial, see ``_remembered``; whole records are on the disk."""
        self.last: Trial | None = None
        """The latest trial, whole."""
        self.finished: set[tuple[str, str, int]] = set()
        self._store = store
        self._compactor = Compactor()
        self._open = any(plan.measure_of(case).rounds is None for case in plan.cases)
        """Whether some rounds go on until a verdict is known."""
        self._counts: dict[tuple[str, str], CountRecord] = {}
        self._failures: Counter[tuple[str, str]] = Counter()
        self.probes: dict[str, Probe] = {}
        """Case id -> what its probe of the last arm found."""
        self._probed: set[tuple[str, str]] = set()
        self._cases = {case.id: case for case in plan.cases}
        self._exports: dict[tuple[str, str], tuple[str, Exported]] = {}
        self._unexported: set[tuple[str, str]] = set()
        self.shared: float | None = None
        self.start_seconds: float | None = None
        """How much longer probes took beside others, and until a process was ready; None: not seen."""
        self.apart: set[str] = set()
        """Cases that ended a process that they shared: they get one of their own from then on."""
        self.turns = all(knows_turns(arm.checkout) for arm in arms)
        """False where a revision does not know turns: all arms are then measured one process at a time."""
        self.spare: Spare | None = None
        """Where the process of the next sitting waits, while rounds go on."""
        self.notes: list[str] = []
        if resumed is not None:
            self._counts = {key: c for key, c in resumed.counts.items() if c.status == "ok"}
            self._probed = {(probe.arm, probe.case) for probe in resumed.probes if probe.status == "ok"}
            self.probes = {probe.case: _without_readings(probe) for probe in resumed.probes}
            for trial in resumed.trials:
                self._note(trial)

    def add_count(self, record: CountRecord) -> None:
        """Keeps the counts of a network, on the disk first."""
        self._store.append(record)
        self._counts[record.key] = record
        _log("count", _named(record.arm, record.count_id), record.error)

    def add_trial(self, trial: Trial) -> None:
        """Keeps a trial, on the disk first; a failed one where it did not measure what was counted."""
        trial = self._proved(trial)
        self._store.append(trial)
        self._note(trial)
        _log(f"trial of round {trial.round}", _named(trial.arm, trial.case), trial.error)

    def add_probe(self, probe: Probe) -> None:
        """Keeps what a case's own process was asked, on the disk first; failed as a trial would be.

        The case of a probe that measured another network than was counted is given up.
        """
        probe = self._proved(probe)
        self._store.append(probe)
        _log("probe", _named(probe.arm, probe.case), probe.error)
        if refuted(probe):
            self._failures[probe.arm, probe.case] += GIVE_UP_AFTER
        self._probed.add((probe.arm, probe.case))
        self.probes[probe.case] = _without_readings(probe)
        if probe.error is not None:
            self.outcome.failed[_named(probe.arm, probe.case)] = probe.error.in_words()

    def add_profile(self, record: ProfileRecord) -> None:
        """Keeps where a case's time goes."""
        self._store.append(record)

    def add_export(self, arm: Arm, case: Case, folder: str, answer: Exported) -> None:
        """Remembers where the runtime's file of a case lies, for this session alone."""
        self._exports[arm.name, case.id] = folder, answer

    def add_unexported(self, probe: Probe) -> None:
        """Keeps the failed probe of a case that its runtime could not export; it is not measured."""
        self._unexported.add((probe.arm, probe.case))
        self.add_probe(probe)

    def export_of(self, arm: Arm, case: Case) -> tuple[str, Exported]:
        """The folder with the runtime's file of a case, and what writing it took; "" where there is none."""
        return self._exports.get((arm.name, case.id), ("", Exported()))

    def probed(self, arm: Arm, case: Case) -> bool:
        """True when the case's memory and output are known."""
        return (arm.name, case.id) in self._probed

    def count_of(self, arm: Arm, case: Case) -> CountRecord | None:
        """The counts of a case's network; None before it was counted."""
        return self._counts.get((arm.name, case.count_id))

    def measurable(self, arm: Arm) -> list[Case]:
        """The cases that could be counted and exported; those not counted are noted as failed."""
        found = []
        for case in self.plan.cases:
            count = self.count_of(arm, case)
            if (arm.name, case.id) in self._unexported:
                continue
            if count is not None and count.status == "ok":
                found.append(case)
            elif count is not None and count.error is not None:
                self.outcome.failed[_named(arm.name, case.id)] = count.error.in_words()
        return found

    def gave_up(self, arm: Arm, case_id: str) -> bool:
        """True when so many trials failed that no more are tried."""
        return self._failures[arm.name, case_id] >= GIVE_UP_AFTER

    def going_on(self, cases: Sequence[Case], number: int) -> set[str]:
        """Ids of the cases that round ``number`` visits: THE rule for runs and comparisons alike.

        All of them for their planned rounds (``Plan.rounds_of``). Beyond, where no number was asked for and
        up to ``max_rounds``, those whose verdict is still "cannot tell" and that all arms could measure so
        far.
        """
        found: set[str] = set()
        sound = {case.id for case in cases if self._may_go_on(case)}
        logs = self._logs([case for case in cases if case.id in sound])
        for measure, alike in self.plan.alike(cases):
            if number < measure.planned_rounds:
                found |= {case.id for case in alike if number < self.plan.rounds_of(case)}
            elif measure.rounds is None and number < measure.max_rounds:
                timed = [case for case in alike if case.id in sound]
                # Judged as one family with the others, which show nothing here: see judge_run.
                own = {case.id for case in timed}
                seen = {id_: log if id_ in own else [] for id_, log in logs.items()}
                found |= undecided(timed, seen, measure.resolution, measure.min_rounds, measure.max_rounds)
        return found

    def _may_go_on(self, case: Case) -> bool:
        return not self.plan.is_emulated(case) and all(self._sound(arm, case) for arm in self.arms)

    def _sound(self, arm: Arm, case: Case) -> bool:
        count = self.count_of(arm, case)
        return count is not None and count.status == "ok" and not self.gave_up(arm, case.id)

    def _logs(self, cases: Sequence[Case]) -> dict[str, list[float]]:
        """Case id -> log ratios by round: of its arms where there are two, else to its baseline."""
        by_key: dict[tuple[str, str], list[Trial]] = defaultdict(list)
        for trial in self.trials:
            by_key[trial.arm, trial.case].append(trial)
        found: dict[str, list[float]] = {}
        for case in cases:
            if len(self.arms) == 2:
                base, head = ((arm.name, case.id) for arm in self.arms)
            else:
                base, head = ("", case.baseline().id), ("", case.id)
            if base != head and by_key[base]:
                found[case.id] = list(round_logs(by_key[base], by_key[head]).values())
        return found

    def _proved(self, record: Record) -> Record:
        case = self._cases.get(record.case)
        if case is None:
            return record
        count = self._counts.get((record.arm, case.count_id))
        target = self.plan.targets.get(case.target)
        return proved(record, count, "cpu" if target is None else target.device, case.dtype)

    def _note(self, trial: Trial) -> None:
        self.last = trial
        self.trials.append(self._remembered(trial))
        self.finished.add((trial.arm, trial.case, trial.round))
        if trial.status != "ok":
            self._failures[trial.arm, trial.case] += GIVE_UP_AFTER if refuted(trial) else 1
            words = trial.error.in_words() if trial.error else "failed without an error message"
            self.outcome.failed[_named(trial.arm, trial.case)] = words

    def _remembered(self, trial: Trial) -> Trial:
        """The trial without what nobody asks for again: a night's run would not fit into the memory.

        Its samples are asked for only where rounds go on until a verdict is known (``_open``).
        """
        slim = _without_readings(trial)
        if not self._open:
            return replace(slim, latency=None)
        latency = None if trial.latency is None else replace(trial.latency)  # the trial's own stays as it is
        before, after = trial.conditions_before, trial.conditions_after
        own = replace(slim, latency=latency, conditions_before=before, conditions_after=after)
        return self._compactor.compact(own)


def _without_readings(record: Kept) -> Kept:
    """Without host, memory, output and conditions, which are on the disk."""
    return replace(
        record,
        host=None,
        memory=None,
        output=None,
        conditions_before=None,
        conditions_after=None,
        conditions_during=None,
    )


def _log(what: str, name: str, error: Failure | None) -> None:
    log.info("%s of %s: %s", what, name, "ok" if error is None else f"failed: {error.in_words()}")


def _named(arm: str, case_id: str) -> str:
    """For a person: never read back."""
    return f"{case_id} ({arm})" if arm else case_id
