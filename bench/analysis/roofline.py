"""The roofline: how long a network must take at least on a host, and which part of that it reached.

Attainable time of a layer = max(FLOPs / matrix-multiply rate, compulsory bytes / bandwidth), both
measured on the host (Williams, Waterman, Patterson 2009); of a network, the sum over its convolution
and linear layers. Compulsory bytes are each layer's input, output and stored weights, once, in
float32. Caches can beat the bandwidth, so a small network may reach more than 1.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.counting.counts import LayerCounts

FLOAT32 = 4
FILE = "peaks.json"


@dataclass(frozen=True)
class Peak:
    """A host's best: FLOPs per second in float32, bytes per second."""

    flops: float
    bandwidth: float

    def attainable(self, macs: int, moved: int) -> float:
        """Seconds that so many MACs and bytes need at least."""
        return max(2 * macs / self.flops, moved / self.bandwidth)


def layer_bytes(layer: LayerCounts, batch: int = 1) -> int:
    """Compulsory bytes of a layer: input and output per image, weights once."""
    activations: int = math.prod(layer.input) + math.prod(layer.output)
    return FLOAT32 * (batch * activations + layer.params)


def network_attainable(layers: Iterable[LayerCounts], peak: Peak, batch: int = 1) -> float:
    """Seconds that the network's counted layers need at least."""
    return sum(peak.attainable(batch * row.executed_macs, layer_bytes(row, batch)) for row in layers)


def intensity(layers: Sequence[LayerCounts], batch: int = 1) -> float:
    """FLOPs per compulsory byte of the whole network; nan for one without counted layers."""
    moved = sum(layer_bytes(row, batch) for row in layers)
    return 2 * batch * sum(row.executed_macs for row in layers) / moved if moved else math.nan


def peak_for(peaks: Mapping[str, Any] | None, host: str, threads: int) -> Peak | None:
    """The stored peak of a host for that many threads; None where it was never measured."""
    try:
        if not peaks or peaks["host"]["id"] != host:
            return None
        for row in peaks["peaks"]:
            if row["threads"] == threads:
                return Peak(float(row["flops"]["float32"]), float(row["bandwidth"]))
    except (KeyError, TypeError, ValueError):
        return None  # not what `bench doctor --peaks` writes: as good as not measured
    return None


def read_peaks(folder: Path) -> dict[str, Any] | None:
    """What ``bench doctor --peaks`` stored in a results folder; None where it did not."""
    try:
        data = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return data if isinstance(data, dict) and "peaks" in data else None


def write_peaks(folder: Path, host: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Path:
    """Stores the peaks with the fingerprint of their host."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / FILE
    text = json.dumps({"host": dict(host), "peaks": [dict(row) for row in rows]}, indent=1)
    file.write_text(text + "\n", encoding="utf-8")
    return file
