"""What a shell offers behind TAB: verbs, suites, case ids; quickly, without torch, and never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from bench.cli import completion
from bench.cli.app import app

HEAVY = {"torch", "pandas", "numpy", "scipy"}
ASKED = f"""
import atexit, sys
sys.argv = ["bench"]
atexit.register(lambda: print("heavy:", sorted({HEAVY} & set(sys.modules)), file=sys.stderr))
from bench.cli import main
main()
"""


def offered(folder: Path, *words: str) -> list[str]:
    """What bash is told for that line, the last word being typed; nothing heavy may be imported for it."""
    environment = {
        **os.environ,
        "_BENCH_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["bench", *words]),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run(
        [sys.executable, "-c", ASKED],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == "heavy: []\n", done.stderr
    return done.stdout.split()


def test_verbs_are_offered(tmp_path: Path) -> None:
    assert offered(tmp_path, "new-") == ["new-backbone", "new-method", "new-suite"]


def test_suites_are_offered_shipped_ones_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "deep.yaml").touch()
    (tmp_path / "s.txt").touch()
    assert offered(tmp_path, "run", "s") == ["segmentation", "smoke", "small.yaml", "sub/"]
    assert offered(tmp_path, "plan", "sub/") == ["sub/deep.yaml"]


def test_ids_of_the_suite_on_the_line_are_offered(tmp_path: Path) -> None:
    assert offered(tmp_path, "run", "smoke", "--only", "resnet20/f") == [
        "resnet20/filter_l1(ratio=0.5)/eager/cpu/b1/3x32x32"
    ]


def test_beginnings_of_case_ids_are_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "resnet56/" in completion.cases("resnet")
    assert "resnet56/csr_conv(T=4)" in completion.cases("resnet56/csr")


def test_results_are_offered_before_anything_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert completion.result_files("") == []
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "a.jsonl").touch()
    assert completion.result_files("") == ["results/", "results/a.jsonl"]
    assert completion.result_files("results/a") == ["results/a.jsonl"]
    assert completion.result_files(f"{tmp_path}/results/") == [f"{tmp_path}/results/a.jsonl"]


def test_a_broken_suite_offers_nothing_and_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text("name: [", encoding="utf-8")
    command = get_command(app)
    for suite in ("s.yaml", "no.yaml", None):
        context = typer.Context(command)
        context.params["suite"] = suite
        assert completion.cases_of_suite(context, "") == []
    assert completion.suites("no/such/folder/") == []
    assert capsys.readouterr() == ("", "")
