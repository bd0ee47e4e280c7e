"""Suites by their bare names: one's own files first, and the nearest for what is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import InputError
from bench.plan.shipped import find_suite, shipped_suites
from bench.plan.suite import load_suite

REPOSITORY = Path(__file__).parents[2] / "suites"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_package_has_the_suites_of_the_repository_and_no_copy() -> None:
    files = {file.stem: file.resolve() for file in REPOSITORY.glob("*.yaml")}
    assert files.pop("expected").is_file()  # what `bench gate` reads is no suite
    assert shipped_suites() == files


@pytest.mark.parametrize("name", ["smoke", "smoke.yaml"])
def test_a_bare_name_is_a_shipped_suite(name: str) -> None:
    assert find_suite(Path(name)) == (REPOSITORY / "smoke.yaml").resolve()
    assert load_suite(Path(name)).suite.name == "smoke"


def test_a_file_of_ones_own_comes_first_and_a_folder_does_not(tmp_path: Path) -> None:
    (tmp_path / "smoke").mkdir()
    assert find_suite(Path("smoke")) == (REPOSITORY / "smoke.yaml").resolve()
    (tmp_path / "smoke.yaml").touch()
    assert find_suite(Path("smoke.yaml")) == Path("smoke.yaml")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("smok", "smok: no such file; did you mean 'smoke'?"),
        ("cifra.yaml", "cifra.yaml: no such file; did you mean 'cifar'?"),
        ("mine/frist.yaml", "mine/frist.yaml: no such file; did you mean 'mine/first.yaml'?"),
        ("zzzzzz", "zzzzzz: no such file; `bench list suites` names those that are shipped"),
        ("zzzzzz.yaml", "zzzzzz.yaml: no such file"),
    ],
)
def test_what_is_not_there_is_told_with_the_nearest(tmp_path: Path, given: str, words: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "first.yaml").touch()
    with pytest.raises(InputError) as error:
        find_suite(Path(given))
    assert str(error.value) == words


def test_what_the_system_refuses_is_left_to_the_reader() -> None:
    with pytest.raises(InputError, match="File name too long"):
        load_suite(Path("n" * 300))
