"""A method's knobs as a person writes them, checked against the method's own signature."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import math
import typing
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from bench.case import MethodCall
from bench.errors import InputError, nearest, quoted
from bench.plan.declared import DECLARED_METHODS
from bench.plan.yaml_source import read_value

MAX_CALLS = 100_000
"""Combinations of knob values in one entry of a suite: more of them could not be measured."""


def check_call(name: str, knobs: Mapping[str, Any]) -> MethodCall:
    """The method with these knob values.

    Raises InputError for an unknown method or knob, a missing one, a wrong type, and a value that
    the method says can never work.
    """
    method = DECLARED_METHODS.get(name)
    values: dict[str, Any] = {}
    for knob, value in knobs.items():
        if knob not in method.knobs:
            hint = nearest(knob, method.knobs) if method.knobs else "; it has none"
            raise InputError(f"method {name} has no knob {quoted(knob)}{hint}")
        values[knob] = _typed(name, method.knobs[knob], value)
    missing = [k for k, p in method.knobs.items() if p.default is inspect.Parameter.empty and k not in values]
    if missing:
        raise InputError(f"method {name} needs the knob {missing[0]}, for example {example(name)}")
    if method.check is not None:
        try:
            method.check(**values)
        except ValueError as error:
            raise InputError(f"method {name}: {error}") from None
    # In the order of the signature: the same knobs in another order are the same case.
    return MethodCall(name, {knob: values[knob] for knob in method.knobs if knob in values})


def expand_knobs(name: str, knobs: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All combinations of knob values: a list multiplies, unless the knob itself takes a list.

    A knob that takes a list multiplies over a list of lists. Raises InputError for an empty list, and
    for more than MAX_CALLS combinations.
    """
    method = DECLARED_METHODS.get(name)
    choices: list[list[Any]] = []
    for knob, value in knobs.items():
        parameter = method.knobs.get(knob)
        is_list = parameter is not None and takes_list(parameter.annotation)
        multiplies = isinstance(value, list) and (not is_list or any(isinstance(v, list) for v in value))
        if multiplies and not value:
            raise InputError(f"method {name}: the list of knob {knob} is empty")
        choices.append(value if multiplies else [value])
    if math.prod(map(len, choices)) > MAX_CALLS:
        raise InputError(
            f"method {name}: the lists of its knobs multiply to more than {MAX_CALLS:,} settings"
        )
    for combination in itertools.product(*choices):
        yield dict(zip(knobs, combination, strict=True))


def example(name: str) -> str:
    """How a call of the method looks in a suite: ``csr_conv: {T: …}``."""
    parameters = DECLARED_METHODS.get(name).knobs.items()
    required = [f"{knob}: …" for knob, p in parameters if p.default is inspect.Parameter.empty]
    return f"{name}: {{{', '.join(required)}}}" if required else name


def parse_knob_words(words: Iterable[str]) -> dict[str, Any]:
    """The knobs of a command line: ``["T=4", "skip=[fc]"]`` is ``{"T": 4, "skip": ["fc"]}``.

    Values are YAML. Raises InputError for a word without ``=``, a value that cannot be read, and a
    knob that is given twice.
    """
    knobs: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise InputError(f"{quoted(word)} is no knob; write KNOB=VALUE, for example T=4")
        _once(name, knobs)
        knobs[name] = read_value(value, f"knob {name}")
    return knobs


def parse_label_knobs(method: str, text: str) -> dict[str, Any]:
    """The knobs of a label as ids show them: ``T=2,skip=a+b`` of ``csr_conv(T=2,skip=a+b)``.

    Raises InputError as ``parse_knob_words`` does, and for an unknown method.
    """
    parameters = DECLARED_METHODS.get(method).knobs
    knobs: dict[str, Any] = {}
    for pair in text.split(",") if text else ():
        name, _, value = pair.partition("=")
        _once(name, knobs)
        annotation = parameters[name].annotation if name in parameters else Any
        knobs[name] = _labelled(annotation, value, f"knob {name}")
    return knobs


def takes_list(annotation: Any) -> bool:
    """Whether a knob of this type takes a list of values, which then does not multiply."""
    parts = typing.get_args(annotation) if typing.get_origin(annotation) is not tuple else ()
    return typing.get_origin(annotation) in (tuple, list) or any(takes_list(part) for part in parts)


def _once(name: str, knobs: Mapping[str, Any]) -> None:
    if name in knobs:
        raise InputError(f"knob {quoted(name)} is given twice")


def _labelled(annotation: Any, text: str, where: str) -> Any:
    """A value as a label shows it: without the quotes and brackets that YAML needs."""
    if takes_list(annotation):
        (inner, *_) = [part for part in _leaves(annotation) if part is not type(None)] or [str]
        return [_labelled(inner, word, where) for word in text.split("+")]
    if annotation is str:
        return text
    if ":" in text:
        pairs = (pair.partition(":") for pair in text.split("+"))
        return {key: read_value(value, where) for key, _, value in pairs}
    value = read_value(text, where)
    if isinstance(value, str) and float in _leaves(annotation):
        with contextlib.suppress(ValueError):
            return float(text)  # Python writes 1e-05, which YAML reads as a word
    return value


def _leaves(annotation: Any) -> list[Any]:
    """The plain types inside an annotation: int and str of ``int | tuple[str, ...]``."""
    parts = [part for part in typing.get_args(annotation) if part is not Ellipsis]
    return [leaf for part in parts for leaf in _leaves(part)] if parts else [annotation]


@cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation, config=ConfigDict(strict=True))


def _typed(name: str, parameter: inspect.Parameter, value: Any) -> Any:
    adapter = _adapter(parameter.annotation)
    for form in [tuple(value), value] if isinstance(value, list) else [value]:
        with contextlib.suppress(ValidationError):
            return adapter.validate_python(form)
    wanted = type_words(parameter.annotation)
    raise InputError(f"method {name}: knob {parameter.name} takes {wanted}, not {quoted(value)}")


def type_words(annotation: Any) -> str:
    """What a knob of this type takes, in words: ``a whole number``."""
    words = {int: "a whole number", float: "a number", str: "a word", bool: "true or false"}
    if annotation in words:
        return words[annotation]
    if takes_list(annotation):
        kinds = {int: "a list of whole numbers", float: "a list of numbers", str: "a list of words"}
        return next((kinds[part] for part in typing.get_args(annotation) if part in kinds), "a list")
    if typing.get_origin(annotation) is dict:
        return "a mapping like {expand: 3, project: 4}"
    parts = [part for part in typing.get_args(annotation) if part is not type(None)]
    return " or ".join(type_words(part) for part in parts) or str(annotation)
