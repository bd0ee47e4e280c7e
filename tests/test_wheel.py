"""The wheel: what an installed package needs beside its modules is in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_the_wheel_has_the_suites_and_the_templates(tmp_path: Path) -> None:
    source, wheels = tmp_path / "source", tmp_path / "wheels"
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "bench", source / "bench", symlinks=True, ignore=unwanted)
    shutil.copytree(ROOT / "suites", source / "suites")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    wheels.mkdir()
    asked = f"from setuptools.build_meta import build_wheel; build_wheel({str(wheels)!r})"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = wheels.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        suites = {name: archive.read(name) for name in names if name.startswith("bench/suites/")}
    assert suites == {
        f"bench/suites/{file.name}": file.read_bytes()
        for file in [*ROOT.glob("suites/*.yaml"), ROOT / "suites" / "schema.json"]
    }
    data = {
        str(file.relative_to(ROOT))
        for file in ROOT.glob("bench/**/*")
        if file.is_file() and file.suffix not in (".py", ".pyc") and "suites" not in file.parts
    }
    assert {"bench/worker/instructions.c", "bench/report/page.css", "bench/py.typed"} <= data
    assert data <= names
