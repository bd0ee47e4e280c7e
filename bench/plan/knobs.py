"""A method's knobs as a person writes them, checked against the method's own signature."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from bench.case import MethodCall
from bench.errors import InputError, nearest
from bench.methods import METHODS


def check_call(name: str, knobs: Mapping[str, Any]) -> MethodCall:
    """The method with these knob values.

    Raises InputError for an unknown method or knob, a missing one, a wrong type, and a value that
    the method says can never work.
    """
    method = METHODS.get(name)
    values: dict[str, Any] = {}
    for knob, value in knobs.items():
        if knob not in method.knobs:
            hint = nearest(knob, method.knobs) if method.knobs else "; it has none"
            raise InputError(f"method {name} has no knob '{knob}'{hint}")
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

    A knob that takes a list multiplies over a list of lists. Raises InputError for an empty list.
    """
    method = METHODS.get(name)
    choices: list[list[Any]] = []
    for knob, value in knobs.items():
        parameter = method.knobs.get(knob)
        takes_list = parameter is not None and _takes_list(parameter.annotation)
        multiplies = isinstance(value, list) and (not takes_list or any(isinstance(v, list) for v in value))
        if multiplies and not value:
            raise InputError(f"method {name}: the list of knob {knob} is empty")
        choices.append(value if multiplies else [value])
    for combination in itertools.product(*choices):
        yield dict(zip(knobs, combination, strict=True))


def example(name: str) -> str:
    """How a call of the method looks in a suite: ``csr_conv: {T: …}``."""
    parameters = METHODS.get(name).knobs.items()
    required = [f"{knob}: …" for knob, p in parameters if p.default is inspect.Parameter.empty]
    return f"{name}: {{{', '.join(required)}}}" if required else name


def _typed(name: str, parameter: inspect.Parameter, value: Any) -> Any:
    adapter = TypeAdapter(parameter.annotation, config=ConfigDict(strict=True))
    for form in [tuple(value), value] if isinstance(value, list) else [value]:
        with contextlib.suppress(ValidationError):
            return adapter.validate_python(form)
    wanted = _type_words(parameter.annotation)
    raise InputError(f"method {name}: knob {parameter.name} takes {wanted}, not {value!r}")


def _takes_list(annotation: Any) -> bool:
    parts = typing.get_args(annotation) if typing.get_origin(annotation) is not tuple else ()
    return typing.get_origin(annotation) in (tuple, list) or any(_takes_list(part) for part in parts)


def _type_words(annotation: Any) -> str:
    words = {int: "a whole number", float: "a number", str: "a word", bool: "true or false"}
    if annotation in words:
        return words[annotation]
    if _takes_list(annotation):
        kinds = {int: "a list of whole numbers", float: "a list of numbers", str: "a list of words"}
        return next((kinds[part] for part in typing.get_args(annotation) if part in kinds), "a list")
    if typing.get_origin(annotation) is dict:
        return "a mapping like {expand: 3, project: 4}"
    parts = [part for part in typing.get_args(annotation) if part is not type(None)]
    return " or ".join(_type_words(part) for part in parts) or str(annotation)
