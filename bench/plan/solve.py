"""Solving for knobs: the value whose network comes nearest to a wanted share of the dense network.

Only a suite that asks for this needs the module: networks are built, and torch comes with them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from bench.case import Case, MethodCall
from bench.counting.sizes import Sizes, sizes
from bench.errors import InputError
from bench.network import context_of, prepare
from bench.plan.knobs import check_call
from bench.plan.search import Curve, search_among, search_integer, search_number
from bench.plan.wanted import Solved, Wanted, is_wanted, kinds, read_wanted


@dataclass(frozen=True)
class _Place:
    """The knob of a case that is solved for: of its method number ``at``, with the share it should reach."""

    case: Case
    at: int
    knob: str
    wanted: Wanted

    @property
    def method(self) -> str:
        return self.case.methods[self.at].name

    def knobs(self, value: Any) -> dict[str, Any]:
        """The method's knobs with that value."""
        return {**self.case.methods[self.at].knobs, self.knob: value}

    def with_value(self, value: Any) -> Case:
        """The case with that value."""
        call = MethodCall(self.method, self.knobs(value))
        methods = self.case.methods
        return replace(self.case, methods=(*methods[: self.at], call, *methods[self.at + 1 :]))


class Solver:
    """Finds the knobs of cases; a network is sized once, however many wanted shares ask for it."""

    def __init__(self) -> None:
        self._sizes: dict[str, Sizes | str] = {}

    def solve(self, case: Case) -> tuple[Case, Solved]:
        """The case with the value found in the place of its wanted share.

        Raises InputError when no value comes within the allowed error.
        """
        place = _place(case)
        wanted = place.wanted
        curve = self._searched(place)
        best = curve.best()
        what = (
            f"{case.backbone}: {place.method}: no {place.knob} brings {wanted.of} to {wanted.to:g} of dense"
        )
        if best is None:
            raise InputError(f"{what}: {curve.refusal or 'no value works'}")
        achieved = curve.shares[best]
        if curve.error(best) > wanted.within:
            raise InputError(
                f"{what} within {wanted.within:.0%}; the nearest, {place.knob}={best}, gives {achieved:.3g}: "
                "widen `within`, or choose another `to`"
            )
        found = place.with_value(best)
        return found, Solved(
            count_id=found.count_id,
            backbone=case.backbone,
            method=place.method,
            knob=place.knob,
            value=best,
            of=wanted.of,
            asked=wanted.to,
            achieved=achieved,
        )

    def _searched(self, place: _Place) -> Curve:
        """The share as a function of the knob, with all values tried that the search takes."""
        wanted = place.wanted
        dense = self._count(place.case.baseline())
        if isinstance(dense, str):
            raise InputError(f"{place.case.backbone}: {dense}")
        whole = _amount(dense, wanted)
        if not whole:
            raise InputError(f"{place.case.backbone}: the dense network has no {wanted.of}")

        def share(value: Any) -> float | str:
            try:
                check_call(place.method, place.knobs(value))
            except InputError as error:
                return str(error)
            counted = self._count(place.with_value(value))
            if isinstance(counted, str):
                return counted
            return _amount(counted, wanted) / whole or f"{place.knob}={value} leaves no {wanted.of}"

        curve = Curve(share, wanted.to)
        if wanted.among:
            search_among(curve, wanted.among)
        elif int in kinds(place.method, place.knob):
            search_integer(curve, *wanted.interval(whole=True))
        else:
            search_number(curve, wanted.within, *wanted.interval(whole=False))
        return curve

    def _count(self, case: Case) -> Sizes | str:
        """The sizes of a case's network, or why it cannot be made."""
        if case.count_id not in self._sizes:
            try:
                network = prepare(case)[0].network
                self._sizes[case.count_id] = sizes(network, context_of(case).example_input())
            except (ValueError, RuntimeError) as error:
                self._sizes[case.count_id] = str(error).partition("\n")[0]
        return self._sizes[case.count_id]


def _place(case: Case) -> _Place:
    places = [
        (at, call.name, knob, value)
        for at, call in enumerate(case.methods)
        for knob, value in call.knobs.items()
        if is_wanted(value)
    ]
    if len(places) > 1:
        raise InputError(f"{case.backbone}: solve for one knob of a chain, the others need values")
    ((at, name, knob, value),) = places
    return _Place(case, at, knob, read_wanted(name, knob, value))


def _amount(counted: Sizes, wanted: Wanted) -> int:
    return int(getattr(counted, wanted.of))
