"""Knobs given by what they should reach: ``T: {solve: params, to: 0.25}``.

Families of methods are compared fairly at an equal budget, and each has its own knob to get there. A
suite therefore may give one knob of a case as a target: a share of the dense network's ``params`` or
``macs`` (logical ones: zeros do not count), of its ``stored_params`` or ``executed_macs``. While the
plan is made the knob is found, by closed forms, and from then on the case has that value.

    {solve: params, to: 0.25}                        one target; a list of targets multiplies
    {solve: macs, to: 0.5, within: 0.1}              how far off the share may be, relatively: 5 %
    {solve: params, to: 0.25, among: [pSC4, pSC2]}   the values that may be taken
    {solve: params, to: 0.25, between: [2, 16]}      where a number may lie: 0 to 1, a whole one from 1 up
"""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from bench.case import Case, MethodCall
from bench.counting.sizes import Sizes, sizes
from bench.errors import InputError, nearest
from bench.methods import METHODS
from bench.network import context_of, prepare
from bench.plan.knobs import check_call
from bench.plan.search import LIMIT, Curve, search_among, search_integer, search_number

BUDGETS = tuple(Sizes.__dataclass_fields__)
KEYS = ("solve", "to", "within", "among", "between")
WITHIN = 0.05


@dataclass(frozen=True)
class Target:
    """What a knob should reach, and where it may be looked for."""

    of: str
    to: float
    within: float = WITHIN
    among: tuple[Any, ...] = ()
    between: tuple[float, float] | None = None

    def range(self, whole: bool) -> tuple[float, float]:
        """Where a number may lie, the whole numbers' range where it is one."""
        return self.between or ((1, LIMIT) if whole else (0, 1))


@dataclass(frozen=True)
class Solved:
    """A knob that was found: ``achieved`` and ``asked`` are shares of the dense network's ``of``."""

    count_id: str
    backbone: str
    method: str
    knob: str
    value: Any
    of: str
    asked: float
    achieved: float

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    def in_words(self) -> str:
        """``resnet56: csr_conv T=3: 0.247 of dense params (asked: 0.25)``."""
        return (
            f"{self.backbone}: {self.method} {self.knob}={self.value}: "
            f"{self.achieved:.3g} of dense {self.of} (asked: {self.asked:g})"
        )


def is_target(value: Any) -> bool:
    """Whether a knob's value is a target instead of a value: a mapping with the word ``solve``."""
    return isinstance(value, Mapping) and "solve" in value


def spread(knobs: Mapping[str, Any]) -> dict[str, Any]:
    """The knobs with each target of several shares written out as several targets."""
    return {knob: _spread(value) for knob, value in knobs.items()}


def check(name: str, knobs: Mapping[str, Any]) -> MethodCall:
    """Like ``check_call``, for knobs of which one may be a target: it then stays as it is written.

    Raises InputError for a target that cannot be read, for two of them, and as ``check_call`` does.
    """
    targets = {knob: value for knob, value in knobs.items() if is_target(value)}
    if not targets:
        return check_call(name, knobs)
    if len(targets) > 1:
        raise InputError(f"method {name}: solve for one knob, not for {' and '.join(targets)}")
    ((knob, value),) = targets.items()
    if knob not in METHODS.get(name).knobs:
        return check_call(name, knobs)  # which says so
    target = read_target(name, knob, value)
    for sample in target.among:
        check_call(name, {**knobs, knob: sample})
    if not target.among:
        _check_the_others(name, knobs, knob, target)
    return MethodCall(name, dict(knobs))


def read_target(name: str, knob: str, value: Mapping[str, Any]) -> Target:
    """The target of a knob. Raises InputError with the nearest valid word."""
    where = f"method {name}: knob {knob}"
    for key in value:
        if key not in KEYS:
            raise InputError(f"{where}: solve knows no '{key}'{nearest(key, KEYS)}")
    of: Any = value["solve"]
    to: Any = value.get("to")
    if of not in BUDGETS:
        raise InputError(f"{where}: solve for '{of}' is not known{nearest(str(of), BUDGETS)}")
    if not _is_number(to) or not to > 0:
        raise InputError(f"{where}: solve needs `to`, a share of the dense network such as 0.25, not {to!r}")
    within = value.get("within", WITHIN)
    if not _is_number(within) or not 0 < within < 1:
        raise InputError(f"{where}: `within` is a relative error such as 0.05, not {within!r}")
    among = value.get("among", ())
    if "among" in value and not (isinstance(among, list | tuple) and among):
        raise InputError(f"{where}: `among` is a list of values, not {among!r}")
    between: Any = value.get("between")
    if "between" in value:
        pair = isinstance(between, list | tuple) and len(between) == 2 and all(map(_is_number, between))
        if not pair or not between[0] < between[1]:
            raise InputError(f"{where}: `between` is a pair of numbers such as [0, 1], not {between!r}")
        between = (between[0], between[1])
    target = Target(of, float(to), float(within), tuple(among), between)
    if not target.among and not _kinds(name, knob) & {int, float}:
        raise InputError(f"{where} takes no number: name the values that may be taken: `among: […]`")
    return target


