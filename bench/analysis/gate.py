"""The verdict on a change that is to be merged: what changed, and which of it was meant."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.analysis.compare import INSTRUCTIONS, REPEATS, CaseChange, Comparison
from bench.analysis.expected import TIME, Expected, number
from bench.analysis.verdict import CANNOT_TELL, SLOWER

WRONG_DECLARATION = 2
"""The exit code for a declared change that did not happen: the file is wrong, and nothing got worse by it."""


@dataclass(frozen=True)
class Found:
    """One change that was seen: a count with both numbers, or a time with the ratio that it may reach.

    ``declared`` is the line that allows it; None where there is none.
    """

    case: str
    metric: str
    before: float
    after: float
    declared: Expected | None = None

    def line(self) -> str:
        """What suites/expected.yaml would need to let it pass; the reason is the author's."""
        return f"- {self.case} {self.metric} {number(self.before)} → {number(self.after)} REASON"


@dataclass(frozen=True)
class Gate:
    """A comparison, the changes found in it, and declarations that are wrong (``stale``, in words)."""

    comparison: Comparison
    found: tuple[Found, ...]
    stale: tuple[str, ...] = ()
    times_fail: bool = True

    @property
    def undeclared(self) -> list[Found]:
        """Changes that nobody declared and that may fail: of counts both ways, of times the slower."""
        return [
            one
            for one in self.found
            if one.declared is None and (self._times_fail if one.metric == TIME else self._counts_fail)
        ]

    @property
    def _counts_fail(self) -> bool:
        return "bigger" in self.comparison.fail_on

    @property
    def _times_fail(self) -> bool:
        return self.times_fail and "slower" in self.comparison.fail_on

    @property
    def exit_code(self) -> int:
        """0 passes, 1 an undeclared change, 2 a wrong declaration, 4 at least one case cannot be told."""
        if self.undeclared:
            return 1
        if self.stale:
            return WRONG_DECLARATION
        unknown = self._times_fail and any(c.verdict == CANNOT_TELL for c in self.comparison.cases)
        missing = not self.comparison.cases or any(c.note for c in self.comparison.cases)
        return 4 if unknown or missing else 0

    def as_dict(self) -> dict[str, Any]:
        """Plain data for ``--json``: the comparison, and what the gate makes of it."""
        return {
            **self.comparison.as_dict(),
            "exit": self.exit_code,
            "undeclared": [[one.case, one.metric, one.before, one.after] for one in self.undeclared],
            "declared": [one.declared.line() for one in self.found if one.declared],
            "wrong_declarations": list(self.stale),
            "to_paste": [one.line() for one in self.undeclared],
        }


def judge_gate(
    comparison: Comparison,
    declared: Sequence[Expected],
    bases: Mapping[str, Mapping[str, int]],
    *,
    times_fail: bool = True,
    whole: bool = True,
) -> Gate:
    """What to say of a comparison when ``declared`` changes were meant.

    ``bases``: case -> metric -> the base's count, to tell a change that is on the base already. ``whole``
    False: not all cases of the suite were compared, so a declaration about another one is no mistake. Times
    that nobody asked for are not held against their declarations.
    """
    seen = [found for change in comparison.cases for found in _found(change, declared)]
    used = {found.declared.key for found in seen if found.declared}
    cases = {change.case: change for change in comparison.cases}
    stale = []
    for one in declared:
        if one.key in used or (one.metric == TIME and not times_fail):
            continue
        change = cases.get(one.case)
        if change is None:
            if whole:
                stale.append(f"{one.where}: the suite has no case {one.case}; remove the line")
            continue
        if (why := _why_not(one, change, bases.get(one.case, {}))) is not None:
            stale.append(f"{one.where}: {why}")
    return Gate(comparison, tuple(seen), tuple(stale), times_fail)


def _found(change: CaseChange, declared: Sequence[Expected]) -> list[Found]:
    found = [
        Found(change.case, metric, float(before), float(after))
        for metric, (before, after) in change.changed.items()
    ]
    if change.verdict == SLOWER:
        found.append(Found(change.case, TIME, 1.0, _reached(change.ratio.high)))
    return [
        replace(one, declared=next((d for d in declared if _allows(d, one, change)), None)) for one in found
    ]


def _reached(high: float) -> float:
    """The upper end of the interval with two digits, rounded up: what a declaration must allow for."""
    return math.ceil(100 * high - 1e-9) / 100


def _allows(declared: Expected, found: Found, change: CaseChange) -> bool:
    if (declared.case, declared.metric) != (found.case, found.metric):
        return False
    if found.metric == TIME:
        return change.ratio.low <= declared.new  # not shown to be slower than was meant
    near = REPEATS if found.metric == INSTRUCTIONS else 0.0
    pairs = ((declared.old, found.before), (declared.new, found.after))
    return all(abs(said - is_) <= near * is_ for said, is_ in pairs)


def _why_not(declared: Expected, change: CaseChange, base: Mapping[str, int]) -> str | None:
    """Why a declaration was not needed, in words; None where nothing can be told."""
    if change.note:
        return None  # the case could not be measured on both sides, which is told elsewhere
    if declared.metric == TIME:
        if change.verdict in (SLOWER, CANNOT_TELL):
            return None  # slower than declared is told as such
        return f"{declared.case} is not slower ({change.verdict}); remove the line"
    name = f"{declared.case} {declared.metric}"
    if declared.metric in change.changed:
        before, after = change.changed[declared.metric]
        return f"{name} went {before} → {after}, not {number(declared.old)} → {number(declared.new)}"
    known = base.get(declared.metric)
    if known == declared.new:
        return f"{name} is {known} on the base already; remove the line"
    is_ = "" if known is None else f": it is {known} on both sides"
    return f"{name} did not change{is_}; remove the line"
