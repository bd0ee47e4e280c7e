"""What this host can reach at best: matrix-multiply rate and memory bandwidth.

``python -m bench.worker.peaks`` is a worker: JSON in ({"case": {"threads": n}}), one JSON line out.
"""

from __future__ import annotations

import time
from typing import Any

import torch

from bench.worker.cores import pin
from bench.worker.pipe import answer_one
from bench.worker.protocol import Json, Peaks

MATRIX = 1024
"""Rows of the square matrices: 4 MB each in float32, so the product is bound by arithmetic."""

STREAM_BYTES = 256 * 1024 * 1024
"""Bytes of each array that is streamed: far more than any cache."""

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}


def matmul_flops(dtype: torch.dtype, repeats: int = 12) -> float:
    """Best FLOPs per second of a MATRIX³ product, of ``repeats`` after two to warm up."""
    a = torch.ones(MATRIX, MATRIX, dtype=dtype)
    b, out = torch.ones_like(a), torch.empty_like(a)
    return 2 * MATRIX**3 / _best(lambda: torch.mm(a, b, out=out), repeats)


def bandwidth(repeats: int = 8) -> float:
    """Best bytes per second of a copy, read and written bytes both counted (STREAM's convention)."""
    source = torch.ones(STREAM_BYTES // 4)
    target = torch.empty_like(source)
    return 2 * STREAM_BYTES / _best(lambda: target.copy_(source), repeats)


def measure(threads: int) -> Peaks:
    """Peaks with that many threads."""
    torch.set_num_threads(threads)
    flops = {name: matmul_flops(dtype) for name, dtype in DTYPES.items()}
    return Peaks(threads=threads, flops=flops, bandwidth=bandwidth())


def _best(call: Any, repeats: int) -> float:
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times[2:])


def main() -> None:
    """Answers one job: of its case only the threads matter."""

    def measured(data: Json) -> Peaks:
        threads = int(data["case"]["threads"])
        pin(threads)
        return measure(threads)

    answer_one(measured, lambda failure: Peaks(error=failure))


if __name__ == "__main__":
    main()
