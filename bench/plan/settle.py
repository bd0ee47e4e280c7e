"""The cases of a suite, each once: what several sweeps ask for becomes one, and open knobs are solved for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.case import Case
from bench.errors import InputError, quoted
from bench.plan.expand import Draft, trim_of
from bench.plan.problems import Located
from bench.plan.suite import LoadedSuite, LoadedSweep
from bench.plan.wanted import Solved


@dataclass(frozen=True)
class Settled:
    """The cases of a suite by id, each once; the sweeps that ask for each; the knobs that were solved for."""

    cases: dict[str, Case]
    asked_by: dict[str, list[LoadedSweep]]
    solved: tuple[Solved, ...]

    def ids_of(self, sweep: LoadedSweep, among: Collection[str]) -> tuple[str, ...]:
        """Those of ``among`` that the sweep asks for, in the order of the cases."""
        return tuple(id_ for id_, by in self.asked_by.items() if id_ in among and _has(by, sweep))


def settle(
    loaded: LoadedSuite, drafts: Sequence[Draft], told: Callable[[int, int], None] | None = None
) -> Settled:
    """The cases of a suite, each once, and the knobs that were solved for on the way, ``told`` one by one.

    Raises InputError, with file and line, when nothing is left, when two different cases have one id, when
    no knob reaches a wanted budget, and when cases that are compared would be measured differently.
    """
    trim = trim_of(loaded)
    cases: dict[str, Case] = {}
    asked_by: dict[str, list[LoadedSweep]] = {}
    solved: dict[tuple[str, str, float], Solved] = {}
    solver = None
    still_open, done = sum(draft.is_open for draft in drafts), 0
    for draft in drafts:
        case = draft.case
        if draft.is_open:
            if told is not None:
                told(done, still_open)
            done += 1
            if solver is None:
                from bench.plan.solve import Solver  # torch comes with it

                solver = Solver()
            with Located(loaded.source, draft.place):
                case, found = solver.solve(case)
            if not trim.keep(case):
                continue
            solved[found.count_id, found.of, found.asked] = found
        if cases.setdefault(case.id, case) != case:
            axis, mend = (
                ("backbones", "; give one of the networks a `name`") if case.imported else ("methods", "")
            )
            where = loaded.source.where(draft.sweep.places[axis])
            raise InputError(f"{where}: two cases share the id {case.id}{mend}")
        sweeps = asked_by.setdefault(case.id, [])
        if not _has(sweeps, draft.sweep):
            sweeps.append(draft.sweep)
    if not cases:
        trimmed = "exclude" if loaded.suite.exclude else "include"
        raise InputError(f"{loaded.source.where((trimmed,))}: include and exclude leave no case")
    _refuse_unlike(loaded, cases, asked_by)
    return Settled(cases, asked_by, tuple(solved.values()))


def _has(sweeps: Iterable[LoadedSweep], sweep: LoadedSweep) -> bool:
    """By identity: to compare all that sweeps hold takes time."""
    return any(one is sweep for one in sweeps)


def _refuse_unlike(
    loaded: LoadedSuite, cases: Mapping[str, Case], asked_by: Mapping[str, list[LoadedSweep]]
) -> None:
    """Raises InputError where sweeps would measure a case, or cases that are compared, differently."""
    first: dict[str, tuple[str, LoadedSweep]] = {}
    for id_, sweeps in asked_by.items():
        for sweep in sweeps:
            other, by = first.setdefault(cases[id_].baseline().id, (id_, sweep))
            if sweep.measure == by.measure:
                continue
            where = loaded.source.where((*sweep.place, "measure"))
            if _has(sweeps, by):
                what = f"ask for {id_} with different `measure`"
            else:
                what = f"measure {other} and {id_} differently, which are compared"
            raise InputError(
                f"{where}: sweeps {quoted(by.name)} and {quoted(sweep.name)} {what}: give both the same"
            )
