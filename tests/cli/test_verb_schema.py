"""bench schema and the shipped suites: the schema in the repository is current, every suite follows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.plan.suite import Measure, Suite, load_suite

SUITES = Path(__file__).parents[2] / "suites"
SHIPPED = sorted(SUITES.glob("*.yaml"))
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
    assert loaded.cases()
    assert loaded.suite.name == file.stem
    assert loaded.suite.description
