"""The methods of a suite as its list writes them: names, knobs that multiply, chains."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench.case import MethodCall
from bench.errors import InputError
from bench.plan.knobs import MAX_CALLS, expand_knobs
from bench.plan.problems import Located
from bench.plan.wanted import check_wanted, spread
from bench.plan.yaml_source import Place, YamlSource


@dataclass(frozen=True)
class Entry:
    """Methods that are applied one after the other, and the place in the suite that asks for them."""

    calls: tuple[MethodCall, ...]
    place: Place


def read_entries(methods: list[Any], source: YamlSource, place: Place = ("methods",)) -> tuple[Entry, ...]:
    """What a suite's list of methods asks for, every knob checked; ``place`` is where the list stands.

    Raises InputError with file and line.
    """
    return tuple(
        entry for at, written in enumerate(methods) for entry in _entries(written, source, (*place, at))
    )


def _entries(written: Any, source: YamlSource, place: Place) -> Iterator[Entry]:
    with Located(source, place):
        if isinstance(written, dict) and "chain" in written:
            for calls in _chain(written, source, place):
                yield Entry(calls, place)
        else:
            for call in _calls(written, source, place):
                yield Entry((call,), place)


def _chain(written: dict[str, Any], source: YamlSource, place: Place) -> Iterator[tuple[MethodCall, ...]]:
    steps = written["chain"]
    if len(written) != 1 or not isinstance(steps, list) or not steps:
        raise InputError("a chain is a list of methods: {chain: [csr_conv: {T: 4}, psconv: {variant: pSC4}]}")
    choices = [list(_calls(step, source, (*place, "chain", at))) for at, step in enumerate(steps)]
    if math.prod(map(len, choices)) > MAX_CALLS:
        raise InputError(f"the lists of this chain multiply to more than {MAX_CALLS:,} settings")
    yield from itertools.product(*choices)


def _calls(written: Any, source: YamlSource, place: Place) -> Iterator[MethodCall]:
    name, knobs = _name_and_knobs(written)
    with Located(source, (*place, name)):
        if not isinstance(knobs, dict):
            raise InputError(f"the knobs of {name} are a mapping: {{knob: value}}")
        knobs = spread(knobs)
        for knob, value in knobs.items():
            with Located(source, (*place, name, knob)):
                for values in expand_knobs(name, {knob: value}):
                    _check_alone(name, values, knobs)
        for values in expand_knobs(name, knobs):
            yield check_wanted(name, values)


def _name_and_knobs(written: Any) -> tuple[str, Any]:
    if isinstance(written, str):
        return written, {}
    if isinstance(written, dict) and len(written) == 1:
        ((name, knobs),) = written.items()
        return name, {} if knobs is None else knobs
    raise InputError("a method is a name or a mapping with one name: csr_conv: {T: 4}")


def _check_alone(name: str, values: dict[str, Any], knobs: dict[str, Any]) -> None:
    """Checks one knob's value beside the first values of the others, so that an error has its line."""
    others = next(expand_knobs(name, {k: v for k, v in knobs.items() if k not in values}))
    try:
        check_wanted(name, {**others, **values})
    except InputError as error:
        if not any(f"'{other}'" in str(error) or f"knob {other} " in str(error) for other in others):
            raise
