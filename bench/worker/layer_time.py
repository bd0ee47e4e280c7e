"""Seconds of one layer, for methods that choose by measured times: they get the clock handed in."""

from __future__ import annotations

import statistics

import torch
from torch import Tensor, nn

from bench.worker.latency import CpuStopwatch, LatencyProtocol, measure

PROTOCOL = LatencyProtocol(
    min_samples=24,
    min_seconds=0.01,
    max_seconds=0.1,
    warmup_window=0.003,
    warmup_steady=0.05,
    warmup_max_seconds=0.05,
)
"""Shorter than a trial's: a search asks for a hundred layers, and compares times that differ by far."""


def seconds_of(layer: nn.Module, example: Tensor) -> float:
    """Median seconds of one call on ``example`` (B, C, H, W), on this process's CPU and threads."""
    with torch.inference_mode():
        latency = measure(lambda: layer(example), CpuStopwatch(), PROTOCOL)
    return statistics.median(latency.samples)
