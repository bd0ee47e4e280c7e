"""The command line as a whole: help with an example, one version, and wrong input in one line with code 2."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bench.cli
from bench.cli.options import MOST_ROUNDS
from bench.plan.suite import Measure

VERBS = sorted(
    file.stem.removeprefix("verb_").replace("_", "-")
    for file in Path(bench.cli.__file__).parent.glob("verb_*.py")
)

OK = "name: s\nbackbones: [resnet20]\nmethods: [dense]\n"
WRONG = {
    "unknown key": (
        "name: s\nbackbone: [x]\n",
        "s.yaml:2: unknown key 'backbone'; did you mean 'backbones'?",
    ),
    "unknown key in measure": (
        OK + "measure:\n  round: 1\n",
        "s.yaml:5: unknown key 'round'; did you mean 'rounds'?",
    ),
    "unknown backbone": ("name: s\nbackbones: [resnt20]\nmethods: [dense]\n", "s.yaml:2: unknown backbone"),
    "unknown method": ("name: s\nbackbones: [resnet20]\nmethods: [densee]\n", "did you mean 'dense'?"),
    "unknown knob": ("name: s\nbackbones: [resnet20]\nmethods: [csr_conv: {t: 4}]\n", "did you mean 'T'?"),
    "unknown runtime": (OK + "runtimes: [eagr]\n", "s.yaml:4: unknown runtime 'eagr'; did you mean 'eager'?"),
    "unknown target": (OK + "targets: [cdua]\n", "s.yaml:4: unknown target 'cdua'; did you mean 'cuda'?"),
    "wrong type": (OK + "batches: [one]\n", "s.yaml:4: batches.0: "),
    "no steps": (
        "name: s\nbackbones: [resnet20]\nmethods: [csr_conv: {T: 0}]\n",
        "s.yaml:3: method csr_conv: T=0",
    ),
    "empty list": (OK + "batches: []\n", "s.yaml:4: batches: the list is empty"),
    "no shape": (OK + "inputs: [3x]\n", "s.yaml:4: input '3x' is no shape"),
    "syntax": ("name: [s\nbackbones: [resnet20]\n", "s.yaml:2: YAML syntax error"),
    "duplicate key": (OK + "name: t\n", "s.yaml:4: key 'name' stands twice"),
    "anchor in itself": ("name: &a [*a]\n", "s.yaml:1: an anchor contains itself"),
    "deep nesting": ("name: " + "[" * 1000 + "]" * 1000, "s.yaml:1: nesting is too deep"),
    "empty file": ("", "s.yaml:1: a suite is a mapping"),
    "list at top level": ("- a\n", "s.yaml:1: a suite is a mapping"),
    "nothing left": (OK + "exclude: ['*']\n", "s.yaml:4: include and exclude leave no case"),
    "missing plugin": (OK + "plugins: [no.py]\n", "s.yaml:4: the suite names the plugin no.py"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_every_verb_has_an_example(bench: Callable[..., Any], verb: str) -> None:
    said = bench(verb, "--help")
    assert said.code == 0
    assert f"Example: bench {verb}" in said.out
    assert "\x1b" not in said.out
    assert bench(verb, "-h").out == said.out


def test_the_help_names_every_verb_and_has_an_example(bench: Callable[..., Any]) -> None:
    said = bench("--help")
    assert "Example: bench run suites/smoke.yaml" in said.out
    assert all(verb in said.out for verb in VERBS)


def test_no_words_show_the_help(bench: Callable[..., Any]) -> None:
    said = bench()
    assert "Usage" in said.out + said.err


def test_the_version(bench: Callable[..., Any]) -> None:
    from bench import __version__

    assert bench("--version").out == f"bench {__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        ("rnu",),
        ("run",),
        ("run", "s.yaml", "--rounds", "0"),
        ("run", "s.yaml", "--rounds", "1001"),
        ("list", "colours"),
    ],
)
def test_a_wrong_command_line_is_code_2(bench: Callable[..., Any], words: tuple[str, ...]) -> None:
    said = bench(*words)
    assert said.code == 2
    assert said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("verb", ["run", "plan"])
@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_suite_is_one_line_and_code_2_and_nothing_is_written(
    bench: Callable[..., Any], tmp_path: Path, verb: str, mistake: str
) -> None:
    text, words = WRONG[mistake]
    (tmp_path / "s.yaml").write_text(text)
    said = bench(verb, "s.yaml")
    assert said.code == 2
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("bench: s.yaml:")
    assert words in said.err
    assert [file.name for file in tmp_path.iterdir()] == ["s.yaml"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("no.yaml", "bench: no.yaml: no such file\n"), ("folder", "bench: folder: Is a directory\n")],
)
@pytest.mark.parametrize("verb", ["run", "plan"])
def test_a_suite_that_cannot_be_read(
    bench: Callable[..., Any], tmp_path: Path, verb: str, name: str, words: str
) -> None:
    (tmp_path / "folder").mkdir()
    said = bench(verb, name)
    assert (said.code, said.out, said.err) == (2, "", words)
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


def test_a_suite_that_is_not_utf8(bench: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_bytes(b"name: \xff\n")
    said = bench("plan", "s.yaml")
    assert (said.code, said.err) == (2, "bench: s.yaml: not a UTF-8 text file\n")


def test_a_plugin_that_raises_is_one_line_and_code_2(bench: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(OK)
    (tmp_path / "broken.py").write_text("1 / 0")
    said = bench("run", "s.yaml", "--plugin", "broken.py")
    assert (said.code, said.err) == (
        2,
        "bench: plugin 'broken.py', line 1: ZeroDivisionError: division by zero\n",
    )
    assert not (tmp_path / "results").exists()


def test_the_module_is_the_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "plan", "no.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "bench: no.yaml: no such file\n")


def test_a_reader_that_has_gone_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(OK + f"batches: {list(range(1, 3000))}\n")
    done = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m bench plan s.yaml | head -n 1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "resnet20/dense/eager/cpu/b1/3x32x32\n"
    assert done.stderr == ""


def test_help_is_quick_because_no_verb_imports_what_it_may_not_need() -> None:
    heavy = {"torch", "pandas", "pydantic", "numpy", "jinja2", "scipy", "yaml"}
    asked = "import sys, runpy; sys.argv = ['bench', '--help']; import bench.cli.app as a, atexit; "
    asked += f"atexit.register(lambda: print('heavy:', sorted({heavy} & set(sys.modules)))); a.main()"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=False)
    assert done.stdout.endswith("heavy: []\n"), done.stdout + done.stderr


def test_the_most_rounds_are_those_of_a_suite() -> None:
    fields = Measure.model_json_schema()["properties"]
    assert fields["rounds"]["anyOf"][0]["maximum"] == fields["max_rounds"]["maximum"] == MOST_ROUNDS
