"""What is wrong with a suite, in one line: file, line, the value and the nearest valid word."""

from __future__ import annotations

import re
import typing
from types import TracebackType
from typing import Any

from pydantic import BaseModel, ValidationError

from bench.errors import InputError, nearest, quoted
from bench.plan.yaml_source import Place, YamlSource


class Located:
    """Puts file and line before an InputError that is raised within and has none yet."""

    def __init__(self, source: YamlSource, place: Place) -> None:
        self._source = source
        self._place = place

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, InputError) and not str(error).startswith(f"{self._source.file}:"):
            raise InputError(f"{self._source.where(self._place)}: {error}") from None


def first_problem(error: ValidationError, source: YamlSource, model: type[BaseModel], at: Place = ()) -> str:
    """The one line that helps most, of all that pydantic found wrong with data of that model.

    ``at`` is where the data stand in the source.
    """
    # Of a union, the message of the alternative that got furthest says most.
    # A misspelt key comes first: it is often why another one is missing.
    problem = max(
        error.errors(),
        key=lambda p: (p["type"] == "extra_forbidden", len(p["loc"]), p["type"] != "string_type"),
    )
    place = _written((*at, *problem["loc"]), source)
    where = source.where(place)
    if problem["type"] == "extra_forbidden":
        key = str(place[-1]) if place else ""
        return f"{where}: unknown key {quoted(key)}{nearest(key, _keys_at(model, place[len(at) : -1]))}"
    if problem["type"] == "missing":
        return f"{where}: the key '{problem['loc'][-1]}' is missing"
    name = ".".join(str(part) for part in place)
    value = problem["input"]
    shown = "" if isinstance(value, list | dict) else f", not {quoted(value)}"
    return f"{where}: {name}: {message_of(problem)}{shown}"


def message_of(problem: Any) -> str:
    """What pydantic says of one problem, as a demand: ``must be greater than or equal to 1``."""
    if problem["type"] == "too_short":
        return "the list is empty; it needs at least one item"
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    if problem["type"] == "model_type":
        return "must be a word or a mapping"
    message = str(problem["msg"])
    return re.sub(r"^(input|string) should", "must", message[0].lower() + message[1:])


def _written(loc: tuple[str | int, ...], source: YamlSource) -> Place:
    """The parts of pydantic's location that stand in the file: unions add words of their own."""
    kept: Place = ()
    for part in loc:
        if (*kept, part) in source.lines:
            kept = (*kept, part)
    return kept


def _keys_at(model: type[BaseModel], place: Place) -> list[str]:
    """The keys that the mapping at that place of the model's data may have."""
    for part in place:
        if isinstance(part, str) and part in model.model_fields:
            inner = _model_in(model.model_fields[part].annotation)
            if inner is None:
                return []
            model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(part) for part in typing.get_args(annotation))
    return next((model for model in found if model is not None), None)
