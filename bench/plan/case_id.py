"""Reading a case id back: ``resnet56/csr_conv(T=4)``, with as many of its further parts as are given."""

from __future__ import annotations

import re
from typing import Any

from bench.case import DTYPES, Case, MethodCall, parse_shape
from bench.errors import InputError, quoted
from bench.plan.declared import DECLARED_BACKBONES, DECLARED_METHODS, DECLARED_RUNTIMES
from bench.plan.knobs import check_call, parse_label_knobs
from bench.plan.target_file import known_targets

LONGEST = 4000
"""Characters of an id: one that names every layer of a network to skip is shorter."""

_CALL = re.compile(r"([A-Za-z0-9_.-]+)(?:\((.*)\))?")
_NUMBERED = {
    "batch": re.compile(r"b([1-9]\d{0,8})", re.ASCII),
    "threads": re.compile(r"t([1-9]\d{0,8})", re.ASCII),
    "classes": re.compile(r"c([1-9]\d{0,8})", re.ASCII),
    "seed": re.compile(r"seed(\d{1,19})", re.ASCII),
}


def parse_case_id(text: str) -> Case:
    """The case of an id, or of its beginning; what is not given has its usual value.

    Raises InputError for an id without a backbone and a method that exist, and for knobs that the
    method does not take.
    """
    if len(text) > LONGEST:
        raise InputError(f"{quoted(text)} is too long for a case id")
    parts = text.strip("/").split("/")
    at = next((i for i, part in enumerate(parts) if i and _first_name(part) in DECLARED_METHODS), 0)
    if not at:
        raise InputError(
            f"{quoted(text)} is no case; one reads BACKBONE/METHOD, for example resnet56/csr_conv(T=4)"
        )
    backbone = DECLARED_BACKBONES.get("/".join(parts[:at]))
    calls = parse_methods(parts[at])
    fields: dict[str, Any] = {"input": backbone.input}
    for part in parts[at + 1 :]:
        for name, value in _field(part, text).items():
            if name in fields and name != "input":
                raise InputError(f"{quoted(text)} gives {name} twice")
            fields[name] = value
    return Case(backbone.name, calls, **fields)


def parse_methods(text: str) -> tuple[MethodCall, ...]:
    """The methods of a label as ids show it: ``csr_conv(T=4)``, or a chain of them joined by ``+``.

    Raises InputError for a method that does not exist and for knobs that it does not take.
    """
    return tuple(_call(step) for step in _steps(text))


def _first_name(part: str) -> str:
    return re.split(r"[(+]", part, maxsplit=1)[0]


def _steps(text: str) -> list[str]:
    """Splits a chain at the ``+`` outside parentheses."""
    return re.split(r"\+(?![^(]*\))", text)


def _call(text: str) -> MethodCall:
    match = _CALL.fullmatch(text)
    if match is None:
        raise InputError(f"{quoted(text)} is no method; csr_conv(T=4) is one")
    return check_call(match[1], parse_label_knobs(match[1], match[2] or ""))


def _field(part: str, text: str) -> dict[str, Any]:
    if part in known_targets():
        return {"target": part}
    if part in ("contiguous", "channels_last"):
        return {"memory_format": part}
    if part in DTYPES:
        return {"dtype": part}
    if re.fullmatch(r"\d+x\d+x\d+", part):
        return {"input": parse_shape(part)}
    for name, pattern in _NUMBERED.items():
        if match := pattern.fullmatch(part):
            return {name: int(match[1])}
    if part in DECLARED_RUNTIMES:
        return {"runtime": part}
    raise InputError(f"{quoted(part)} in {quoted(text)} is no part of a case id")
