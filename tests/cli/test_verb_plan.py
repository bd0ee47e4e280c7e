"""bench plan: the cases on stdout, the numbers beside them, and nothing written."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from own_network import NETS, write_module

from bench import plugins
from bench.plan.plan import Plan
from bench.run import dense, lock
from bench.run.dense import DenseTimes
from bench.run.pace import Cost

SUITE = "name: s\nbackbones: [resnet20, resnet32]\nmethods: [dense, csr_conv: {T: [2, 4]}]\n"


@pytest.fixture(autouse=True)
def suite(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SUITE)


@pytest.fixture(autouse=True)
def called(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Dense networks that a plan would call; nothing is called."""
    names: list[str] = []

    def call_dense(plan: Plan, known: Collection[str], done: Callable[[int, int], None]) -> DenseTimes:
        ids = sorted({dense.called(case).id for case in plan.cases if case.id not in known})
        names.extend(ids)
        return DenseTimes({id_: Cost(building=0.1, call=0.1) for id_ in ids}, 1.0)

    monkeypatch.setattr(dense, "call_dense", call_dense)
    return names


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


def test_bug_every_network_was_told_the_same_time(bench: Callable[..., Any], called: list[str]) -> None:
    guessed = json.loads(bench("plan", "s.yaml", "--json", "--guess").out)["estimated_seconds"]
    assert called == []
    told = json.loads(bench("plan", "s.yaml", "--json").out)["estimated_seconds"]
    assert called == ["resnet20/dense/eager/cpu/b1/3x32x32", "resnet32/dense/eager/cpu/b1/3x32x32"]
    assert told > guessed


def test_beside_a_run_nothing_is_called_and_that_is_said(
    bench: Callable[..., Any], called: list[str], tmp_path: Path
) -> None:
    with lock.HostLock(wait=False):
        said = bench("plan", "s.yaml")
    assert said.code == 0
    assert called == []
    assert "the time is a usual host's: another run (pid " in said.err


def test_a_plan_that_solves_shows_how_far_it_is(
    bench: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr("bench.cli.screen.RunProgress.solving", lambda _, *numbers: seen.append(numbers))
    (tmp_path / "s.yaml").write_text(
        "name: s\nbackbones: [layer/16-16-k3]\n"
        "methods: [dense, csr_conv: {T: {solve: params, to: [0.25, 0.5], within: 0.3}}]\n"
    )
    assert bench("plan", "s.yaml").code == 0
    assert seen == [(0, 2), (1, 2)]


HALF = (
    "from bench.methods.parts.method import Rewritten, method\n"
    "def check(*, ratio):\n"
    "    if not 0 < ratio < 0.2:\n"
    "        raise ValueError('no')\n"
    "@method('half', check=check)\n"
    "def half(network, context, *, ratio: float):\n"
    "    '''Nothing.'''\n"
    "    return Rewritten(network)\n"
)


@pytest.mark.usefixtures("isolated")
def test_bug_a_plugin_that_no_case_has_passed_in_silence(bench: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "half.py").write_text(HALF.replace("0.2:", "0.9:"))
    said = bench("plan", "s.yaml", "--plugin", "half.py")
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        "bench: s.yaml:3: plugin half.py adds the method half, and no case has it: add the line "
        "`- half: {ratio: 0.25}` to methods, or give --method 'half(ratio=0.25)'\n"
    )
    said = bench("plan", "s.yaml", "--plugin", "half.py", "--method", "half(ratio=0.25)")
    assert said.code == 0, said.err
    assert [line.split("/")[1] for line in said.out.splitlines()].count("half(ratio=0.25)") == 2
    said = bench("plan", "s.yaml", "--plugin", "half.py", "--method", "half(ratio=0.25)", "--only", "dense")
    assert said.code == 0


@pytest.mark.usefixtures("isolated")
def test_a_plugin_whose_cases_are_all_left_out_is_told_so(bench: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "half.py").write_text(HALF)
    (tmp_path / "s.yaml").write_text(
        "name: s\nbackbones: [resnet20]\nmethods: [dense, half: {ratio: 0.1}]\nexclude: ['*/half*']\n"
    )
    said = bench("plan", "s.yaml", "--plugin", "half.py")
    assert said.code == 2
    assert said.err.endswith("include and exclude leave out all that the list asks for\n")


@pytest.mark.usefixtures("isolated")
def test_a_backbone_of_a_plugin_that_no_case_has_is_told_too(
    bench: Callable[..., Any], tmp_path: Path
) -> None:
    assert bench("new-backbone", "my_net").code == 0
    said = bench("plan", "s.yaml", "--plugin", "my_net.py")
    assert said.code == 2
    assert said.err == (
        "bench: s.yaml:2: plugin my_net.py adds the backbone my_net, and no case has it: add the line "
        "`- my_net` to backbones\n"
    )


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("csr_cnv(T=4)", "unknown method 'csr_cnv'; did you mean 'csr_conv'?"),
        ("csr_conv(t=4)", "method csr_conv has no knob 't'; did you mean 'T'?"),
        ("csr_conv", "method csr_conv needs the knob T, for example csr_conv: {T: …}"),
        ("csr_conv(T=0)", "method csr_conv: T=0: the number of steps must be at least 1"),
        ("csr_conv(T=4", "'csr_conv(T=4' is no method; csr_conv(T=4) is one"),
    ],
)
def test_a_wrong_method_of_the_command_line_is_one_line(
    bench: Callable[..., Any], label: str, words: str
) -> None:
    said = bench("plan", "s.yaml", "--method", label)
    assert (said.code, said.out, said.err) == (2, "", f"bench: --method '{label}': {words}\n")
