"""Which cores a measuring process runs on."""

from __future__ import annotations

import os
from collections.abc import Sequence

from bench.worker.processor import Cluster, numbers, processor


def pin(threads: int, wanted: str = "") -> list[int] | str:
    """Binds this process to ``threads`` cores of its mask: the highest, away from core 0's interrupts.

    ``wanted`` is the cluster that they are taken of: ``big``, ``little`` or a list such as ``4-7``. Returns
    the cores, or "unknown" where the system cannot bind. Raises ValueError when there are fewer cores than
    threads.
    """
    if not hasattr(os, "sched_setaffinity"):
        return "unknown"
    mask = sorted(os.sched_getaffinity(0))
    if wanted:
        allowed = cores_of(wanted, processor().clusters)
        mask = [core for core in mask if core in allowed]
    if threads > len(mask):
        among = f" of {wanted}" if wanted else ""
        raise ValueError(
            f"{threads} threads on {len(mask)} cores{among}: at most {len(mask)} threads work here"
        )
    cores = mask[len(mask) - threads :]
    os.sched_setaffinity(0, cores)
    return cores


def cores_of(wanted: str, clusters: Sequence[Cluster]) -> set[int]:
    """The cores of the fastest cluster, of the slowest, or of a list.

    Raises ValueError where all cores are of one kind and ``big`` or ``little`` is asked for.
    """
    if wanted not in ("big", "little"):
        return set(numbers(wanted))
    if len(clusters) < 2:
        raise ValueError(f"cores: {wanted}: all cores of this host are of one kind")
    return set(clusters[0 if wanted == "big" else -1].cores)
