"""Memory numbers, each with its name: weight bytes, live tensors, the allocator's peak, resident growth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from bench.counting.protocols import HasOrders
from bench.counting.weight_bytes import weight_bytes
from bench.worker import nvml
from bench.worker.live_tensors import OutOfSight, live_peak
from bench.worker.measurements import Memory

Found = TypeVar("Found")

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


class ResidentMark:
    """The resident high-water mark of this process from now on.

    The kernel's mark is set back first (write 5 to clear_refs). Where that is forbidden the growth is
    unknown: the old mark may be higher than anything still to come.
    """

    def __init__(self) -> None:
        try:
            _CLEAR_REFS.write_text("5")
            self.before = _status("VmRSS")
        except OSError:
            self.before = None

    def peak(self) -> int | None:
        """The high-water mark in bytes."""
        return _status("VmHWM")

    def growth(self) -> int | None:
        """Bytes between the state at construction and the mark."""
        peak = self.peak()
        return None if self.before is None or peak is None else max(0, peak - self.before)


def allocator_peak(call: Callable[[], object], device: str = "cpu") -> int | None:
    """Peak of bytes that torch's allocator gave out and did not get back during one call.

    Kernels' scratch is among them, so the number repeats on one host and differs between processors. None
    where the profiler has no memory events (builds without Kineto).
    """
    if device == "cuda":
        return _cuda_peak(call)
    if not torch.profiler.kineto_available():
        return None
    # Not torch.profiler.profile: its import costs 0.7 s, and it digests every event before it answers.
    with torch.autograd.profiler.profile(use_kineto=True, profile_memory=True) as profile:
        call()
    results = profile.kineto_results
    if results is None:
        return None
    deltas = [(event.start_ns(), event.nbytes()) for event in results.events() if event.name() == "[memory]"]
    live = peak = 0
    for _, delta in sorted(deltas, key=lambda event: event[0]):
        live += delta
        peak = max(peak, live)
    return peak


def _cuda_peak(call: Callable[[], object]) -> int:
    """The CUDA allocator's peak during one call, above what it held before."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    held = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - held


def memory(
    network: nn.Module,
    call: Callable[[], object],
    mark: ResidentMark,
    device: str,
    orders: bool = False,
    hidden: str = "",
) -> Memory:
    """All numbers after the calls that were to be measured; runs ``call`` a few times more.

    ``orders`` asks for the peaks of every order too: one trial of a case is enough for them. ``hidden``:
    why the call's tensors do not pass through torch's dispatch; empty where they do.
    """
    peak, growth = mark.peak(), mark.growth()  # read first: the profiler needs memory of its own
    allocated = allocator_peak(call, device)
    reserved = torch.cuda.max_memory_reserved() if device == "cuda" else None
    managed = nvml.gpu() if device == "cuda" else None
    live, refused = _live(call, hidden)
    both: dict[str, tuple[int | None, int | None]] = {}
    if orders:
        both = by_order(network, call, lambda: (_live(call, hidden)[0], allocator_peak(call, device)))
    return Memory(
        weight_bytes=weight_bytes(network),
        live_peak=live,
        live_peak_refused=refused,
        allocator_peak=allocated,
        resident_before=mark.before,
        resident_peak=peak,
        resident_growth=growth,
        cuda_allocated_peak=allocated if device == "cuda" else None,
        cuda_reserved_peak=reserved,
        cuda_nvml_peak=None if managed is None else managed.used_bytes(),
        live_peak_by_order=_known({order: peaks[0] for order, peaks in both.items()}),
        allocator_peak_by_order=_known({order: peaks[1] for order, peaks in both.items()}),
    )


def _live(call: Callable[[], object], hidden: str) -> tuple[int | None, str | None]:
    """The peak of live tensors; or None, and why."""
    if hidden:
        return None, hidden
    try:
        return live_peak(call), None
    except OutOfSight as why:
        return None, str(why)


def by_order(network: nn.Module, call: Callable[[], object], take: Callable[[], Found]) -> dict[str, Found]:
    """What ``take`` finds with each order of steps that layers offer (HasOrders); empty where none does."""
    layers: list[HasOrders] = [module for module in network.modules() if isinstance(module, HasOrders)]
    found: dict[str, Found] = {}
    asked = [layer.order for layer in layers]
    for order in layers[0].ORDERS if layers else ():
        for layer in layers:
            layer.order = order
        call()  # the first call of an order may allocate what later ones do not
        found[order] = take()
    for layer, order in zip(layers, asked, strict=True):
        layer.order = order
    return found


def _known(peaks: dict[str, int | None]) -> dict[str, int] | None:
    """The peaks that are known; None where there are none."""
    return {order: peak for order, peak in peaks.items() if peak is not None} or None


def _status(key: str) -> int | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    return None
