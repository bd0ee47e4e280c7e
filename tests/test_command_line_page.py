"""docs/command-line.md: its commands run as they are written, and print what stands there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import bench.cli
from bench.cli import ending

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```console\n(.*?)^```", PAGE, re.M | re.S)


def commands(block: str) -> list[tuple[str, list[str]]]:
    """Each command of a block with the lines that it prints."""
    parts = re.split(r"^\$ ", block, flags=re.M)[1:]
    return [(part.splitlines()[0], part.splitlines()[1:]) for part in parts]


def fits(printed: list[str], written: list[str]) -> bool:
    """Whether the lines are those that are written; … stands for any text, or for the lines that follow."""
    pattern = "\n".join(written).replace("\n…", "…") if written[-1:] == ["…"] else "\n".join(written)
    parts = map(re.escape, pattern.split("…"))
    return re.fullmatch(".*".join(parts), "\n".join(printed), re.S) is not None


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0].removeprefix("$ bench "))
def test_the_examples_print_what_stands_there(tmp_path: Path, block: str) -> None:
    (tmp_path / "results").symlink_to(ROOT / "results")
    found = commands(block)
    assert found, "no line of this block begins with $"
    for command, written in found:
        words = shlex.split(command)
        assert words[0] == "bench"
        done = subprocess.run(
            [sys.executable, "-m", "bench", *words[1:]],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert fits(done.stdout.splitlines(), written), f"{command}\n{done.stdout}"


def test_every_verb_stands_on_the_page() -> None:
    verbs = [file.stem.removeprefix("verb_") for file in Path(bench.cli.__file__).parent.glob("verb_*.py")]
    table = PAGE.partition("## Exit codes")[0]
    missing = [verb for verb in verbs if not re.search(rf"`{verb.replace('_', '-')}[ `]", table)]
    assert missing == []


def test_every_exit_code_stands_on_the_page() -> None:
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.M)}
    assert codes == {0, 1, 2, 3, 4, ending.INTERNAL_ERROR, ending.INTERRUPTED}


def test_what_differs_is_seen() -> None:
    assert fits(["a", "b", "c"], ["a", "…"])
    assert fits(["x/smoke.yaml:5: y"], ["…smoke.yaml:5: y"])
    assert not fits(["a", "b"], ["a"])
    assert not fits(["a"], ["b"])
