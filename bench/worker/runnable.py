"""What a runtime makes of a network, exported once and loaded in every trial, and checked against eager.

Before anything is timed, a runtime's answer to the example must be eager's, up to rounding. A runtime that
folds, fuses or misreads a layer would otherwise be timed for a network of its own.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.case import Case
from bench.models.calibration import calibrate
from bench.network import calibration_images
from bench.registry import in_one_line
from bench.runtimes import Runtime
from bench.runtimes.base import Forward, Untakeable
from bench.worker.output import sample

TOLERANCE = {torch.float32: 0.01, torch.float16: 0.01, torch.bfloat16: 0.05, torch.int8: 0.05}
"""Largest difference to eager's answer that is allowed, as a share of its largest value, by the type of the
stored weights. docs/measurement.md has the differences that were found."""


class OutputsDiffer(ValueError):  # noqa: N818 - a record names it as it is
    """A runtime answers something else than eager; ``str(error)`` has both values."""


@dataclass(frozen=True)
class Runnable:
    """What is called with a batch; seconds that compiling (or loading) and exporting took, bytes exported.

    ``export_seconds`` None: nothing was exported here. ``exported_bytes`` None: the runtime has no file.
    """

    forward: Forward
    compile_seconds: float
    export_seconds: float | None = None
    exported_bytes: int | None = None


def settle_statistics(network: nn.Module, example: Tensor, case: Case) -> tuple[float, ...]:
    """Estimates BatchNorm's statistics anew, where that makes a better check; returns the answer before.

    With random weights and statistics that do not fit them activations fade from layer to layer, and no
    output would show a wrong early layer. Only in float32 on the CPU: the rounding of int8 and of half
    precision would be up to a quarter of the answer, or more, with the new statistics. There the answer is
    empty.
    """
    if stored_as(network) is not torch.float32 or example.device.type != "cpu":
        return ()
    before = sample(network(example))
    calibrate(network, calibration_images(case))
    return before


def make_runnable(runtime: Runtime, network: nn.Module, example: Tensor, exported: str) -> Runnable:
    """What ``runtime`` makes of the network. ``exported``: the folder where that was written before.

    Where there is none, as on another host, it is exported here. Raises what the runtime raises.
    """
    runtime.require()
    if runtime.export is None:
        since = time.perf_counter()
        return Runnable(runtime.prepare(network, example), time.perf_counter() - since)
    if exported and Path(exported).is_dir():
        return _loaded(runtime, Path(exported), example)
    with tempfile.TemporaryDirectory(prefix="bench-export-") as folder:
        seconds = export(runtime, network, example, Path(folder))
        # Deleted behind it: what the runtime still needs it has read, or holds mapped.
        return _loaded(runtime, Path(folder), example, seconds)


def export(runtime: Runtime, network: nn.Module, example: Tensor, folder: Path) -> float:
    """Writes the network into the folder; returns the seconds. Raises NotInstalled or Untakeable."""
    assert runtime.export is not None
    runtime.require()
    since = time.perf_counter()
    try:
        runtime.export(network, example, folder)
    except Untakeable:
        raise
    except Exception as error:
        raise Untakeable(f"runtime {runtime.name} cannot take this network: {_root(error)}") from error
    return time.perf_counter() - since


def _root(error: BaseException) -> str:
    """What an exporter's error goes back to: the others only say in which of its steps that was."""
    while error.__cause__ is not None:
        error = error.__cause__
    return in_one_line(error)


def bytes_in(folder: Path) -> int:
    """Bytes of all files of a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def check(runtime: Runtime, forward: Forward, network: nn.Module, example: Tensor) -> None:
    """Raises OutputsDiffer where ``forward`` does not answer the example as ``network`` does in eager."""
    dtype = stored_as(network)
    allowed = TOLERANCE[dtype]
    expected, found = network(example).float(), forward(example).float()
    if expected.shape != found.shape:
        shapes = " beside ".join("×".join(map(str, one.shape)) for one in (found, expected))
        raise OutputsDiffer(f"{runtime.name} answers in another shape than eager: {shapes}")
    far, place = apart(expected.flatten(), found.flatten())
    if not far <= allowed:
        pair = f"{float(found.flatten()[place]):.6g} beside {float(expected.flatten()[place]):.6g}"
        raise OutputsDiffer(
            f"{runtime.name} answers {pair} of eager (value {place}): {far:.2g} of the largest value "
            f"apart, {allowed:g} is allowed with {str(dtype).removeprefix('torch.')} weights"
        )


def stored_as(network: nn.Module) -> torch.dtype:
    """The type of fewest bits that any weight is stored in; float32 for a network without weights."""
    kinds = {parameter.dtype for parameter in network.parameters()} & TOLERANCE.keys()
    return min(kinds, key=lambda kind: kind.itemsize, default=torch.float32)


def _loaded(runtime: Runtime, folder: Path, example: Tensor, export_seconds: float | None = None) -> Runnable:
    since = time.perf_counter()
    forward = runtime.prepare(folder, example)
    return Runnable(forward, time.perf_counter() - since, export_seconds, bytes_in(folder))


def apart(expected: Tensor, found: Tensor) -> tuple[float, int]:
    """Largest difference as a share of the largest expected value, and where it is.

    A value that is not finite agrees with its like alone, and anything else is infinitely far from it.
    """
    finite = torch.isfinite(expected)
    gaps = torch.where(finite, (found - expected).abs(), torch.zeros_like(expected))
    alike = torch.where(
        finite, torch.isfinite(found), (found == expected) | (found.isnan() & expected.isnan())
    )
    gaps = torch.where(alike, gaps, torch.full_like(gaps, torch.inf))
    place = int(gaps.argmax())
    largest = float(expected[finite].abs().max()) if bool(finite.any()) else 0.0
    gap = float(gaps[place])
    return (gap / largest if largest else (torch.inf if gap else 0.0)), place
