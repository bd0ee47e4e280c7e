"""Three memory numbers, each with its name: weight bytes, peak of live tensor bytes, resident growth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from bench.counting.protocols import HasOrders
from bench.counting.weight_bytes import weight_bytes
from bench.worker.protocol import Memory

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


def live_peak(call: Callable[[], object]) -> int | None:
    """Peak of live tensor bytes during one call on the CPU, from the allocator's events.

    None where the profiler has no memory events (builds without Kineto).
    """
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


def memory(
    network: nn.Module, call: Callable[[], object], mark: ResidentMark, device: str, orders: bool = False
) -> Memory:
    """All numbers after the calls that were to be measured; runs ``call`` once or a few times more.

    ``orders`` asks for ``live_peak_by_order`` too: exact, so one trial of a case is enough.
    """
    peak, growth = mark.peak(), mark.growth()  # read first: the profiler needs memory of its own
    allocated = reserved = None
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        held = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        allocated = torch.cuda.max_memory_allocated() - held
        reserved = torch.cuda.max_memory_reserved()
    return Memory(
        weight_bytes=weight_bytes(network),
        live_peak=allocated if device == "cuda" else live_peak(call),
        resident_before=mark.before,
        resident_peak=peak,
        resident_growth=growth,
        cuda_allocated_peak=allocated,
        cuda_reserved_peak=reserved,
        live_peak_by_order=live_peak_by_order(network, call) if orders and device == "cpu" else None,
    )


def live_peak_by_order(network: nn.Module, call: Callable[[], object]) -> dict[str, int] | None:
    """Live peak with each order of steps that layers offer (HasOrders); None where no layer offers any."""
    layers: list[HasOrders] = [module for module in network.modules() if isinstance(module, HasOrders)]
    if not layers:
        return None
    found: dict[str, int] = {}
    asked = [layer.order for layer in layers]
    for order in layers[0].ORDERS:
        for layer in layers:
            layer.order = order
        call()  # the first call of an order may allocate what later ones do not
        peak = live_peak(call)
        if peak is not None:
            found[order] = peak
    for layer, order in zip(layers, asked, strict=True):
        layer.order = order
    return found


def _status(key: str) -> int | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    return None
