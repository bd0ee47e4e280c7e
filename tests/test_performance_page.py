"""docs/performance.md: its tables of compiled kernels are what their command prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_tables_of_kernels_are_those_of_the_run_that_ships() -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8").splitlines()
    program = [sys.executable, "tests/benchmarks/fused.py", "results/reference/kernels/amd-epyc-zen5.jsonl"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    printed = [line for line in done.stdout.splitlines() if line[:3].strip("| ").isalnum() and "ms |" in line]
    printed += [line for line in done.stdout.splitlines() if " to " in line]
    assert len(printed) == 14
    assert [line for line in printed if line not in page] == []


def test_the_table_of_runtimes_is_that_of_the_run_that_ships() -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    shown = [sys.executable, "-m", "bench", "show", "results/reference/runtimes/amd-epyc-zen5.jsonl"]
    done = subprocess.run(shown, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    lines = [line.split("\t") for line in done.stdout.splitlines() if "\t" in line]
    assert len(lines) == 18
    for dense, csr in zip(lines[::2], lines[1::2], strict=True):
        assert f"| {dense[4]} | {csr[4]} | {csr[5]} |" in page
