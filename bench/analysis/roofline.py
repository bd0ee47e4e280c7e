"""The roofline: how long a network must take at least on a host, and which part of that it reached.

Attainable time of a layer = max(FLOPs / matrix-multiply rate, compulsory bytes / bandwidth), both
measured on the host (Williams, Waterman, Patterson 2009); of a network, the sum over its convolution
and linear layers. Compulsory bytes are each layer's input, output and stored weights, once, in the
case's dtype. Caches can beat the bandwidth, so a small network may reach more than 1.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.analysis.disk import write_whole
from bench.analysis.redaction import Redactor
from bench.case import FLOAT32
from bench.counting.counts import LayerCounts
from bench.errors import InputError

BYTES = {FLOAT32: 4, "bfloat16": 2, "float16": 2}
"""Bytes of a number by dtype."""

FILE = "peaks.json"


@dataclass(frozen=True)
class Peak:
    """A host's best in one dtype: FLOPs per second, bytes per second."""

    flops: float
    bandwidth: float

    def attainable(self, macs: int, moved: int) -> float:
        """Seconds that so many MACs and bytes need at least."""
        return max(2 * macs / self.flops, moved / self.bandwidth)


def layer_bytes(layer: LayerCounts, batch: int = 1, dtype: str = FLOAT32) -> int:
    """Compulsory bytes of a layer: input and output per image, weights once."""
    activations: int = math.prod(layer.input) + math.prod(layer.output)
    return BYTES[dtype] * (batch * activations + layer.params)


def network_attainable(
    layers: Iterable[LayerCounts], peak: Peak, batch: int = 1, dtype: str = FLOAT32
) -> float:
    """Seconds that the counted layers need at least, each by the share of inputs that come to it."""
    return sum(
        row.share * peak.attainable(batch * row.executed_macs, layer_bytes(row, batch, dtype))
        for row in layers
    )


def intensity(layers: Sequence[LayerCounts], batch: int = 1, dtype: str = FLOAT32) -> float:
    """FLOPs per compulsory byte of the whole network; nan for one without counted layers."""
    moved = sum(row.share * layer_bytes(row, batch, dtype) for row in layers)
    return 2 * batch * sum(row.share * row.executed_macs for row in layers) / moved if moved else math.nan


def peak_for(peaks: Mapping[str, Any] | None, host: str, threads: int, dtype: str = FLOAT32) -> Peak | None:
    """The stored peak of a host for that many threads and dtype; None where it was never measured."""
    try:
        if not peaks or peaks["host"]["id"] != host:
            return None
        for row in peaks["peaks"]:
            if row["threads"] == threads:
                return Peak(float(row["flops"][dtype]), float(row["bandwidth"]))
    except (KeyError, TypeError, ValueError):
        return None  # not what `bench doctor --peaks` writes: as good as not measured
    return None


def doctor_verdict(peaks: Mapping[str, Any] | None, hosts: Collection[str]) -> str:
    """What ``bench doctor`` had said of the one host of a run; empty where it had not been asked."""
    try:
        if peaks and {peaks["host"]["id"]} == set(hosts):
            return str(peaks["doctor"]["verdict"])
    except (KeyError, TypeError):
        pass  # not what `bench doctor --peaks` writes: as good as not asked
    return ""


def read_peaks(folder: Path) -> dict[str, Any] | None:
    """What ``bench doctor --peaks`` stored in a results folder; None where it did not.

    Raises InputError for a file that cannot be read or holds anything else.
    """
    file = folder / FILE
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise InputError(f"{folder}: is a file, not a folder") from None
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise InputError(f"{file}: not JSON; {_MEND}") from None
    problem = _problem(data)
    if problem:
        raise InputError(f"{file}: {problem}; {_MEND}")
    found: dict[str, Any] = data
    return found


def write_peaks(
    folder: Path,
    host: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    verdict: str = "",
) -> Path:
    """Stores the peaks with the fingerprint of their host. Raises InputError when that cannot be done.

    ``verdict``: what ``bench doctor`` said of the host; runs carry it along with the peaks.
    """
    file = folder / FILE
    data = {"host": dict(host), "peaks": [dict(row) for row in rows]}
    stored = Redactor().record(data | ({"doctor": {"verdict": verdict}} if verdict else {}))
    text = json.dumps(stored, indent=1)
    write_whole(file, text + "\n")
    return file


_MEND = "remove it, or `bench doctor --peaks` writes it anew"


def _problem(data: Any) -> str:
    """Why these are no peaks, in words; nothing where they are."""
    if not isinstance(data, dict) or not isinstance(data.get("host"), dict):
        return "no peaks: 'host' is missing"
    rows = data.get("peaks")
    if not isinstance(rows, list):
        return "no peaks: 'peaks' is not a list"
    for row in rows:
        flops = row.get("flops") if isinstance(row, dict) else None
        if (
            not isinstance(flops, dict)
            or not isinstance(row.get("threads"), int)
            or not _is_rate(flops.get("float32"))
            or not _is_rate(row.get("bandwidth"))
        ):
            return "no peaks: a row needs threads, flops with float32, and bandwidth, all above 0"
    return ""


def _is_rate(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value > 0
