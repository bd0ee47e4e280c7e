"""bench schema and the shipped suites: the schema in the repository is current, every suite follows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from bench.plan.expand import expand
from bench.plan.suite import Measure, Suite, load_suite

SUITES = Path(__file__).parents[2] / "suites"
SHIPPED = sorted(file for file in SUITES.glob("*.yaml") if file.name != "expected.yaml")
SLOW = {"budget"}
"""Suites whose wanted budgets take many seconds to solve."""


def test_the_schema_in_the_repository_is_current(bench: Callable[..., Any]) -> None:
    assert (SUITES / "schema.json").read_text() == bench("schema").out, (
        "run `bench schema > suites/schema.json`"
    )


def test_the_schema_knows_every_key(bench: Callable[..., Any]) -> None:
    schema = json.loads(bench("schema").out)
    assert set(schema["properties"]) == set(Suite.model_fields)
    assert set(schema["$defs"]["Measure"]["properties"]) == set(Measure.model_fields)
    assert schema["additionalProperties"] is False


def test_there_are_suites() -> None:
    assert "smoke.yaml" in {file.name for file in SHIPPED}


@pytest.mark.parametrize(
    "file",
    [pytest.param(f, id=f.stem, marks=pytest.mark.slow if f.stem in SLOW else ()) for f in SHIPPED],
)
def test_a_shipped_suite_loads_and_names_its_schema(file: Path) -> None:
    assert file.read_text().startswith("# yaml-language-server: $schema=schema.json\n")
    loaded = load_suite(file)
    assert expand(loaded).drafts
    assert loaded.suite.name == file.stem
    assert loaded.suite.description


def problems(text: str) -> list[str]:
    """What a validator says of a suite, the one in the repository as its schema."""
    schema = json.loads((SUITES / "schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    return [error.message for error in Draft202012Validator(schema).iter_errors(yaml.safe_load(text))]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_a_shipped_suite_follows_the_schema(file: Path) -> None:
    assert problems(file.read_text()) == []


SWEEPS = """\
name: s
inputs: [32x32]
sweeps:
  - {for: one, backbones: [resnet20], methods: [dense], measure: {rounds: 3}}
  - backbones: [{import: "mypkg.nets:build", args: {n: 3}, input: 3x32x32, weights: best.pt}]
    methods: [dense]
exclude: ["*b8*", {backbone: "vgg*", method: [psconv, "csr*"], batch: [1, 2], because: no reason}]
"""


def test_sweeps_imports_and_conditions_follow_the_schema() -> None:
    assert problems(SWEEPS) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("for: one", "fro: one"),
        ("[resnet20]", "[resnt20]"),
        ("methods: [dense], measure", "methods: [densee], measure"),
        ("rounds: 3", "round: 3"),
        ("mypkg.nets:build", "mypkg.nets"),
        ("because", "becuase"),
        ("input: 3x32x32, ", ""),
    ],
)
def test_a_mistake_in_a_sweep_breaks_the_schema(right: str, wrong: str) -> None:
    assert right in SWEEPS
    assert problems(SWEEPS.replace(right, wrong)) != []


RIGHT = """\
name: s
backbones: [resnet20, "vgg*", timm/ghostnetv2_100, layer/64-64-k3]
methods:
  - dense
  - psconv: {variant: [pSC4, PSD2_P8], skip: [[conv1], [fc, conv1]]}
  - csr_conv: {T: [2, {expand: 3, project: 4}, {solve: params, to: [0.25, 0.125]}], order: literal}
  - lean_conv:
  - chain: [csr_conv: {T: 4}, int8]
targets: [cpu, {name: board, prefix: [ssh, pi]}]
runtimes: [eager]
"""


def test_what_a_suite_can_say_follows_the_schema() -> None:
    assert problems(RIGHT) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("order: literal", "ordr: literal"),
        ("T: 4", "T: four"),
        ("{T: 4}", "{}"),
        ("- dense", "- densee"),
        ("- dense", "- csr_conv"),
        ("resnet20", "resnet21"),
        ("[eager]", "[eagr]"),
        ("solve: params", "solve: parms"),
        ("variant: [", "variant: [4, "),
        ("targets: [cpu", "targets: [{pi: {lunch: ssh}}"),
        ("chain: [", "chain: [dense: {T: 1}, "),
    ],
)
def test_what_a_suite_cannot_say_breaks_the_schema(right: str, wrong: str) -> None:
    assert right in RIGHT
    assert problems(RIGHT.replace(right, wrong, 1))


def test_a_suite_with_plugins_may_use_names_that_the_schema_cannot_know() -> None:
    own = RIGHT.replace("- dense", "- mine: {x: 3}").replace("resnet20", "my_net")
    assert problems(own)
    assert problems(own + "plugins: [mine.py]\n") == []


def test_a_knob_is_described_with_its_default() -> None:
    schema = json.loads((SUITES / "schema.json").read_text())
    _, with_knobs = schema["$defs"]["Step"]["anyOf"]
    order = with_knobs["properties"]["csr_conv"]["properties"]["order"]
    assert order["default"] == "batched"
    assert order["description"].startswith("`order`: `batched`, `literal` or `fused`")
