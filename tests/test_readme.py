"""The README: what it shows of a command is what the command prints."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)
NETWORKS = {"VGG-16": "vgg16_bn", "ResNet-56": "resnet56", "MobileNetV2": "mobilenet_v2"}
METHODS = {
    "CSR-Conv T=4": "csr_conv(T=4)",
    "filter pruning 0.5": "filter_l1(ratio=0.5)",
    "int8, static": "int8(scheme=static)",
}


def bench(command: str) -> list[str]:
    """What ``bench …`` prints, run where the README stands."""
    program, *words = shlex.split(command)
    assert program == "bench"
    called = [sys.executable, "-m", "bench", *words]
    done = subprocess.run(called, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    return [line.rstrip() for line in done.stdout.splitlines()]


def shown() -> list[tuple[str, list[str]]]:
    """Command lines of the README, each with the lines that stand under it."""
    found: list[tuple[str, list[str]]] = []
    for block in BLOCK.findall(TEXT):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line.rstrip())
    return found


def promised() -> dict[tuple[str, str], list[str]]:
    """Backbone and label -> the cells of the README's table of two hosts."""
    found: dict[tuple[str, str], list[str]] = {}
    network = ""
    for line in TEXT.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 6 and cells[1] in METHODS:
            network = cells[0] or network
            found[NETWORKS[network], METHODS[cells[1]]] = cells[2:]
    return found


def test_the_readme_shows_what_is_tested_here() -> None:
    assert shown()
    assert len(promised()) == 9


@pytest.mark.parametrize(("command", "expected"), shown(), ids=[command for command, _lines in shown()])
def test_a_command_prints_what_the_readme_shows(command: str, expected: list[str]) -> None:
    assert bench(command) == expected


def test_the_figures_of_two_hosts_are_those_that_their_commands_print() -> None:
    commands = re.findall(r"`(bench show results/reference/[^`]+)`", TEXT)
    assert len(commands) == 2
    timed, emulated = (
        {tuple(line.split("\t")[:2]): line.split("\t") for line in bench(command) if "\t" in line}
        for command in commands
    )
    for case, (params, macs, latency, instructions) in promised().items():
        assert timed[case][2:4] == [params, macs]
        assert timed[case][5] == latency
        assert emulated[case][6] == instructions


def test_the_hosts_are_named_beside_the_figures() -> None:
    flat = " ".join(TEXT.split())
    for words in (
        "AMD EPYC (Zen 5, AVX-512",
        "Cortex-A72 (NEON)",
        "torch 2.13.0+cpu",
        "torch 2.9.1+cpu",
        "one thread",
    ):
        assert words in flat


def test_the_example_page_asks_no_network() -> None:
    page = (ROOT / "docs" / "example-report.html").read_text(encoding="utf-8")
    assert len(page) < 1_500_000
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", page)
    for file in (ROOT / "results" / "reference").glob("*.jsonl"):
        assert file.name.removesuffix(".jsonl") in page, f"make example: {file.name} is not on it"
