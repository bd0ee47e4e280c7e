"""A suite from the template: it can be planned, and nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bench.errors import InputError
from bench.plan.new_suite import write_suite
from bench.plan.plan import make_plan
from bench.plan.suite import Suite, load_suite


def test_what_is_written_is_a_suite_of_these_backbones(tmp_path: Path) -> None:
    file = write_suite("mine", tmp_path, ["resnet20", "layer/16-32-k3"])
    plan = make_plan(load_suite(file))
    assert plan.suite == "mine"
    assert {case.backbone for case in plan.cases} == {"resnet20", "layer/16-32-k3"}
    assert {case.method for case in plan.cases} == {"dense", "csr_conv(T=2)", "csr_conv(T=4)"}


def test_every_line_that_is_commented_out_may_be_taken_in(tmp_path: Path) -> None:
    text = write_suite("mine", tmp_path, ["resnet20"]).read_text(encoding="utf-8")
    lines = [line.replace("# - ", "- ").replace("  # rounds", "  rounds") for line in text.splitlines()]
    keys = tuple(f"# {key}:" for key in Suite.model_fields)
    lines = [line.removeprefix("# ") if line.startswith(keys) else line for line in lines]
    data = yaml.safe_load("\n".join(lines))
    assert {"runtimes", "targets", "batches", "inputs", "threads", "dtypes", "seeds", "exclude"} <= set(data)
    assert len(data["methods"]) == 4
    (tmp_path / "all.yaml").write_text("\n".join(lines), encoding="utf-8")
    assert make_plan(load_suite(tmp_path / "all.yaml")).cases


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "is no name for a suite"),
        ("../x", "is no name for a suite"),
        ("-x", "is no name for a suite"),
        ("smoke", "comes with csr-bench"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        write_suite(name, tmp_path, ["resnet20"])
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_backbone_a_missing_folder_and_a_file_that_exists_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'resnet20'"):
        write_suite("mine", tmp_path, ["resnt20"])
    with pytest.raises(InputError, match="no such folder"):
        write_suite("mine", tmp_path / "no", ["resnet20"])
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine.yaml").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        write_suite("mine", tmp_path, ["resnet20"])
    assert (tmp_path / "mine.yaml").read_text() == "mine"
