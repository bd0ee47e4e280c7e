"""Budgets as a suite writes them: ``T: {solve: params, to: 0.25}`` in the place of a knob's value.

Families of methods are compared fairly at an equal budget, and each has its own knob to get there. A
suite therefore may give one knob of a case as a wanted share of the dense network's ``params`` or
``macs`` (logical ones: zeros do not count), of its ``stored_params`` or ``executed_macs``. While the
plan is made the knob is solved for, by closed forms, and from then on the case has the value found.

    {solve: params, to: 0.25}                        one share; a list of shares multiplies
    {solve: macs, to: 0.5, within: 0.1}              the relative error that is allowed: 5 % if left out
    {solve: params, to: 0.25, among: [pSC4, pSC2]}   the values to choose from
    {solve: params, to: 0.25, between: [2, 16]}      the interval to search
"""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bench.case import MethodCall
from bench.errors import InputError, nearest, quoted
from bench.plan.declared import DECLARED_METHODS
from bench.plan.knobs import check_call
from bench.plan.search import LIMIT

BUDGETS = ("params", "macs", "stored_params", "executed_macs")
"""The fields of ``bench.counting.sizes.Sizes``, written out: that module imports torch."""

KEYS = ("solve", "to", "within", "among", "between")
WITHIN = 0.05

LARGEST_SHARE = 100
"""No method of use makes a network a hundred times as large."""

FARTHEST = 1_000_000
"""The interval that is searched ends there: a knob is a number of steps, channels or ranks, or a share."""


@dataclass(frozen=True)
class Wanted:
    """A share of the dense network that a knob should reach, and where to look for the knob's value."""

    of: str
    to: float
    within: float = WITHIN
    among: tuple[Any, ...] = ()
    between: tuple[float, float] | None = None

    def interval(self, whole: bool) -> tuple[float, float]:
        """Search interval: ``between`` if given, else 1 to LIMIT for whole numbers, 0 to 1 for others."""
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


def is_wanted(value: Any) -> bool:
    """Whether a knob's value is a wanted share instead of a value: a mapping with the word ``solve``."""
    return isinstance(value, Mapping) and "solve" in value


def wants(calls: tuple[MethodCall, ...]) -> bool:
    """Whether a knob of these methods is yet to be solved for."""
    return any(is_wanted(value) for call in calls for value in call.knobs.values())


def spread(knobs: Mapping[str, Any]) -> dict[str, Any]:
    """The knobs with ``to: [0.25, 0.125]`` written out as one mapping for each share."""
    return {knob: _spread(value) for knob, value in knobs.items()}


def check_wanted(name: str, knobs: Mapping[str, Any]) -> MethodCall:
    """Like ``check_call``, for knobs of which one may be a wanted share: it then stays as it is written.

    Raises InputError for a share that cannot be read, for two of them, and as ``check_call`` does.
    """
    wanted = {knob: value for knob, value in knobs.items() if is_wanted(value)}
    if not wanted:
        return check_call(name, knobs)
    if len(wanted) > 1:
        raise InputError(f"method {name}: solve for one knob, not for {' and '.join(wanted)}")
    ((knob, value),) = wanted.items()
    if knob not in DECLARED_METHODS.get(name).knobs:
        return check_call(name, knobs)  # which says so
    share = read_wanted(name, knob, value)
    for sample in share.among:
        check_call(name, {**knobs, knob: sample})
    if not share.among:
        _check_the_others(name, knobs, knob, share)
    return MethodCall(name, dict(knobs))


def read_wanted(name: str, knob: str, value: Mapping[str, Any]) -> Wanted:
    """The wanted share of a knob. Raises InputError with the nearest valid word."""
    where = f"method {name}: knob {knob}"
    for key in value:
        if key not in KEYS:
            raise InputError(f"{where}: solve knows no '{key}'{nearest(key, KEYS)}")
    of: Any = value["solve"]
    to: Any = value.get("to")
    if of not in BUDGETS:
        raise InputError(f"{where}: solve for {quoted(str(of))} is not known{nearest(str(of), BUDGETS)}")
    if not _is_number(to) or not 0 < to <= LARGEST_SHARE:
        raise InputError(
            f"{where}: solve needs `to`, a share of the dense network such as 0.25, not {quoted(to)}"
        )
    within = value.get("within", WITHIN)
    if not _is_number(within) or not 0 < within < 1:
        raise InputError(f"{where}: `within` is a relative error such as 0.05, not {quoted(within)}")
    among = value.get("among", ())
    if "among" in value and not (isinstance(among, list | tuple) and among):
        raise InputError(f"{where}: `among` is a list of values, not {quoted(among)}")
    between = _read_between(where, value["between"]) if "between" in value else None
    share = Wanted(of, float(to), float(within), tuple(among), between)
    if not share.among and not kinds(name, knob) & {int, float}:
        raise InputError(f"{where} takes no number: name the values that may be taken: `among: […]`")
    return share


def kinds(name: str, knob: str) -> set[Any]:
    """The types that a knob's annotation names: of a union, all of them."""
    annotation = DECLARED_METHODS.get(name).knobs[knob].annotation
    return {annotation, *typing.get_args(annotation)}


def _read_between(where: str, value: Any) -> tuple[float, float]:
    if isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_number, value)):
        low, high = value
        if -FARTHEST <= low < high <= FARTHEST:
            return low, high
    raise InputError(
        f"{where}: `between` is a pair of numbers such as [0, 1], the smaller one first and none "
        f"beyond {FARTHEST:,}, not {quoted(value)}"
    )


def _spread(value: Any) -> Any:
    if isinstance(value, list) and any(map(is_wanted, value)):
        parts = [_spread(part) for part in value]
        return [one for part in parts for one in (part if isinstance(part, list) else [part])]
    if is_wanted(value) and isinstance(value.get("to"), list):
        return [{**value, "to": to} for to in value["to"]]
    return value


def _check_the_others(name: str, knobs: Mapping[str, Any], knob: str, share: Wanted) -> None:
    """Checks the other knobs beside some value of this one that the method accepts."""
    whole = int in kinds(name, knob)
    low, high = share.interval(whole)
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


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
