"""Networks of the user's own in a suite: asked for leave, hashed, named, and put into cases."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mistakes import assert_named
from own_network import write_module

from bench.case import Case
from bench.errors import InputError
from bench.plan.plan import Plan, make_plan
from bench.plan.suite import load_suite

Write = Callable[[str], Path]


@pytest.fixture(autouse=True)
def same_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders that are added to the module path are gone afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.fixture
def nets(tmp_path: Path) -> str:
    """The name of a module beside the suite."""
    return write_module(tmp_path)


def suite(*backbones: str, more: str = "") -> str:
    listed = "".join(f"  - {backbone}\n" for backbone in backbones)
    return f"name: s\nmethods: [dense, csr_conv: {{T: 2}}]\nbackbones:\n{listed}{more}"


def plan_of(file: Path) -> Plan:
    return make_plan(load_suite(file, trust=True))


def test_a_network_of_ones_own_becomes_cases(suite_file: Write, nets: str, tmp_path: Path) -> None:
    text = suite(f"{{import: '{nets}:build', args: {{width: 6}}, input: 3x16x16}}", "resnet20")
    plan = plan_of(suite_file(text))
    assert [case.id for case in plan.cases[:2]] == [
        f"{nets}:build(width=6)/dense/eager/cpu/b1/3x16x16",
        f"{nets}:build(width=6)/csr_conv(T=2)/eager/cpu/b1/3x16x16",
    ]
    assert [case.imported is None for case in plan.cases] == [False, False, True, True]
    source = plan.cases[0].imported
    assert source is not None
    assert (source.args, source.folder, source.weights) == ({"width": 6}, str(tmp_path), "")
    assert plan.imports_in_words() == (f"imports: {nets}:build(width=6): {nets}:build",)


def test_a_case_comes_back_from_json_as_it_went(suite_file: Write, nets: str) -> None:
    text = suite(f"{{import: '{nets}:build', args: {{width: 6}}, input: 3x16x16}}", "resnet20")
    for case in plan_of(suite_file(text)).cases:
        data = json.loads(json.dumps(case.as_dict()))
        assert Case.from_dict(data) == case
        assert ("imported" in data) == (case.imported is not None)
        assert case.baseline().imported == case.imported


def test_weights_are_hashed_and_named(suite_file: Write, nets: str, tmp_path: Path) -> None:
    weights = {"first.weight": torch.zeros(8, 3, 3, 3)}
    sys.path.append(str(tmp_path))
    module = __import__(nets)
    torch.save({**module.build().state_dict(), **weights}, tmp_path / "best.pt")
    plan = plan_of(suite_file(suite(f"{{import: '{nets}:build', input: 3x16x16, weights: best.pt}}")))
    source = plan.cases[0].imported
    assert source is not None
    assert plan.cases[0].backbone == f"{nets}:build@best"
    assert source.sha256 == hashlib.sha256((tmp_path / "best.pt").read_bytes()).hexdigest()
    assert plan.imports_in_words() == (
        f"imports: {nets}:build@best: {nets}:build, weights {tmp_path / 'best.pt'} "
        f"(SHA-256 {source.sha256[:12]})",
    )
    before = plan.digest()
    torch.save(module.build().state_dict(), tmp_path / "best.pt")
    again = plan_of(suite_file(suite(f"{{import: '{nets}:build', input: 3x16x16, weights: best.pt}}")))
    assert again.digest() != before


def test_another_host_is_told_what_it_needs(suite_file: Write, nets: str) -> None:
    text = suite(
        f"{{import: '{nets}:build', input: 3x16x16, name: mine}}",
        more="targets: [cpu, {name: pi, prefix: [ssh, pi]}]\n",
    )
    plan = plan_of(suite_file(text))
    assert plan.imports_in_words() == (
        f"imports: mine: {nets}:build",
        f"target pi: {nets} has to be installed there, or to lie where workers start",
    )
    assert len(plan.imports_in_words(elsewhere=True)) == 3


def test_bug_looking_at_a_suite_must_not_import_what_it_names(suite_file: Write, tmp_path: Path) -> None:
    spy = write_module(tmp_path, f"open({str(tmp_path / 'ran')!r}, 'w')\ndef build():\n    pass\n")
    file = suite_file(suite("resnet20", f"{{import: '{spy}:build', input: 3x16x16}}"))
    with pytest.raises(InputError) as caught:
        load_suite(file)
    assert str(caught.value) == (
        f"{file}:5: the suite imports {spy}:build, a program that would run here: `--trust` allows all that "
        "the suite names"
    )
    assert not (tmp_path / "ran").exists()


MISTAKES: dict[str, tuple[str, str]] = {
    "no function": ("{import: NETS, input: 3x16x16}", "import: must match pattern"),
    "no input": ("{import: 'NETS:build'}", "the key 'input' is missing"),
    "no shape": ("{import: 'NETS:build', input: 3x}", "input '3x' is no shape"),
    "unknown key": ("{import: 'NETS:build', weigths: a}", "unknown key 'weigths'; did you mean 'weights'?"),
    "weights that are not there": (
        "{import: 'NETS:build', input: 3x16x16, weights: best.pt}",
        "best.pt: no such file",
    ),
    "weights that are a folder": (
        "{import: 'NETS:build', input: 3x16x16, weights: .}",
        "Is a directory",
    ),
    "a name that is taken": (
        "{import: 'NETS:build', input: 3x16x16, name: resnet20}",
        "'resnet20' is the name of another backbone",
    ),
    "a name with a slash": ("{import: 'NETS:build', input: 3x16x16, name: a/b}", "name: must match pattern"),
    "arguments that are no data": (
        "{import: 'NETS:build', input: 3x16x16, args: {width: 2026-01-01}}",
        "numbers, words, lists and mappings are passed on",
    ),
    "arguments that are long": (
        "{import: 'NETS:build', input: 3x16x16, args: {width: " + "x" * 200 + "}}",
        "give it a `name`",
    ),
    "a function that raises": (
        "{import: 'NETS:breaks', input: 3x16x16}",
        "cannot build its network: RuntimeError: no such",
    ),
    "a number": ("3", "backbones.0: must be a word or a mapping"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_with_its_place(suite_file: Write, nets: str, mistake: str) -> None:
    written, words = MISTAKES[mistake]
    file = suite_file(suite(written.replace("NETS", nets)))
    assert_named(lambda: plan_of(file), file, 4, words)


def test_two_networks_of_one_name_are_told_apart_by_a_name(suite_file: Write, tmp_path: Path) -> None:
    one = write_module(tmp_path)
    text = suite(
        f"{{import: '{one}:build', args: {{width: 4}}, input: 3x16x16, name: mine}}",
        f"{{import: '{one}:build', args: {{width: 8}}, input: 3x16x16, name: mine}}",
    )
    with pytest.raises(InputError, match=r"s\.yaml:3: two cases share the id mine/dense.* a `name`"):
        plan_of(suite_file(text))


def test_classes_are_for_its_arguments_to_say(suite_file: Write, nets: str) -> None:
    text = suite(f"{{import: '{nets}:build', input: 3x16x16, name: mine}}", more="classes: 5\n")
    with pytest.raises(InputError, match=r"s\.yaml:5: mine knows no classes to ask for, it has"):
        plan_of(suite_file(text))
