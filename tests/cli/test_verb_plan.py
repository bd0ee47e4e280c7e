"""bench plan: the cases on stdout, the numbers beside them, and nothing written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from own_network import NETS, write_module

from bench import plugins

SUITE = "name: s\nbackbones: [resnet20, resnet32]\nmethods: [dense, csr_conv: {T: [2, 4]}]\n"


@pytest.fixture(autouse=True)
def suite(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SUITE)


def test_case_ids_stand_alone_on_stdout(bench: Callable[..., Any], tmp_path: Path) -> None:
    said = bench("plan", "s.yaml", "--only", "resnet32/csr_conv(T=4)*", "--rounds", "7")
    assert said.code == 0
    assert said.out.splitlines() == [
        "resnet32/dense/eager/cpu/b1/3x32x32",
        "resnet32/csr_conv(T=4)/eager/cpu/b1/3x32x32",
    ]
    assert said.err.startswith("2 cases, 7 rounds, 14 trials, about ")
    assert [file.name for file in tmp_path.iterdir()] == ["s.yaml"]


def test_a_plan_for_machines(bench: Callable[..., Any]) -> None:
    data = json.loads(bench("plan", "s.yaml", "--json", "--quick").out)
    assert len(data["cases"]) == 6
    assert (data["rounds"], data["trials"], data["networks"]) == (2, 12, 6)


def test_only_that_fits_nothing_is_code_2(bench: Callable[..., Any]) -> None:
    said = bench("plan", "s.yaml", "--only", "vgg")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("bench: --only vgg: no case fits")


@pytest.fixture
def isolated() -> Iterator[None]:
    """A plugin's names are gone when its test is over."""
    with plugins.isolated():
        yield


@pytest.mark.usefixtures("isolated")
def test_a_plugin_adds_a_method(bench: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "from bench.methods.parts.method import Rewritten, method\n"
        "@method('own_for_plan')\n"
        "def own(network, context):\n"
        "    '''Nothing.'''\n"
        "    return Rewritten(network)\n"
    )
    (tmp_path / "s.yaml").write_text("name: s\nbackbones: [resnet20]\nmethods: [own_for_plan]\n")
    assert bench("plan", "s.yaml").code == 2
    assert bench("plan", "s.yaml", "--plugin", "own.py").out == "resnet20/own_for_plan/eager/cpu/b1/3x32x32\n"


@pytest.mark.usefixtures("isolated")
def test_bug_plan_ran_what_a_suite_names(bench: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "spy.py").write_text("open('ran', 'w')")
    (tmp_path / "s.yaml").write_text(SUITE + "plugins: [spy.py]\n")
    said = bench("plan", "s.yaml")
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        "bench: s.yaml:4: the suite names the plugin spy.py, a program that would run here: "
        "`--plugin spy.py` allows this file, `--trust` all that the suite names\n"
    )
    assert not (tmp_path / "ran").exists()
    assert bench("plan", "s.yaml", "--plugin", "spy.py").code == 0
    assert bench("plan", "s.yaml", "--trust").code == 0
    assert (tmp_path / "ran").exists()


OWN = "targets:\n  - cpu\n  - {name: board, prefix: [ssh, pi], python: python3}\n"


def test_commands_of_a_suites_own_are_shown_first(bench: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SUITE + OWN)
    said = bench("plan", "s.yaml")
    assert said.code == 0
    assert (
        said.err.splitlines()[0] == "would run: ssh pi 'PYTHONPATH=~/.csr-bench exec python3 -m bench.worker'"
    )
    said = bench("plan", "s.yaml", "--json")
    assert json.loads(said.out)["would_run"] == [
        "ssh pi 'PYTHONPATH=~/.csr-bench exec python3 -m bench.worker'"
    ]
    assert said.err.splitlines() == [
        "would run: ssh pi 'PYTHONPATH=~/.csr-bench exec python3 -m bench.worker'"
    ]


def test_bug_rounds_beyond_what_a_suite_may_have(bench: Callable[..., Any]) -> None:
    said = bench("plan", "s.yaml", "--rounds", "1001")
    assert said.code == 2
    assert "--rounds" in said.err
    assert "1000" in said.err


def test_a_plan_for_a_resolution_says_how_long_that_takes(bench: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("name: s\nbackbones: [resnet20]\nmethods: [dense, csr_conv: {T: 4}]\n")
    said = bench("plan", "s.yaml", "--resolution", "0.5%")
    assert said.code == 0
    assert "5 to 30 rounds, until each verdict at ±0.5 % is known" in said.err
    assert bench("plan", "s.yaml", "--resolution", "half").code == 2


SWEEPS = """\
name: s
methods: [dense, csr_conv: {T: 2}]
measure: {rounds: 5}
sweeps:
  - {for: one, backbones: [resnet20]}
  - {for: other, backbones: [resnet32], measure: {rounds: 3}}
  - {for: more, backbones: [resnet20], methods: [csr_conv: {T: [2, 4]}, int8]}
exclude:
  - {method: int8, because: "[no] int8 today"}
"""


def test_a_plan_by_sweep_says_who_asks_and_what_is_left_out(
    bench: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "s.yaml").write_text(SWEEPS)
    said = bench("plan", "s.yaml", "--by-sweep")
    assert said.code == 0
    assert said.out.splitlines() == [
        "one: 2 cases",
        "  resnet20/dense/eager/cpu/b1/3x32x32",
        "  resnet20/csr_conv(T=2)/eager/cpu/b1/3x32x32",
        "other: 2 cases; measure: rounds 3",
        "  resnet32/dense/eager/cpu/b1/3x32x32",
        "  resnet32/csr_conv(T=2)/eager/cpu/b1/3x32x32",
        "more: 1 case, and 1 from above",
        "  resnet20/csr_conv(T=4)/eager/cpu/b1/3x32x32",
        "left out: 1 case: [no] int8 today",
    ]
    assert said.err.startswith("5 cases, 3 to 5 rounds, 21 trials, about ")


def test_a_plan_for_machines_has_the_sweeps(bench: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SWEEPS)
    data = json.loads(bench("plan", "s.yaml", "--json").out)
    assert [(sweep["for"], len(sweep["cases"])) for sweep in data["sweeps"]] == [
        ("one", 2), ("other", 2), ("more", 2),
    ]  # fmt: skip
    assert [sweep["measure"]["rounds"] for sweep in data["sweeps"]] == [5, 3, 5]
    assert data["left_out"] == [{"because": "[no] int8 today", "cases": 1}]


def test_by_sweep_without_sweeps_is_code_2(bench: Callable[..., Any]) -> None:
    said = bench("plan", "s.yaml", "--by-sweep")
    assert (said.code, said.out, said.err) == (2, "", "bench: --by-sweep: suite s has no sweeps\n")


def test_an_import_needs_leave_before_it_is_planned(bench: Callable[..., Any], tmp_path: Path) -> None:
    nets = write_module(tmp_path, NETS + "open('ran', 'w')\n")
    (tmp_path / "s.yaml").write_text(
        f"name: s\nmethods: [dense]\nbackbones: [{{import: '{nets}:build', input: 3x8x8}}]\n"
    )
    said = bench("plan", "s.yaml")
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        f"bench: s.yaml:3: the suite imports {nets}:build, a program that would run here: `--trust` allows "
        "all that the suite names\n"
    )
    assert not (tmp_path / "ran").exists()
    said = bench("plan", "s.yaml", "--trust")
    assert (said.code, said.out) == (0, f"{nets}:build/dense/eager/cpu/b1/3x8x8\n")
    assert said.err.splitlines()[0] == f"imports: {nets}:build: {nets}:build"
