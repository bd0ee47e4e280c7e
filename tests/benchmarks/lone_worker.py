"""One process, one measurement of one network by one protocol: JSON on stdout.

Arguments: PROTOCOL (ours, timm, autorange, pyperf) and the planted slowdown (0.05 is 5 %).
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable

import torch

from bench.models import BACKBONES
from bench.worker.cores import pin
from bench.worker.latency import CpuStopwatch, LatencyProtocol, measure

Call = Callable[[], object]

SAMPLES = 64
"""Samples of ours that are kept for resampling: as many as a trial has at least."""

TIMM_WARMUP, TIMM_TIMED = 10, 40
"""Calls of timm's benchmark script."""

PYPERF_SECONDS, PYPERF_VALUES = 0.1, 3
"""What one value of pyperf takes at least, and how many a worker takes."""

AUTORANGE_SECONDS = 2.0


def ours(call: Call) -> dict[str, object]:
    """This project's trial: steady warm-up, at least SAMPLES samples, the median."""
    samples = measure(call, CpuStopwatch(), LatencyProtocol()).samples
    return {"value": statistics.median(samples), "samples": samples[:SAMPLES]}


def timm(call: Call) -> dict[str, object]:
    """The protocol of timm's benchmark script: calls to warm up, calls that are timed, their mean."""
    for _ in range(TIMM_WARMUP):
        call()
    start = time.perf_counter()
    for _ in range(TIMM_TIMED):
        call()
    return {"value": (time.perf_counter() - start) / TIMM_TIMED}


def autorange(call: Call) -> dict[str, object]:
    """torch.utils.benchmark's adaptive_autorange, its median."""
    from torch.utils.benchmark import Timer

    timer = Timer("call()", globals={"call": call}, num_threads=1)
    return {"value": timer.adaptive_autorange(max_run_time=AUTORANGE_SECONDS).median}


def pyperf(call: Call) -> dict[str, object]:
    """A worker as pyperf runs it: one value to warm up, then PYPERF_VALUES values."""
    start = time.perf_counter()
    call()
    loops = 1
    while True:
        start = time.perf_counter()
        for _ in range(loops):
            call()
        if time.perf_counter() - start >= PYPERF_SECONDS:
            break
        loops *= 2
    values = []
    for _ in range(PYPERF_VALUES):
        start = time.perf_counter()
        for _ in range(loops):
            call()
        values.append((time.perf_counter() - start) / loops)
    return {"value": statistics.mean(values)}


def slowed(call: Call, share: float) -> Call:
    """The call, and then idle spinning for ``share`` of the time it took."""

    def slower() -> None:
        start = time.perf_counter()
        call()
        now = time.perf_counter()
        until = now + share * (now - start)
        while time.perf_counter() < until:
            pass

    return slower if share else call


def main() -> None:
    protocol, share = sys.argv[1], float(sys.argv[2])
    pin(1)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    network = BACKBONES.get("resnet56").network()
    example = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    protocols = {"ours": ours, "timm": timm, "autorange": autorange, "pyperf": pyperf}
    with torch.inference_mode():
        call = slowed(lambda: network(example), share)
        print(json.dumps(protocols[protocol](call)))


if __name__ == "__main__":
    main()
