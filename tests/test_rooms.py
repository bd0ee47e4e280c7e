"""The rooms of the package: what may import what, drawn and described as it is."""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "bench"
MAP = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

WORKERS = (
    "worker",
    "network",
    "plugins",
    "methods",
    "models",
    "runtimes",
    "registry",
    "case",
    "counting",
    "errors",
    "account",
)
"""Rooms whose modules the measuring process may import."""

INSIDE_FUNCTIONS = {
    "bench.counting": {"fvcore"},
    "bench.methods": {"torch_pruning", "numpy", "scipy"},
    "bench.runtimes": {"onnxruntime", "openvino", "executorch"},
    "bench.worker": {"pynvml"},
}
"""What only the counting process reaches, or one whose case asks for that runtime, and NVML where a GPU is
asked for it: by the room that imports it, never at the top of a module."""

LAZY = {"bench.methods.parts.triton_csr": "triton"}
"""Modules whose decorators need a package at their top: they are imported inside functions alone."""


@pytest.fixture(scope="module")
def draw() -> ModuleType:
    """docs/draw_rooms.py as a module."""
    spec = importlib.util.spec_from_file_location("draw_rooms", ROOT / "docs" / "draw_rooms.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rooms() -> set[str]:
    """Every folder with modules and every module directly under bench/."""
    folders = {path.name for path in PACKAGE.iterdir() if any(path.glob("*.py"))}
    return folders | {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as l; l()",
        "--no-cache",
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package in a folder of its own, to be spoilt."""
    shutil.copytree(PACKAGE, tmp_path / "bench", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "line", "words"),
    [
        ("case.py", "import bench.plan.plan", "bench.case -> bench.plan.plan"),
        (
            "plan/plan.py",
            "def later() -> None:\n    import bench.worker.trial",
            "bench.plan.plan -> bench.worker.trial",
        ),
        ("worker/latency.py", "import pandas", "bench.worker.latency -> pandas"),
    ],
    ids=["upwards", "between rooms of one floor", "more than torch"],
)
def test_an_import_against_the_contracts_fails_the_check(
    copy: Path, file: str, line: str, words: str
) -> None:
    with (copy / "bench" / file).open("a", encoding="utf-8") as stream:
        stream.write(f"\n{line}\n")
    said = lint(copy)
    assert said.returncode != 0, said.stdout
    assert words in " ".join(said.stdout.split())


def test_the_package_keeps_its_contracts(copy: Path) -> None:
    said = lint(copy)
    assert said.returncode == 0, said.stdout + said.stderr


def imports(tree: ast.AST, inside: bool = False) -> Iterator[tuple[str, bool]]:
    """The distributions that a module imports, and whether inside a function."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0], inside
        yield from imports(node, inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_what_the_measuring_process_may_import_is_torch_and_the_standard_library() -> None:
    """The contract names packages that are forbidden; this names those that are allowed."""
    own = {"bench", "torch"} | sys.stdlib_module_names
    found: dict[str, set[str]] = {}
    for room in WORKERS:
        path = PACKAGE / room
        for file in path.rglob("*.py") if path.is_dir() else [path.with_suffix(".py")]:
            for name, inside in imports(ast.parse(file.read_text(encoding="utf-8"))):
                if name not in own | {LAZY.get(dotted(file))}:
                    assert inside, f"{file.relative_to(ROOT)} imports {name} at its top"
                    found.setdefault(f"bench.{room}", set()).add(name)
    assert found == INSIDE_FUNCTIONS


def dotted(file: Path) -> str:
    """The module's name."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts)


def test_a_module_that_needs_a_package_at_its_top_is_imported_inside_functions() -> None:
    for file in PACKAGE.rglob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            named = ast.unparse(node) if isinstance(node, ast.Import | ast.ImportFrom) else ""
            assert not any(module.rpartition(".")[2] in named for module in LAZY), file


def test_every_room_stands_on_one_floor_of_the_contract(draw: ModuleType) -> None:
    named = [room for floor in draw.floors() for room in floor]
    assert len(named) == len(set(named))
    assert rooms() <= set(named)


def test_the_map_of_the_contributors_names_every_room_on_its_floor(draw: ModuleType) -> None:
    """CONTRIBUTING.md: a row per room, from the top floor to the ground."""
    rows = re.findall(r"^\| (\d+) \| `bench/([\w]+)(?:/|\.py)` \|", MAP, re.M)
    assert {room for _, room in rows} >= rooms()
    floors = [
        [room for number, room in rows if int(number) == floor] for floor in range(len(draw.floors()), 0, -1)
    ]
    assert [set(floor) for floor in floors] == [set(floor) for floor in draw.floors()]


def test_every_folder_inside_a_room_is_on_the_map() -> None:
    inside = [folder for folder in PACKAGE.glob("*/*/") if any(folder.glob("*.py"))]
    assert PACKAGE / "methods" / "parts" in inside
    for folder in inside:
        assert f"`{folder.relative_to(ROOT)}/`" in MAP


def test_the_picture_is_that_of_the_source(draw: ModuleType) -> None:
    page = draw.PAGE.read_text(encoding="utf-8")
    block = draw.picture(draw.arrows(), draw.floors())
    assert draw.written(page, block) == page, "run `make picture`"


def test_an_arrow_that_follows_from_others_is_left_out(draw: ModuleType) -> None:
    assert draw.needed({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {"a": {"b"}, "b": {"c"}, "c": set()}


def test_a_circle_keeps_its_arrows(draw: ModuleType) -> None:
    circle = {"a": {"b", "c"}, "b": {"a", "c"}, "c": set()}
    assert draw.needed(circle) == circle


def test_an_arrow_upwards_is_drawn_as_one(draw: ModuleType) -> None:
    text = draw.picture({"a": {"b"}, "b": {"a"}}, [["a"], ["b"]])
    assert "a --> b" in text
    assert "b -. upwards .-> a" in text
    assert "2 rooms, 2 arrows, 1 upwards." in text
