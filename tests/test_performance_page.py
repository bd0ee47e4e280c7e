"""docs/performance.md: its tables of compiled kernels are what their command prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def said(*command: str) -> list[str]:
    """The lines that a command of Python prints."""
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout.splitlines()


def page() -> list[str]:
    return (ROOT / "docs" / "performance.md").read_text(encoding="utf-8").splitlines()


def test_the_tables_of_kernels_are_those_of_the_run_that_ships() -> None:
    lines = said("tests/benchmarks/fused.py", "results/reference/kernels/amd-epyc-zen5.jsonl")
    printed = [line for line in lines if line[:3].strip("| ").isalnum() and "ms |" in line]
    printed += [line for line in lines if " to " in line]
    assert len(printed) == 14
    assert [line for line in printed if line not in page()] == []


def test_the_table_of_orders_is_that_of_the_run_that_ships() -> None:
    lines = said("tests/benchmarks/orders.py", "results/reference/orders/amd-epyc-zen5.jsonl")
    printed = [line for line in lines if " to " in line]
    assert len(printed) == 6
    assert [line for line in printed if line not in page()] == []


def test_the_table_of_runtimes_is_that_of_the_run_that_ships() -> None:
    shown = said("-m", "bench", "show", "results/reference/runtimes/amd-epyc-zen5.jsonl")
    lines = [line.split("\t") for line in shown if "\t" in line]
    assert len(lines) == 18
    text = "\n".join(page())
    for dense, csr in zip(lines[::2], lines[1::2], strict=True):
        assert f"| {dense[4]} | {csr[4]} | {csr[5]} |" in text


def test_the_table_of_kept_taps_is_that_of_the_run_that_ships() -> None:
    shown = said("-m", "bench", "show", "results/reference/psconv/amd-epyc-zen5.jsonl")
    lines = [line.split("\t") for line in shown if "psconv(" in line]
    assert len(lines) == 12
    for at in range(0, 12, 3):  # masked, executed, fused
        network, label, macs = lines[at][0], lines[at][1], lines[at][3]
        variant = label.partition("variant=")[2].partition(",")[0]
        ratios = " | ".join(line[5] for line in lines[at : at + 3])
        assert f"| {network} | {variant} | {macs} | {ratios} |" in page()
