"""Where a network's time goes, layer by layer: a worker like bench.worker.trial (JSON in, one JSON line out).

For CSR-Conv it says why T steps do not take 1/T of the time: how much is U convolutions, V
convolutions, element-wise work, splitting and concatenating, and dispatch (what remains).
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from bench.worker.cores import pin
from bench.worker.protocol import Job, Profiled, ProfiledLayer, answer_one

REPEATS = 30
MOVING = frozenset(
    {"cat", "copy_", "clone", "slice", "split", "split_with_sizes", "reshape", "_reshape_alias", "view"}
    | {"_unsafe_view", "select", "narrow", "as_strided", "contiguous", "pad", "constant_pad_nd"}
)
WRAPPERS = frozenset(
    {"conv2d", "convolution", "_convolution", "empty", "empty_like", "empty_strided"}
    | {"resize_", "as_strided_", "to", "_to_copy"}
)
U_SPAN = "bench: U"
CALL_SPAN = "bench: call"
PARTS = ("U convolutions", "V convolutions", "element-wise", "split and concatenate", "dispatch")


@dataclass(frozen=True)
class Span:
    """One profiled event: name, start and duration in nanoseconds."""

    name: str
    start: int
    duration: int


def profile(job: Job) -> Profiled:
    """Median seconds of every counted layer and of the whole network; the parts of each CSR-Conv layer."""
    import torch

    from bench.counting.closed_form import own_layers
    from bench.methods.csr_conv import CSRConv2d
    from bench.network import backbone_network, compress
    from bench.plugins import load_plugins
    from bench.worker import host

    case = job.case
    pin(case.threads)
    torch.set_num_threads(case.threads)
    torch.set_flush_denormal(True)
    load_plugins(job.plugins)
    network = compress(backbone_network(case), case, job.recipes).network
    example = torch.randn(case.batch, *case.input, generator=torch.Generator().manual_seed(case.seed))
    layers = dict(own_layers(network))
    with torch.inference_mode():
        for _ in range(10):
            network(example)
        total = statistics.median(_timed(lambda: network(example)) for _ in range(REPEATS))
        seconds = _layer_seconds(network, layers, example)
        parts = {
            name: _parts(layer, inputs, seconds[name])
            for name, layer, inputs in _inputs(network, layers, example)
            if isinstance(layer, CSRConv2d)
        }
    rows = tuple(ProfiledLayer(name, seconds[name], parts.get(name)) for name in layers)
    return Profiled(host=host.fingerprint("cpu"), seconds=total, layers=rows)


def _timed(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _layer_seconds(network: Any, layers: dict[str, Any], example: Any) -> dict[str, float]:
    """Median seconds per forward inside each layer, from clocks before and after it."""
    taken: dict[str, list[float]] = defaultdict(list)
    started: dict[str, float] = {}
    hooks = []
    for name, layer in layers.items():

        def before(_layer: Any, _inputs: Any, name: str = name) -> None:
            started[name] = time.perf_counter()

        def after(_layer: Any, _inputs: Any, _output: Any, name: str = name) -> None:
            taken[name].append(time.perf_counter() - started[name])

        hooks += [layer.register_forward_pre_hook(before), layer.register_forward_hook(after)]
    for _ in range(REPEATS):
        network(example)
    for hook in hooks:
        hook.remove()
    return {name: statistics.median(taken[name]) if taken[name] else 0.0 for name in layers}


def _inputs(network: Any, layers: dict[str, Any], example: Any) -> list[tuple[str, Any, Any]]:
    """Every layer with the input it really gets."""
    found: list[tuple[str, Any, Any]] = []
    hooks = [
        layer.register_forward_hook(lambda m, i, _o, name=name: found.append((name, m, i[0].clone())))
        for name, layer in layers.items()
    ]
    network(example)
    for hook in hooks:
        hook.remove()
    return found


def _parts(layer: Any, inputs: Any, seconds: float) -> dict[str, float]:
    """Seconds of one CSR-Conv layer by part; dispatch is what the kernels do not explain."""
    import torch

    own_conv_u = layer._conv_u

    def named_conv_u(x: Any) -> Any:
        with torch.profiler.record_function(U_SPAN):
            return own_conv_u(x)

    layer._conv_u = named_conv_u
    try:
        for _ in range(3):
            layer(inputs)
        with torch.autograd.profiler.profile(use_kineto=True) as events:
            for _ in range(REPEATS):
                with torch.profiler.record_function(CALL_SPAN):
                    layer(inputs)
    finally:
        del layer._conv_u
    results = events.kineto_results
    assert results is not None
    spans = [Span(e.name(), e.start_ns(), e.duration_ns()) for e in results.events() if e.duration_ns() > 0]
    calls = kernel_times(spans)
    kernels = {part: statistics.median(call[part] for call in calls) / 1e9 for part in PARTS[:-1]}
    return {**kernels, "dispatch": max(0.0, seconds - sum(kernels.values()))}


def kernel_times(spans: list[Span]) -> list[dict[str, int]]:
    """Nanoseconds of the operators' own time by part, without dispatch, for each call of the layer.

    An operator's own time is its duration less that of the operators inside it. That of wrappers and
    allocations (WRAPPERS) is dispatch and left out. A convolution is U's inside a span U_SPAN, else
    V's. A call begins with a span CALL_SPAN.
    """
    calls: list[dict[str, int]] = []
    for span, enclosing, own in _nested(spans):
        if span.name == CALL_SPAN:
            calls.append(dict.fromkeys(PARTS[:-1], 0))
        name = span.name.removeprefix("aten::")
        if not calls or not span.name.startswith("aten::") or name in WRAPPERS:
            continue
        if "conv" in name:
            part = "U convolutions" if U_SPAN in enclosing else "V convolutions"
        else:
            part = "split and concatenate" if name in MOVING else "element-wise"
        calls[-1][part] += own
    return calls


def _nested(spans: list[Span]) -> list[tuple[Span, list[str], int]]:
    """Each span with the names around it and its own nanoseconds; spans of one thread nest, never cross."""
    stack: list[int] = []
    ordered = sorted(spans, key=lambda span: (span.start, -span.duration))
    own = [span.duration for span in ordered]
    around: list[list[str]] = []
    for at, span in enumerate(ordered):
        while stack and ordered[stack[-1]].start + ordered[stack[-1]].duration <= span.start:
            stack.pop()
        if stack:
            own[stack[-1]] -= span.duration
        around.append([ordered[outer].name for outer in stack])
        stack.append(at)
    return [(span, around[at], max(0, own[at])) for at, span in enumerate(ordered)]


def main() -> None:
    """Answers one job."""
    answer_one(lambda data: profile(Job.from_json(data)), lambda failure: Profiled(error=failure))


if __name__ == "__main__":
    main()
