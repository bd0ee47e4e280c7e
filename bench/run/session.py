"""A run under way: what it works on, and what it knows by now."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.analysis.quality import medians
from bench.analysis.records import CountRecord, RunStart, Trial
from bench.analysis.resolution import Medians, unresolved
from bench.analysis.store import Results, Store
from bench.case import Case
from bench.plan.plan import Plan

GIVE_UP_AFTER = 2
"""Failed trials of a case after which its other rounds are not tried: each may cost a whole time-out."""


class Listener(Protocol):
    """What a person is told while a run goes on."""

    def counting(self, done: int, total: int) -> None:
        """So many networks are counted."""

    def trial(self, done: int, total: int, trial: Trial | None) -> None:
        """So many trials are done; the last of them, or None at the beginning."""


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
    ) -> None:
        self.plan = plan
        self.start = start
        self.listener = listener
        self.arms = tuple(arms)
        self.clock = clock
        self.outcome = Outcome(store.file)
        self.trials: list[Trial] = []
        self.finished: set[tuple[str, str, int]] = set()
        self._store = store
        self._counts: dict[tuple[str, str], CountRecord] = {}
        self._failures: Counter[tuple[str, str]] = Counter()
        if resumed is not None:
            self._counts = {key: c for key, c in resumed.counts.items() if c.status == "ok"}
            for trial in resumed.trials:
                self._note(trial)

    def add_count(self, record: CountRecord) -> None:
        """Keeps the counts of a network, on the disk first."""
        self._store.append(record)
        self._counts[record.key] = record

    def add_trial(self, trial: Trial) -> None:
        """Keeps a trial, on the disk first."""
        self._store.append(trial)
        self._note(trial)

    def count_of(self, arm: Arm, case: Case) -> CountRecord | None:
        """The counts of a case's network; None before it was counted."""
        return self._counts.get((arm.name, case.count_id))

    def measurable(self, arm: Arm) -> list[Case]:
        """The cases that could be counted; the others are noted as failed."""
        found = []
        for case in self.plan.cases:
            count = self.count_of(arm, case)
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

        All of them for the planned rounds. Beyond, and up to ``max_rounds``, those whose ratio is not yet
        known to the resolution that was asked for and that all arms could measure so far.
        """
        measure = self.plan.measure
        if number < measure.rounds:
            return {case.id for case in cases}
        if measure.resolution is None or number >= measure.max_rounds:
            return set()
        sound = [case for case in cases if all(self._sound(arm, case) for arm in self.arms)]
        return unresolved(sound, self._medians(), measure.resolution)

    def _sound(self, arm: Arm, case: Case) -> bool:
        count = self.count_of(arm, case)
        return count is not None and count.status == "ok" and not self.gave_up(arm, case.id)

    def _medians(self) -> Medians:
        trials: dict[str, dict[str, list[Trial]]] = {arm.name: defaultdict(list) for arm in self.arms}
        for trial in self.trials:
            trials[trial.arm][trial.case].append(trial)
        return {arm: {case: medians(found) for case, found in of.items()} for arm, of in trials.items()}

    def _note(self, trial: Trial) -> None:
        self.trials.append(trial)
        self.finished.add((trial.arm, trial.case, trial.round))
        if trial.status != "ok":
            self._failures[trial.arm, trial.case] += 1
            words = trial.error.in_words() if trial.error else "failed without an error message"
            self.outcome.failed[_named(trial.arm, trial.case)] = words


def _named(arm: str, case_id: str) -> str:
    """For a person: never read back."""
    return f"{case_id} ({arm})" if arm else case_id
