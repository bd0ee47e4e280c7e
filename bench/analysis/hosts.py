"""The same case on several hosts: its ratios in one row, and whether the verdict turns between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.analysis.stats import Interval
from bench.analysis.verdict import FASTER, SLOWER

SAME_CASE = (
    "arm", "backbone", "label", "runtime", "batch", "input", "threads", "memory_format", "dtype", "seed",
)  # fmt: skip
"""Columns of the frame by which two rows of different hosts are the same case."""


@dataclass(frozen=True)
class OnHost:
    """What one host found of a case. ``verdict`` is "" where there is none."""

    ratio: Interval
    verdict: str
    run: str


@dataclass(frozen=True)
class AcrossHosts:
    """One case by host. ``row`` is one of its rows, for its names."""

    row: Mapping[str, Any]
    by_host: Mapping[str, OnHost]

    @property
    def turned(self) -> bool:
        """True where one host calls it faster than dense and another slower."""
        return {FASTER, SLOWER} <= {found.verdict for found in self.by_host.values()}


def side_by_side(rows: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], list[AcrossHosts]]:
    """The hosts, and the compressed cases that more than one of them measured.

    ``rows`` are the frame's with ``machine``, the name of the host. Of several runs of a host the last row
    counts. Nothing where there is one host.
    """
    measured = [row for row in rows if row["machine"] and row["status"] == "ok" and not row["is_baseline"]]
    hosts = tuple(dict.fromkeys(str(row["machine"]) for row in measured))
    cases: dict[tuple[Any, ...], dict[str, Mapping[str, Any]]] = {}
    for row in measured:
        cases.setdefault(tuple(row[column] for column in SAME_CASE), {})[str(row["machine"])] = row
    found = [
        AcrossHosts(
            next(iter(by_host.values())), {host: _on_host(by_host[host]) for host in hosts if host in by_host}
        )
        for by_host in cases.values()
        if len(by_host) > 1
    ]
    return (hosts, found) if found else ((), [])


def _on_host(row: Mapping[str, Any]) -> OnHost:
    ratio = Interval(row["ratio"], row["ratio_low"], row["ratio_high"], row["ratio_rounds"])
    return OnHost(ratio, str(row["verdict"]), str(row["run"]))
