"""Where a network's time goes, layer by layer: a worker like bench.worker.trial (JSON in, one JSON line out).

For CSR-Conv it says why T steps do not take 1/T of the time: how much is U convolutions, V
convolutions, element-wise work, splitting and concatenating, and dispatch (what remains).
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from bench.worker.layer_calls import answer_about_layers, calls_of, network_of
from bench.worker.protocol import Job, Profiled, ProfiledLayer

if TYPE_CHECKING:  # torch itself is imported only when this process is bound to its cores
    from torch import Tensor, nn

    from bench.counting.protocols import HasSpans

    Layers = dict[str, nn.Module]

REPEATS = 30
MOVING = frozenset(
    {"cat", "copy_", "clone", "slice", "split", "split_with_sizes", "reshape", "_reshape_alias", "view"}
    | {"_unsafe_view", "select", "narrow", "as_strided", "contiguous", "pad", "constant_pad_nd"}
)
WRAPPERS = frozenset(
    {"conv2d", "convolution", "_convolution", "empty", "empty_like", "empty_strided"}
    | {"resize_", "as_strided_", "to", "_to_copy"}
)
CALL_SPAN = "bench: call"
SPAN = "bench: part "
"""A part that a layer announces is in the profile under this and its own name."""

KERNEL = "compiled kernel"
"""The part that is a layer's own kernel, where it has one."""

REST = ("element-wise", "split and concatenate", "dispatch")
PARTS = ("U convolutions", "V convolutions", *REST)
"""The parts of a CSR-Conv layer; a layer with other spans has parts of other names before REST."""


class Event(Protocol):
    """What is read of an event in torch's profile; times in microseconds."""

    name: str
    cpu_parent: Event | None

    @property
    def self_cpu_time_total(self) -> float:
        """The event's own time, without that of the events inside it."""
        ...


def profile(job: Job) -> Profiled:
    """Median seconds of the whole network and of every counted layer, by parts where the layer has spans."""
    import torch

    from bench.counting.closed_form import own_layers
    from bench.counting.protocols import HasSpans
    from bench.worker import host

    network, example = network_of(job)
    layers = dict(own_layers(network))
    with torch.inference_mode():
        for _ in range(10):
            network(example)
        total = statistics.median(_timed(lambda: network(example)) for _ in range(REPEATS))
        seconds = _layer_seconds(network, layers, example)
        parts = {
            name: _parts(layer, inputs, seconds[name])
            for name, layer, inputs in calls_of(network, layers.items(), example)
            if isinstance(layer, HasSpans)
        }
    rows = tuple(ProfiledLayer(name, seconds[name], parts.get(name)) for name in layers)
    return Profiled(host=host.fingerprint("cpu"), seconds=total, layers=rows)


def _timed(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _layer_seconds(network: nn.Module, layers: Layers, example: Tensor) -> dict[str, float]:
    """Median seconds per forward inside each layer, from clocks before and after it."""
    from bench.counting.observe import observed

    taken: dict[str, list[float]] = defaultdict(list)
    started: dict[str, float] = {}

    def begins(name: str) -> None:
        started[name] = time.perf_counter()

    def ends(name: str, *_call: object) -> None:
        taken[name].append(time.perf_counter() - started[name])

    with observed(layers.items(), ends, begins):
        for _ in range(REPEATS):
            network(example)
    return {name: statistics.median(taken[name]) if taken[name] else 0.0 for name in layers}


def _parts(layer: HasSpans, inputs: Tensor, seconds: float) -> dict[str, float]:
    """Seconds of one layer by part; dispatch is what the kernels do not explain."""
    import torch

    assert isinstance(layer, torch.nn.Module)
    with layer.spans(lambda name: torch.autograd.profiler.record_function(SPAN + name)):
        for _ in range(3):
            layer(inputs)
        # Not torch.profiler.profile: its import costs 0.7 s.
        with torch.autograd.profiler.profile(use_kineto=True) as profiled:
            for _ in range(REPEATS):
                with torch.autograd.profiler.record_function(CALL_SPAN):
                    layer(inputs)
    events = profiled.function_events
    assert events is not None
    calls = kernel_times(events, layer.SPANS)
    kernels = {part: statistics.median(call[part] for call in calls) / 1e6 for part in calls[0]}
    return {**kernels, "dispatch": max(0.0, seconds - sum(kernels.values()))}


def kernel_times(events: Iterable[Event], spans: Sequence[str]) -> list[dict[str, float]]:
    """Microseconds of the operators' own time by part, without dispatch, for each call of the layer.

    That of wrappers and allocations (WRAPPERS) is dispatch and left out. A convolution belongs to the
    span that it runs in; one outside of all ``spans`` is left out as well. A call is what happens
    inside an event CALL_SPAN.
    """
    parts = (*map(_convolutions, spans), *REST[:-1])
    calls: dict[int, dict[str, float]] = {}
    for event in events:
        if event.name == CALL_SPAN:
            calls.setdefault(id(event), dict.fromkeys(parts, 0.0))
        around = list(_around(event))
        call = next((outer for outer in around if outer.name == CALL_SPAN), None)
        name = event.name.removeprefix("aten::")
        if call is not None and event.name == "csr_bench::kernel":
            of_call = calls.setdefault(id(call), dict.fromkeys(parts, 0.0))
            of_call[KERNEL] = of_call.get(KERNEL, 0.0) + event.self_cpu_time_total
        if call is None or not event.name.startswith("aten::") or name in WRAPPERS:
            continue
        times = calls.setdefault(id(call), dict.fromkeys(parts, 0.0))
        if "conv" in name:
            inside = {outer.name for outer in around}
            part = next((_convolutions(span) for span in spans if SPAN + span in inside), "")
        else:
            part = REST[1] if name in MOVING else REST[0]
        if part:
            times[part] += event.self_cpu_time_total
    return list(calls.values())


def _convolutions(span: str) -> str:
    return f"{span} convolutions"


def _around(event: Event) -> Iterator[Event]:
    """The events around an event, from the inside out."""
    outer = event.cpu_parent
    while outer is not None:
        yield outer
        outer = outer.cpu_parent


def main() -> None:
    """Answers one job."""
    answer_about_layers(profile, lambda failure: Profiled(error=failure))


if __name__ == "__main__":
    main()