class Solver:
    """Finds the knobs of cases; sizes of networks are counted once however many targets share them."""

    def __init__(self) -> None:
        self._sizes: dict[str, Sizes | str] = {}

    def solve(self, case: Case) -> tuple[Case, Solved | None]:
        """The case with its target replaced by the value found; None where it has no target.

        Raises InputError when no value comes within the target's tolerance.
        """
        places = [
            (at, knob)
            for at, call in enumerate(case.methods)
            for knob, value in call.knobs.items()
            if is_target(value)
        ]
        if not places:
            return case, None
        if len(places) > 1:
            raise InputError(f"{case.backbone}: solve for one knob of a chain, the others need values")
        ((at, knob),) = places
        call = case.methods[at]
        target = read_target(call.name, knob, call.knobs[knob])
        dense = self._count(case.baseline())
        if isinstance(dense, str):
            raise InputError(f"{case.backbone}: {dense}")

        def with_value(value: Any) -> Case:
            there = MethodCall(call.name, {**call.knobs, knob: value})
            return replace(case, methods=(*case.methods[:at], there, *case.methods[at + 1 :]))

        def share(value: Any) -> float | str:
            try:
                check_call(call.name, {**call.knobs, knob: value})
            except InputError as error:
                return str(error)
            counted = self._count(with_value(value))
            return counted if isinstance(counted, str) else _of(counted, target) / _of(dense, target)

        curve = Curve(share, target.to)
        if target.among:
            search_among(curve, target.among)
        elif int in _kinds(call.name, knob):
            search_integer(curve, *target.range(whole=True))
        else:
            search_number(curve, target.within, *target.range(whole=False))
        best = curve.best()
        what = f"{case.backbone}: {call.name}: no {knob} brings {target.of} to {target.to:g} of dense"
        if best is None:
            raise InputError(f"{what}: {curve.refusal or 'no value works'}")
        achieved = curve.shares[best]
        if curve.error(best) > target.within:
            raise InputError(
                f"{what} within {target.within:.0%}; the nearest, {knob}={best}, gives {achieved:.3g}: "
                "widen `within`, or choose another `to`"
            )
        found = with_value(best)
        return found, Solved(
            found.count_id, case.backbone, call.name, knob, best, target.of, target.to, achieved
        )

    def _count(self, case: Case) -> Sizes | str:
        """The sizes of a case's network, or why it cannot be made."""
        if case.count_id not in self._sizes:
            try:
                network = prepare(case)[0].network
                self._sizes[case.count_id] = sizes(network, context_of(case).example_input())
            except (ValueError, RuntimeError) as error:
                self._sizes[case.count_id] = str(error).partition("\n")[0]
        return self._sizes[case.count_id]


def _of(counted: Sizes, target: Target) -> int:
    return int(getattr(counted, target.of))


def _spread(value: Any) -> Any:
    if isinstance(value, list) and any(map(is_target, value)):
        parts = [_spread(part) for part in value]
        return [one for part in parts for one in (part if isinstance(part, list) else [part])]
    if is_target(value) and isinstance(value.get("to"), list):
        return [{**value, "to": to} for to in value["to"]]
    return value


def _check_the_others(name: str, knobs: Mapping[str, Any], knob: str, target: Target) -> None:
    """Checks the other knobs beside some value of this one that the method accepts."""
    whole = int in _kinds(name, knob)
    low, high = target.range(whole)
    first = math.ceil(low)
    samples: list[Any] = [first, first + 1, 2 * first] if whole else [(low + high) / 2, low, high]
    problems = []
    for sample in samples:
        try:
            check_call(name, {**knobs, knob: sample})
        except InputError as error:
            problems.append(error)
        else:
            return
    raise problems[0]


def _kinds(name: str, knob: str) -> set[Any]:
    """The types that the knob's annotation names, of a union all."""
    annotation = METHODS.get(name).knobs[knob].annotation
    return {annotation, *typing.get_args(annotation)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
