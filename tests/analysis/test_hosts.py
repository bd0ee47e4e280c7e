"""A case on several hosts: ratios in one row, and verdicts that turn."""

from __future__ import annotations

import pytest
from golden import after, before, golden
from report_lab import rows

from bench.analysis.hosts import side_by_side


def test_hosts_stand_side_by_side_with_the_newest_run_of_each() -> None:
    hosts, cases = side_by_side(rows(*golden()))
    assert hosts == ("rack (aa11)", "board", "rack (cc33)")
    by_label = {case.row["label"]: case for case in cases}
    assert "dense" not in by_label
    assert "magnitude(density=0.1)" not in by_label
    csr = by_label["csr_conv(T=4)"]
    assert set(csr.by_host) == set(hosts)
    assert csr.by_host["rack (aa11)"].run == "20260201-b"
    assert csr.by_host["rack (aa11)"].ratio.value == pytest.approx(2.5, rel=0.02)


def test_a_verdict_that_turns_is_marked_and_one_that_cannot_be_told_is_not() -> None:
    _, cases = side_by_side(rows(*golden()))
    assert [case.row["label"] for case in cases if case.turned] == ["csr_conv(T=2)"]


def test_one_host_is_beside_nobody() -> None:
    assert side_by_side(rows(before(), after())) == ((), [])
    assert side_by_side([]) == ((), [])
