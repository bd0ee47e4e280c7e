"""Methods from outside the package: by file, and by entry point of an installed distribution."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import command

from bench import plugins
from bench.errors import InputError
from bench.methods import METHODS
from bench.methods.template.scaffold import write_method
from bench.plugins import load_plugins

RAISES = """
from bench.methods import method

@method("{name}")
def {name}(network, context):
    "Never works."
    raise ArithmeticError("the stars are wrong")
"""
GOOD = """
from torch import nn
from bench.methods import Replaced, Rewritten, method

@method("{name}")
def {name}(network, context):
    "The same layer again."
    return Rewritten(network, (Replaced("conv", "Conv2d", "Conv2d"),))
"""
SUITE = """
name: own
backbones: [layer/4-4-k3]
methods: [{methods}]
measure: {{rounds: 1, min_samples: 3, min_seconds: 0.001, max_seconds: 0.01, warmup_max_seconds: 0.01}}
"""


@pytest.fixture(autouse=True)
def no_names_left_behind() -> Iterator[None]:
    """A plugin's names are gone when its test is over."""
    with plugins.isolated():
        yield


def bench(folder: Path, *words: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command line in a folder of its own; ``path`` holds distributions that look installed."""
    here = str(Path(__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": here if path is None else f"{here}{os.pathsep}{path}"}
    return subprocess.run(
        command(folder.parent / "lock", *words),
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def distribution(folder: Path, **points: str) -> Path:
    """A folder that looks like an installed distribution with these entry points, and their modules."""
    site = folder / "site"
    info = site / "outside-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    lines = [f"{name} = outside_{name}" for name in points]
    (info / "entry_points.txt").write_text("\n".join(["[bench.methods]", *lines]) + "\n")
    for name, text in points.items():
        (site / f"outside_{name}.py").write_text(text)
    return site


@pytest.mark.slow
def test_a_run_measures_own_methods_and_goes_on_where_one_raises(tmp_path: Path) -> None:
    write_method("my_conv", tmp_path)
    (tmp_path / "stars.py").write_text(RAISES.format(name="stars"))
    (tmp_path / "own.yaml").write_text(SUITE.format(methods="dense, stars, my_conv: {ratio: 0.5}"))
    answer = bench(tmp_path, "run", "own.yaml", "--plugin", "my_conv.py", "--plugin", "stars.py", "--json")
    assert answer.returncode == 3, answer.stderr
    outcome = json.loads(answer.stdout)
    assert list(outcome["failed"]) == ["layer/4-4-k3/stars/eager/cpu/b1/4x32x32"]
    records = [json.loads(line) for line in (tmp_path / outcome["results"]).read_text().splitlines()]
    (failed,) = [r for r in records if r.get("status") == "failed"]
    assert failed["error"]["type"] == "ArithmeticError"
    assert 'raise ArithmeticError("the stars are wrong")' in failed["error"]["traceback"]
    measured = {r["case"].split("/")[2] for r in records if r["kind"] == "trial" and r["status"] == "ok"}
    assert measured == {"dense", "my_conv(ratio=0.5)"}


def test_count_takes_a_plugin(tmp_path: Path) -> None:
    write_method("my_conv", tmp_path)
    words = ("count", "layer/4-4-k3", "my_conv", "ratio=0.5", "--plugin", "my_conv.py", "--json")
    answer = bench(tmp_path, *words)
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["params"] == 9 * 4 * 2 + 2 * 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\nraise RuntimeError('no luck\\nsecond line')\n", "line 2: RuntimeError: no luck"),
        ("def f(:\n", "line 1: SyntaxError"),
        ("import sys\nsys.exit(0)\n", "line 2: SystemExit"),
        (GOOD.format(name="csr_conv"), "method 'csr_conv' is registered twice"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_wrong_input(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "bad.py"
    file.write_text(text)
    for _ in range(2):  # the second time the file is not imported again, and still refused
        with pytest.raises(InputError) as caught:
            load_plugins([str(file)])
        assert str(caught.value).startswith(f"plugin '{file}', line ")
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_broken_plugin_ends_the_command_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("raise RuntimeError('no luck')\n")
    (tmp_path / "own.yaml").write_text(SUITE.format(methods="dense"))
    answer = bench(tmp_path, "run", "own.yaml", "--plugin", "bad.py")
    assert answer.returncode == 2
    assert answer.stderr == "bench: plugin 'bad.py', line 1: RuntimeError: no luck\n"
    assert sorted(f.name for f in tmp_path.iterdir()) == ["bad.py", "own.yaml"]


def test_two_files_of_one_name_are_two_plugins(tmp_path: Path) -> None:
    files = []
    for name in ("first_of_two", "second_of_two"):
        file = tmp_path / name / "mine.py"
        file.parent.mkdir()
        file.write_text(GOOD.format(name=name))
        files.append(str(file))
    load_plugins(files)
    assert "first_of_two" in METHODS
    assert "second_of_two" in METHODS


@pytest.mark.slow
def test_an_entry_point_is_a_method_in_every_process(tmp_path: Path) -> None:
    site = distribution(tmp_path, guest=GOOD.format(name="guest"), ruin="raise RuntimeError('no luck')")
    (tmp_path / "own.yaml").write_text(SUITE.format(methods="guest"))
    answer = bench(tmp_path, "run", "own.yaml", "--json", path=site)
    assert answer.returncode == 0, answer.stderr  # and the broken neighbour harms nobody
    lines = (tmp_path / json.loads(answer.stdout)["results"]).read_text().splitlines()
    assert [r["status"] for r in map(json.loads, lines) if r["kind"] == "trial"] == ["ok"]


def test_entry_points_are_imported_only_when_their_name_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {
        "lone": GOOD.format(name="lone"),
        "ruin": "raise RuntimeError('no luck')",
        "liar": GOOD.format(name="somebody_else"),
    }
    monkeypatch.syspath_prepend(str(distribution(tmp_path, **texts)))
    assert {"lone", "ruin", "liar"} <= set(METHODS.names())
    METHODS.get("csr_conv")
    assert not any(name.startswith("outside_") for name in sys.modules)
    assert METHODS.get("lone").summary == "The same layer again."
    assert "outside_ruin" not in sys.modules
    with pytest.raises(InputError) as ruin:
        METHODS.get("ruin")
    expected = "method 'ruin': entry point outside_ruin of outside cannot be loaded: RuntimeError: no luck"
    assert str(ruin.value) == expected
    with pytest.raises(InputError, match="adds no method of that name"):
        METHODS.get("liar")
    with pytest.raises(InputError, match="did you mean 'lone'"):
        METHODS.get("lonee")


def test_list_shows_a_broken_entry_point_and_the_others(tmp_path: Path) -> None:
    site = distribution(tmp_path, ruin="raise RuntimeError('no luck')")
    answer = bench(tmp_path, "list", "methods", path=site)
    assert answer.returncode == 0
    lines = dict(line.split("\t") for line in answer.stdout.splitlines())
    assert lines["ruin"].endswith("RuntimeError: no luck")
    assert "csr_conv" in lines
