"""What happens inside each layer of a network: a worker like bench.worker.profiler (JSON in, one line out).

Every layer is called alone on the input that it really gets: once while oneDNN writes its log, and some times
under torch's profiler. Both slow it down, so no time of this process is a layer's time.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING

from bench.worker.layer_calls import answer_about_layers, calls_of, network_of
from bench.worker.profiler import CALL_SPAN, MOVING, WRAPPERS, Event
from bench.worker.protocol import Explained, ExplainedLayer, Job

if TYPE_CHECKING:
    from torch import Tensor, nn

REPEATS = 20
MULTIPLYING = ("slow_conv", "thnn_conv", "addmm", "mm", "bmm", "baddbmm", "kernel")
"""Operators that multiply, and that are in no log of oneDNN's."""


def explain(job: Job) -> Explained:
    """Log and operators of every counted layer."""
    import torch

    from bench.counting.closed_form import own_layers

    network, example = network_of(job)
    calls = calls_of(network, own_layers(network), example)
    with torch.inference_mode():
        rows = tuple(
            ExplainedLayer(name, tuple(logged(layer, inputs)), operators(layer, inputs))
            for name, layer, inputs in calls
        )
    return Explained(layers=rows)


def logged(layer: nn.Module, inputs: Tensor) -> list[str]:
    """oneDNN's log of one call; empty where torch was built without it."""
    import torch

    for _ in range(2):
        layer(inputs)  # what is made once is made now
    with _caught() as text, torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
        layer(inputs)
    return [line for line in text if line.startswith("onednn_verbose")]


@contextlib.contextmanager
def _caught() -> Iterator[list[str]]:
    """What C libraries print on stdout until the context ends, line by line in the list that it gives."""
    lines: list[str] = []
    flush = ctypes.CDLL(None).fflush
    flush(None)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as file:
        with _instead_of_stdout(file):
            yield lines
            flush(None)
        file.seek(0)
        lines += file.read().splitlines()


@contextlib.contextmanager
def _instead_of_stdout(file: IO[str]) -> Iterator[None]:
    before = os.dup(1)
    os.dup2(file.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(before, 1)
        os.close(before)


def operators(layer: nn.Module, inputs: Tensor) -> dict[str, float]:
    """Median seconds of a call's operators by themselves, by name."""
    import torch

    with torch.autograd.profiler.profile(use_kineto=True) as profiled:
        for _ in range(REPEATS):
            with torch.autograd.profiler.record_function(CALL_SPAN):
                layer(inputs)
    events = profiled.function_events
    assert events is not None
    return by_operator(events)


def by_operator(events: Iterable[Event]) -> dict[str, float]:
    """Median over all calls of the operators' own seconds, without wrappers and what oneDNN's log has."""
    found: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    calls: set[int] = set()
    for event in events:
        if event.name == CALL_SPAN:
            calls.add(id(event))
        namespace, _, name = event.name.partition("::")
        outer = event.cpu_parent
        while outer is not None and outer.name != CALL_SPAN:
            outer = outer.cpu_parent
        known = namespace == "aten" or event.name == "csr_bench::kernel"
        if outer is None or not known or name in WRAPPERS or "mkldnn" in name:
            continue
        found[name][id(outer)] += event.self_cpu_time_total / 1e6
    return {name: statistics.median(times.get(call, 0.0) for call in calls) for name, times in found.items()}


def kind_of(operator: str) -> str:
    """What an operator does: ``multiplies``, ``moves`` or ``elementwise``."""
    if any(operator.lstrip("_").startswith(name) for name in MULTIPLYING):
        return "multiplies"
    return "moves" if operator in MOVING else "elementwise"


def main() -> None:
    """Answers one job."""
    answer_about_layers(explain, lambda failure: Explained(error=failure))


if __name__ == "__main__":
    main()
