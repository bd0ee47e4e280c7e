"""What each knob of a method takes: its type, its usual value, and the values that the method accepts.

No method declares a range: its ``check`` says which values can never work, and is asked here for as many
values as it takes to see where the range ends. So what is shown is what is refused.
"""

from __future__ import annotations

import inspect
import itertools
import re
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.case import MethodCall
from bench.errors import InputError
from bench.plan.declared import DECLARED_METHODS
from bench.plan.knobs import check_call, takes_list, type_words

LARGEST = 2**31
"""Whole numbers that are accepted up to here have no upper end."""

_WHOLE = (4, 2, 1, 3, 8, 16, 64, 0, 5, 256, 1000, -1, -2)
_SMALL = 1e-6
_FRACTIONS = (0.25, 0.5, 0.9, _SMALL, 1.0, 0.0, 2.0, 10.0, -1.0)
_FREE = "no word that a method knows"
_MANY = 12


@dataclass(frozen=True)
class KnobFact:
    """One knob in words. ``usual``: "needed" for one without a default; ``values``: empty for any value."""

    name: str
    takes: str
    usual: str
    values: str
    about: str

    def as_dict(self) -> dict[str, str]:
        """Plain data for JSON."""
        return dict(vars(self))


def knob_facts(method: str) -> list[KnobFact]:
    """The knobs of a method in the order of its signature. Raises InputError for an unknown method."""
    declared = DECLARED_METHODS.get(method)
    return [
        KnobFact(name, type_words(parameter.annotation), _usual(parameter), _values(method, parameter),
                 _about(declared.doc, name))
        for name, parameter in declared.knobs.items()
    ]  # fmt: skip


def example_call(method: str) -> MethodCall:
    """The method with values for the knobs that it needs, which it accepts."""
    known = next(_settings(method, ""), {})
    try:
        return check_call(method, known)
    except InputError:
        return MethodCall(method, {})


def example_label(method: str) -> str:
    """``half(ratio=0.25)``: as ids show it."""
    return example_call(method).label


def example_line(method: str) -> str:
    """``half: {ratio: 0.25}``: as a suite has it."""
    knobs = example_call(method).knobs
    inner = ", ".join(f"{knob}: {value}" for knob, value in knobs.items())
    return f"{method}: {{{inner}}}" if knobs else method


def _usual(parameter: inspect.Parameter) -> str:
    value = parameter.default
    if value is inspect.Parameter.empty:
        return "needed"
    if value is None or value == "" or value == ():
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def described(doc: str, knob: str) -> str:
    """The sentence of a method's docstring that tells of the knob, in Markdown's back-quotes."""
    sentences = re.split(r"(?<=\.)\s+(?=[A-Z`])", " ".join(doc.split()))
    named = [sentence for sentence in sentences if f"``{knob}``" in sentence]
    leading = [sentence for sentence in named if sentence.startswith(f"``{knob}``")]
    return (leading or named or [""])[0].replace("``", "`")


def _about(doc: str, knob: str) -> str:
    """The same, without the knob's name in front."""
    return described(doc, knob).removeprefix(f"`{knob}`: ").removesuffix(".")


def _values(method: str, parameter: inspect.Parameter) -> str:
    kinds = _kinds(parameter.annotation)
    if bool in kinds:
        return "true, false"
    if str in kinds and not kinds & {int, float}:
        named = parameter.default != "" and not takes_list(parameter.annotation)
        return ", ".join(_choices(method, parameter.name)[:_MANY]) if named else ""
    for others in _settings(method, parameter.name):

        def accepts(value: Any, others: Mapping[str, Any] = others) -> bool:
            return _accepted(method, {**others, parameter.name: value})

        if int in kinds:
            words = _whole_range(accepts)
        elif float in kinds:
            words = _range(accepts)
        else:
            return ""
        if words is not None:
            return words
    return ""


def _kinds(annotation: Any) -> set[Any]:
    """The types of a knob: of a union or a list, those inside."""
    parts = [part for part in typing.get_args(annotation) if part is not Ellipsis]
    return {annotation}.union(*map(_kinds, parts)) if parts else {annotation}


def _accepted(method: str, knobs: Mapping[str, Any]) -> bool:
    try:
        check_call(method, knobs)
    except InputError:
        return False
    return True


