"""docs/suites.md and docs/your-network.md: every key with its usual value, and examples that are suites."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from bench import plugins
from bench.models import BACKBONES
from bench.plan.axes import AXES
from bench.plan.imports import ImportSpec
from bench.plan.plan import make_plan
from bench.plan.suite import Measure, load_suite
from bench.plan.trimming import Condition

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "suites.md").read_text(encoding="utf-8")
OWN = (DOCS / "your-network.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text under a heading of the page."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_the_page_has_every_key_of_measure_with_its_usual_value() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \| \S", section("How cases are measured"), re.M)
    told = {key: None if usual == "–" else yaml.safe_load(usual.strip("`")) for key, usual in rows}
    assert len(rows) == len(told)
    assert told == {name: field.default for name, field in Measure.model_fields.items()}


def test_the_page_names_every_axis_of_a_sweep_and_of_a_condition() -> None:
    assert set(re.findall(r"`(\w+)`", section("Sweeps"))) >= {*AXES, "for", "measure", "sweeps"}
    assert set(re.findall(r"`(\w+)`", section("Leaving out"))) >= set(Condition.model_fields)


def examples(text: str) -> list[str]:
    """The YAML blocks that are whole suites."""
    return [block for block in re.findall(r"```yaml\n(.*?)```", text, re.S) if block.startswith("name:")]


def test_the_page_s_example_of_sweeps_is_a_suite(suite_file: Callable[[str], Path]) -> None:
    (text,) = [block for block in examples(PAGE) if "sweeps:" in block]
    plan = make_plan(load_suite(suite_file(text)))
    assert [len(sweep.cases) for sweep in plan.sweeps] == [15, 4, 2]


def test_the_page_s_conditions_are_conditions() -> None:
    (block,) = [b for b in re.findall(r"```yaml\n(.*?)```", PAGE, re.S) if b.startswith("exclude:")]
    for entry in yaml.safe_load(block)["exclude"]:
        assert isinstance(entry, str) or Condition.model_validate(entry)


def test_the_page_of_your_network_has_every_key_of_an_import() -> None:
    (text,) = examples(OWN)
    written = yaml.safe_load(text)["backbones"][0]
    assert ImportSpec.model_validate(written)
    assert set(written) == {field.alias or name for name, field in ImportSpec.model_fields.items()}


@pytest.mark.parametrize("word", ["weights_only=True", "SHA-256", "--trust", "--plugin", "discarded"])
def test_the_page_of_your_network_names_what_matters(word: str) -> None:
    assert word in OWN


def test_the_backbone_of_the_page_can_be_built(tmp_path: Path) -> None:
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", OWN, re.S) if "@backbone" in block]
    (tmp_path / "my_net.py").write_text(code, encoding="utf-8")
    with plugins.isolated():
        plugins.load_plugins([str(tmp_path / "my_net.py")])
        found = BACKBONES.get("my_net")
        assert found.summary == "First line: what `bench list backbones` shows."
        assert found.network(7)(torch.zeros(2, *found.input)).shape == (2, 7)
