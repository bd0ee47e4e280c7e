"""bench new-suite and new-backbone: what they write can be planned and tested, and they say how."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.errors import InputError
from bench.models.template.scaffold import write_backbone


def test_a_new_suite_is_planned_as_it_was_written(bench: Callable[..., Any], tmp_path: Path) -> None:
    said = bench("new-suite", "mine", "--backbone", "resnet20", "--backbone", "resnet32")
    assert said.code == 0
    assert said.out == "suite: mine.yaml\n"
    assert "bench run mine.yaml --quick" in said.err
    assert len(bench("plan", "mine.yaml", "--guess").out.splitlines()) == 6


def test_a_wrong_new_suite_is_one_line_and_code_2(bench: Callable[..., Any], tmp_path: Path) -> None:
    said = bench("new-suite", "mine", "--backbone", "resnt20")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("bench: unknown backbone 'resnt20'; did you mean ")
    assert list(tmp_path.iterdir()) == []
    assert bench("new-suite", "mine").code == 2


def test_a_new_backbone_is_a_plugin_that_a_new_suite_names(bench: Callable[..., Any], tmp_path: Path) -> None:
    said = bench("new-backbone", "my_net")
    assert (said.code, said.out) == (0, "backbone: my_net.py\ntest:     test_my_net.py\n")
    said = bench("new-suite", "mine", "--backbone", "my_net", "--plugin", "my_net.py")
    assert said.code == 0, said.err
    assert "bench plan mine.yaml --plugin my_net.py" in said.err
    planned = bench("plan", "mine.yaml", "--plugin", "my_net.py", "--guess")
    assert planned.out.splitlines()[0] == "my_net/dense/eager/cpu/b1/3x32x32"


@pytest.mark.slow
def test_the_new_backbones_own_test_passes(tmp_path: Path) -> None:
    _, test = write_backbone("my_net", tmp_path)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)]
    answer = subprocess.run(words, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout
    assert "6 passed" in answer.stdout


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("MyNet", "is no name for a backbone"),
        ("../net", "is no name for a backbone"),
        ("lambda", "has a meaning"),
        ("features", "has a meaning"),
        ("resnet20", "a backbone 'resnet20' exists already"),
        ("torch", "has a meaning"),
        ("yaml", "importable module"),
    ],
)
def test_a_name_that_cannot_be_used_for_a_backbone_is_refused(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        write_backbone(name, tmp_path)
    assert list(tmp_path.iterdir()) == []
