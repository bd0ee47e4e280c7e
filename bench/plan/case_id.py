"""Reading a case id back: ``resnet56/csr_conv(T=4)``, with as many of its further parts as are given."""

from __future__ import annotations

import re
from typing import Any

import yaml

from bench.case import Case, MethodCall
from bench.errors import InputError
from bench.methods import METHODS
from bench.models import BACKBONES
from bench.plan.knobs import check_call
from bench.plan.suite import parse_shape
from bench.plan.targets import TARGETS
from bench.runtimes import RUNTIMES

_CALL = re.compile(r"([A-Za-z0-9_.-]+)(?:\((.*)\))?")


def parse_case_id(text: str) -> Case:
    """The case of an id, or of its beginning; what is not given has its usual value.

    Raises InputError for an id without a backbone and a method that exist.
    """
    parts = text.strip("/").split("/")
    names = set(METHODS.names())
    at = next((i for i, part in enumerate(parts) if i and re.split(r"[(+]", part)[0] in names), 0)
    if not at:
        raise InputError(
            f"'{text}' is no case; one reads BACKBONE/METHOD, for example resnet56/csr_conv(T=4)"
        )
    backbone = BACKBONES.get("/".join(parts[:at]))
    calls = tuple(_call(step) for step in _steps(parts[at]))
    fields: dict[str, Any] = {"input": backbone.input}
    for part in parts[at + 1 :]:
        fields |= _field(part, text)
    return Case(backbone.name, calls, **fields)


def _steps(text: str) -> list[str]:
    """Splits a chain at the ``+`` outside parentheses."""
    return re.split(r"\+(?![^(]*\))", text)


def _call(text: str) -> MethodCall:
    match = _CALL.fullmatch(text)
    if match is None:
        raise InputError(f"'{text}' is no method; csr_conv(T=4) is one")
    knobs: dict[str, Any] = {}
    for pair in (match[2] or "").split(",") if match[2] else ():
        knob, _, value = pair.partition("=")
        knobs[knob] = _value(match[1], knob, value)
    return check_call(match[1], knobs)


def _value(method: str, knob: str, text: str) -> Any:
    parameter = METHODS.get(method).knobs.get(knob)
    if parameter is not None and "tuple" in str(parameter.annotation):
        return text.split("+")
    if ":" in text:
        pairs = (pair.partition(":") for pair in text.split("+"))
        return {key: yaml.safe_load(value) for key, _, value in pairs}
    return yaml.safe_load(text)


def _field(part: str, text: str) -> dict[str, Any]:
    if part in RUNTIMES.names():
        return {"runtime": part}
    if part in [target.name for target in TARGETS.all()]:
        return {"target": part}
    if part in ("contiguous", "channels_last"):
        return {"memory_format": part}
    if re.fullmatch(r"\d+x\d+x\d+", part):
        return {"input": parse_shape(part)}
    for pattern, name in (("b", "batch"), ("t", "threads"), ("c", "classes"), ("seed", "seed")):
        if re.fullmatch(rf"{pattern}\d+", part):
            return {name: int(part.removeprefix(pattern))}
    raise InputError(f"'{part}' in '{text}' is no part of a case id")
