"""The JSON Schema of suite files, by which editors complete and check them.

What pydantic knows of the keys, with what the package declares put in: the names of methods, backbones
and runtimes, and each method's knobs.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from pydantic import TypeAdapter

from bench.plan.declared import DECLARED_BACKBONES, DECLARED_METHODS, DECLARED_RUNTIMES, DeclaredMethod
from bench.plan.knobs import takes_list
from bench.plan.ranges import described
from bench.plan.suite import Suite
from bench.plan.target_file import NAME, TargetSpec
from bench.plan.targets import TARGETS
from bench.plan.wanted import BUDGETS, FARTHEST, LARGEST_SHARE, WITHIN

Json = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
OF_YOUR_OWN = ("methods", "backbones", "runtimes")
"""Lists in which a plugin's names may stand."""


def suite_schema() -> Json:
    """The schema, plain data for JSON. A suite that names plugins may use names that nobody knows here."""
    schema: Json = {"$schema": DIALECT, **Suite.model_json_schema()}
    schema["$defs"] |= {
        "Backbone": _backbone(),
        "Runtime": _names(DECLARED_RUNTIMES.shipped()),
        "Step": {"anyOf": [_plain_method(), _method_with_knobs()]},
        "Method": {"anyOf": [{"$ref": "#/$defs/Step"}, _chain()]},
        "Wanted": _wanted(),
    }
    schema["$defs"]["Targets"] = _targets(schema["properties"]["targets"]["description"])
    known: Json = {}
    sweep = schema["$defs"]["Sweep"]["properties"]
    for key in OF_YOUR_OWN:
        known[key] = {"items": {"$ref": f"#/$defs/{key.removesuffix('s').capitalize()}"}}
        for where in (schema["properties"], sweep):
            where[key] = {**_of_any_kind(key), **_described_in(where[key])}
    for where in (schema["properties"], sweep):
        where["targets"] = {"$ref": "#/$defs/Targets"}
    own = {"description": sweep["measure"]["description"], "default": None}
    sweep["measure"] = {"anyOf": [{"$ref": "#/$defs/Measure"}, {"type": "null"}], **own}
    for key in ("backbones", "methods"):
        del schema["properties"][key]["default"]
    schema["anyOf"] = [{"required": ["backbones", "methods"]}, {"required": ["sweeps"]}]
    schema["if"] = {"required": ["plugins"]}
    schema["else"] = {"properties": {**known, "sweeps": {"items": {"properties": known}}}}
    return schema


def _of_any_kind(key: str) -> Json:
    """A list of names that nobody knows here, or of what stands in a name's place."""
    kinds: dict[str, Json] = {
        "backbones": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/ImportSpec"}]},
        "methods": {"type": ["string", "object"]},
        "runtimes": {"type": "string"},
    }
    return {"type": "array", "items": kinds[key], "minItems": 1}


def _described_in(written: Json) -> Json:
    """Description and default of a key as pydantic has them."""
    return {key: written[key] for key in ("description", "default", "title") if key in written}


def _targets(description: str) -> Json:
    """Names, or names with what they stand for, in a list or as a mapping."""
    spec: Json = {"anyOf": [{"type": "null"}, TargetSpec.model_json_schema()]}
    named = {"type": "string", "pattern": f"^{NAME}$"}
    names = [{"const": target.name, "description": target.summary} for target in TARGETS.all()]
    several: Json = {
        "type": "object",
        "minProperties": 1,
        "propertyNames": named,
        "additionalProperties": spec,
    }
    earlier = TargetSpec.model_json_schema()
    earlier["properties"] = {"name": named, **earlier["properties"]}
    earlier["required"] = ["name"]
    item = {"anyOf": [*names, named, earlier, several]}
    return {
        "description": description,
        "default": None,
        "anyOf": [{"type": "array", "items": item, "minItems": 1}, several, {"type": "null"}],
    }


