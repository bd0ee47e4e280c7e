"""A method from the template: it passes its own test, and nothing is overwritten."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import InputError
from bench.methods.template.scaffold import TEMPLATES, write_method


@pytest.mark.slow
def test_the_generated_test_passes(tmp_path: Path) -> None:
    method, test = write_method("my_conv", tmp_path)
    assert "class MyConv2d(" in method.read_text()
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout
    assert "10 passed" in answer.stdout


@pytest.mark.slow
def test_the_generated_test_can_fail(tmp_path: Path) -> None:
    method, test = write_method("my_conv", tmp_path)
    broken = method.read_text().replace("rank * self.widen.out_channels", "self.widen.out_channels")
    method.write_text(broken)
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "witnesses", str(test)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1, answer.stdout
    assert "conv: closed form" in answer.stdout


@pytest.mark.parametrize("file", ["my_conv.py", "test_my_conv.py"])
def test_a_file_that_exists_is_left_alone(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        write_method("my_conv", tmp_path)
    assert [f.name for f in tmp_path.iterdir()] == [file]
    assert (tmp_path / file).read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("MyConv", "is no name for a method"),
        ("2conv", "is no name for a method"),
        ("../conv", "is no name for a method"),
        ("", "is no name for a method"),
        ("lambda", "has a meaning"),
        ("float", "has a meaning"),
        ("replace_each", "has a meaning"),
        ("csr_conv", "a method 'csr_conv' exists already"),
        ("json", "is already the name of an importable module; choose another"),
    ],
)
def test_a_name_that_cannot_be_used_writes_nothing(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        write_method(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        write_method("my_conv", tmp_path / "nowhere")


def test_the_templates_are_where_the_installed_package_has_them() -> None:
    assert sorted(file.name for file in TEMPLATES.glob("*.txt")) == ["method.txt", "test_method.txt"]