def _settings(method: str, knob: str) -> Iterator[dict[str, Any]]:
    """Values of the other knobs beside which ``knob`` may be tried: those that are needed, and one more.

    Some methods want exactly one of several knobs, so it is tried without and with each of the others.
    """
    parameters = {name: p for name, p in DECLARED_METHODS.get(method).knobs.items() if name != knob}
    needed = [name for name, p in parameters.items() if p.default is inspect.Parameter.empty]
    others = [name for name in parameters if name not in needed]
    for further in [[], *([name] for name in others)]:
        names = [*needed, *further]
        for values in itertools.product(*(_samples(method, parameters[name]) for name in names)):
            setting = dict(zip(names, values, strict=True))
            if knob or _accepted(method, setting):
                yield setting


def _samples(method: str, parameter: inspect.Parameter) -> Sequence[Any]:
    kinds = _kinds(parameter.annotation)
    if bool in kinds:
        return (True,)
    if int in kinds:
        return _WHOLE[:3]
    if float in kinds:
        return _FRACTIONS[:2]
    words = dict.fromkeys(_words(DECLARED_METHODS.get(method).doc))
    return [word for word in words if _accepted(method, {parameter.name: word})]


def _whole_range(accepts: Callable[[Any], bool]) -> str | None:
    inside = next(filter(accepts, _WHOLE), None)
    if inside is None:
        return None
    low, high = _end(accepts, inside, -LARGEST), _end(accepts, inside, LARGEST)
    step = [value for value in range(inside, inside + 5) if accepts(value)]
    odd = ", odd" if high > inside and inside % 2 and inside + 1 not in step and inside + 2 in step else ""
    if low == -LARGEST and high == LARGEST:
        return ""
    if high == LARGEST:
        return f"{low} or more{odd}"
    return f"{low} to {high}{odd}" if low > -LARGEST else f"{high} or less{odd}"


def _end(accepts: Callable[[Any], bool], inside: int, far: int) -> int:
    """The outermost accepted number between one that is and one that is far away, by halving.

    Neighbours count with it: a range of odd numbers has no even one.
    """

    def near(value: int) -> bool:
        return accepts(value) or accepts(value - 1 if far < inside else value + 1)

    if near(far):
        return far
    good, bad = inside, far
    while abs(bad - good) > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if near(middle) else (good, middle)
    return good if accepts(good) else good - 1 if far < inside else good + 1


def _range(accepts: Callable[[Any], bool]) -> str | None:
    inside = next(filter(accepts, _FRACTIONS), None)
    if inside is None:
        return None
    low = _bound(accepts, inside, (0.0, 1.0), -1)
    high = _bound(accepts, inside, (1.0, 0.0), 1)
    return ", ".join(word for word in (low, high) if word)


def _bound(accepts: Callable[[Any], bool], inside: float, ends: Sequence[float], way: int) -> str:
    """The end of the range on that side, in words; empty where there is none among ``ends``."""
    side = "above" if way < 0 else "below"
    for end in ends:
        if (inside - end) * way > 0:
            continue  # on the other side
        if accepts(end) and not accepts(end + way * _SMALL):
            return f"at {'least' if way < 0 else 'most'} {end:g}"
        if not accepts(end) and accepts(end - way * _SMALL):
            return f"{side} {end:g}"
    return ""


def _choices(method: str, knob: str) -> list[str]:
    """The words that are accepted beside some value of the others, of those that the method names.

    It names them in its docstring, or when it refuses a word; none where it takes any.
    """
    found: dict[str, None] = {}
    in_doc = _words(DECLARED_METHODS.get(method).doc)
    for others in _settings(method, knob):
        if _accepted(method, {**others, knob: _FREE}):
            return []
        named = dict.fromkeys([*_words(_refusal(method, {**others, knob: "?"})), *in_doc])
        found |= {word: None for word in named if _accepted(method, {**others, knob: word})}
    return list(found)


def _refusal(method: str, knobs: Mapping[str, Any]) -> str:
    try:
        check_call(method, knobs)
    except InputError as error:
        return str(error)
    return ""


def _words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z0-9][A-Za-z0-9_-]*", text)
