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


def test_the_table_of_orders_is_that_of_the_run_that_ships() -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8").splitlines()
    program = [sys.executable, "tests/benchmarks/orders.py", "results/reference/orders/amd-epyc-zen5.jsonl"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    printed = [line for line in done.stdout.splitlines() if " to " in line]
    assert len(printed) == 6
    assert [line for line in printed if line not in page] == []


def test_the_table_of_kept_taps_is_that_of_the_run_that_ships() -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    shown = [sys.executable, "-m", "bench", "show", "results/reference/psconv/amd-epyc-zen5.jsonl"]
    done = subprocess.run(shown, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    lines = [line.split("\t") for line in done.stdout.splitlines() if "psconv(" in line]
    assert len(lines) == 12
    for network, variant, macs, *ratios in (
        (lines[at][0], lines[at][1].partition("variant=")[2].partition(",")[0], lines[at][3],
         *(line[5] for line in lines[at : at + 3]))
        for at in range(0, 12, 3)
    ):  # fmt: skip
        assert f"| {network} | {variant} | {macs} | {' | '.join(ratios)} |" in page