def _backbone() -> Json:
    families = "|".join(map(re.escape, DECLARED_BACKBONES.families()))
    return {
        "anyOf": [
            _names(DECLARED_BACKBONES.shipped()),
            {
                "type": "string",
                "pattern": rf"^({families})/",
                "description": "one of a family, by its full name",
            },
            {"type": "string", "pattern": r"[*?\[]", "description": "a glob: every backbone that fits"},
            {"$ref": "#/$defs/ImportSpec"},
        ]
    }


def _names(names: list[str]) -> Json:
    return {"type": "string", "enum": names}


def _plain_method() -> Json:
    """A method by its name alone: it has no knob that must be given."""
    methods = [DECLARED_METHODS.get(name) for name in DECLARED_METHODS.shipped()]
    names = [method.name for method in methods if not _required(method)]
    return {"type": "string", "enum": names, "description": "a method with its usual knobs"}


def _method_with_knobs() -> Json:
    return {
        "type": "object",
        "properties": {name: _knobs(DECLARED_METHODS.get(name)) for name in DECLARED_METHODS.shipped()},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }


def _knobs(method: DeclaredMethod) -> Json:
    required = _required(method)
    return {
        "description": method.summary,
        "type": "object" if required else ["object", "null"],
        "properties": {knob: _knob(method, parameter) for knob, parameter in method.knobs.items()},
        "required": required,
        "additionalProperties": False,
    }


def _required(method: DeclaredMethod) -> list[str]:
    return [knob for knob, p in method.knobs.items() if p.default is inspect.Parameter.empty]


def _knob(method: DeclaredMethod, parameter: inspect.Parameter) -> Json:
    """A knob takes its value, a list of values that multiply, or a wanted budget."""
    value = TypeAdapter(parameter.annotation).json_schema()
    if takes_list(parameter.annotation):
        schema = _any_of(value, {"type": "array", "items": value, "minItems": 1})
    else:
        wanted = {"$ref": "#/$defs/Wanted"}
        several = {"type": "array", "items": _any_of(value, wanted), "minItems": 1}
        schema = _any_of(value, several, wanted)
    if description := described(method.doc, parameter.name):
        schema["description"] = description
    if parameter.default is not inspect.Parameter.empty:
        usual = parameter.default
        schema["default"] = list(usual) if isinstance(usual, tuple) else usual
    return schema


def _any_of(*schemas: Json) -> Json:
    """Any of these; of one that is a choice itself, the alternatives."""
    return {"anyOf": [one for schema in schemas for one in schema.get("anyOf", [schema])]}


def _chain() -> Json:
    return {
        "type": "object",
        "properties": {
            "chain": {
                "type": "array",
                "items": {"$ref": "#/$defs/Step"},
                "minItems": 1,
                "description": "methods applied one after the other",
            }
        },
        "required": ["chain"],
        "additionalProperties": False,
    }


def _wanted() -> Json:
    share = {"type": "number", "exclusiveMinimum": 0, "maximum": LARGEST_SHARE}
    end = {"type": "number", "minimum": -FARTHEST, "maximum": FARTHEST}
    return {
        "type": "object",
        "description": "the knob is solved for while the plan is made",
        "properties": {
            "solve": {"enum": list(BUDGETS), "description": "what the budget limits"},
            "to": {
                "anyOf": [share, {"type": "array", "items": share, "minItems": 1}],
                "description": "share of the dense network; a list multiplies",
            },
            "within": {
                "type": "number",
                "exclusiveMinimum": 0,
                "exclusiveMaximum": 1,
                "default": WITHIN,
                "description": "relative error that is allowed",
            },
            "among": {"type": "array", "minItems": 1, "description": "the values to choose from"},
            "between": {
                "type": "array",
                "items": end,
                "minItems": 2,
                "maxItems": 2,
                "description": "the interval to search",
            },
        },
        "required": ["solve", "to"],
        "additionalProperties": False,
    }
