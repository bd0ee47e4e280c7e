"""Which cores a worker takes on a host with several kinds of them."""

from __future__ import annotations

import os

import pytest

from bench.worker import cores
from bench.worker.processor import Cluster, Processor

CLUSTERS = (Cluster("Cortex-A76", (4, 5, 6, 7), 1024), Cluster("Cortex-A55", (0, 1, 2, 3), 414))


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """A board with four fast cores and four slow ones; what it binds."""
    bound: list[list[int]] = []
    found = Processor("board", "Cortex-A76 + Cortex-A55", "", (), {}, CLUSTERS)
    monkeypatch.setattr(cores, "processor", lambda: found)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, wanted: bound.append(list(wanted)))
    return bound


def test_a_cluster_is_taken_by_name_or_by_number(board: list[list[int]]) -> None:
    assert cores.pin(2, "big") == [6, 7]
    assert cores.pin(1, "little") == [3]
    assert cores.pin(2, "0-1,6") == [1, 6]
    assert cores.pin(3) == [5, 6, 7]
    assert board == [[6, 7], [3], [1, 6], [5, 6, 7]]


def test_more_threads_than_a_cluster_has_cores_is_an_error(board: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="5 threads on 4 cores of big: at most 4 threads work here"):
        cores.pin(5, "big")


def test_one_kind_of_cores_has_no_big_ones() -> None:
    with pytest.raises(ValueError, match="cores: big: all cores of this host are of one kind"):
        cores.cores_of("big", CLUSTERS[:1])
