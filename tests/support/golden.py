"""A made-up set of results that has everything a page must cope with: nothing in it was measured.

Four runs on three hosts: a Xeon before and after a change (a step in one ratio, one more parameter), a board
where one verdict turns, a third machine that shares the Xeon's name. In each: a failed case, one that could
not be counted, one that cannot be told apart, one that was not run, and one network whose name is HTML and
whose method's knob reads from right to left.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from made_trials import made_profile
from report_lab import Net, around, run

from bench.analysis.records import Json
from bench.analysis.store import Results

HTML = "<img src=x onerror=alert(1)>net"
RIGHT_TO_LEFT = "שלום\u202eabc"

XEON: Json = {"id": "aa11", "name": "rack", "cpu": "Xeon", "logical_cpus": 8, "isa": "AVX512"}
BOARD: Json = {"id": "bb22", "name": "board", "cpu": "Cortex-A72", "logical_cpus": 4, "machine": "aarch64"}
OTHER: Json = {"id": "cc33", "name": "rack", "cpu": "EPYC", "logical_cpus": 2, "isa": "AVX2"}

UNSURE = (1.0e-3, 1.3e-3, 0.8e-3, 1.1e-3, 0.95e-3)
"""Medians around one millisecond whose interval holds that of dense."""


def nets(csr: float = 2.5e-3, turning: float = 0.9e-3, params: int = 500) -> tuple[Net, ...]:
    """The cases of one run; the latencies of two of them, and the parameters of one."""
    return (
        Net(medians=around(1e-3)),
        Net("csr_conv", around(csr), {"T": 4}, params=params, macs=3_000,
            replaced=[{"name": "layer1.conv1", "before": "Conv2d 16→16", "after": "CSRConv2d T=4"}],
            left=[{"name": "conv1", "reason": "first convolution"}]),
        Net("csr_conv", around(turning), {"T": 2}, params=700, macs=6_000),
        Net("filter_l1", UNSURE, {"ratio": 0.5}, params=600, macs=5_000),
        Net("psconv", around(1.4e-3), {"variant": "pSC4"}, logical_params=300, macs=9_500,
            executed_macs=10_000),
        Net("magnitude", error="out of memory\nsecond line", knobs={"density": 0.1}),
        Net("tucker2", count_error="no such layer"),
        Net("int8", []),
        Net(medians=around(4e-3), backbone=HTML, params=20_000, macs=2_000_000),
        Net("csr_conv", around(3e-3), {"T": 4, "order": RIGHT_TO_LEFT}, backbone=HTML, params=2_000,
            macs=500_000, disagreements=["conv1: 1 against 2"]),
        Net("filter_l1", around(1.1e-3), {"ratio": 0.64}, backbone=HTML, params=3_000, macs=300_000),
    )  # fmt: skip


def before() -> Results:
    """The Xeon before the change."""
    return run(*nets(csr=3.4e-3), name="20260101-a", suite="golden", host=XEON, revision="old")


def after() -> Results:
    """The Xeon after it: one ratio fell, and the network has one more parameter. With two profiles."""
    found = run(*nets(params=501), name="20260201-b", suite="golden", host=XEON, revision="new")
    found = dated(found, "2026-02-01T00:00:00+00:00")
    dense, csr = (planned.case for planned in found.start.planned()[:2])
    profiles = {
        dense.id: made_profile(
            dense, {"conv1": 4e-4, "layer1.conv1": 4e-4}, seconds=1e-3, run=found.start.run
        ),
        csr.id: made_profile(
            csr,
            {"conv1": 4e-4, "layer1.conv1": 1.6e-3},
            parts={"layer1.conv1": {"U convolutions": 6e-4, "V convolutions": 5e-4, "dispatch": 5e-4}},
            seconds=2.5e-3,
            run=found.start.run,
        ),
    }
    return replace(found, profiles=profiles)


def board() -> Results:
    """The board, where T=2 is slower than dense."""
    return run(*nets(csr=4e-3, turning=1.3e-3), name="20260202-c", suite="golden", host=BOARD)


def other() -> Results:
    """A third machine, of the Xeon's name."""
    return run(*nets(), name="20260203-d", suite="golden", host=OTHER)


def golden() -> list[Results]:
    """All four."""
    return [before(), after(), board(), other()]


def dated(results: Results, started: str, **changes: Any) -> Results:
    """The same run, begun at another time."""
    return replace(results, start=replace(results.start, started=started, **changes))
