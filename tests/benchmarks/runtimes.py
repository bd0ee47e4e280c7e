"""What runtimes make of networks: how far their answers lie from eager's, and what their files cost.

``python tests/benchmarks/runtimes.py suites/runtimes.yaml [PART]``: for every case of the suite (with PART in
its id) outside eager the distance that ``bench.worker.runnable.check`` compares, seconds of exporting and
loading, and bytes on the disk. One thread, one case after the other.

``python tests/benchmarks/runtimes.py zeros``: 1×1 convolutions as they are and with nine of ten weights zero,
in every runtime that is installed: whether zeros save time. Both take turns in one process; the ratio is the
median over turns, and the two values behind it are its quartiles.
"""

from __future__ import annotations

import copy
import statistics
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.case import Case
from bench.network import example_images, prepare
from bench.plan.plan import make_plan
from bench.plan.suite import load_suite
from bench.runtimes import RUNTIMES
from bench.runtimes.base import REFERENCE, Forward
from bench.worker.runnable import Runnable, apart, make_runnable, settle_statistics

TURNS, CALLS, UNCOUNTED = 60, 10, 5
ZEROS = 0.9
LAYERS = ((256, 256, 14), (512, 512, 7), (960, 160, 7))
"""Input channels, output channels and size of the map: pointwise layers as MobileNets have them."""


def installed() -> list[str]:
    """The runtimes of CPUs that are installed here, eager first."""
    names = [n for n in RUNTIMES.names() if n != "cuda_graph" and not RUNTIMES.get(n).absent]
    return sorted(names, key=lambda name: name != REFERENCE)


def made(network: nn.Module, runtime: str, example: Tensor) -> Runnable:
    with torch.inference_mode():
        return make_runnable(RUNTIMES.get(runtime), network, example, "")


def show(case: Case, network: nn.Module) -> None:
    """One line about a case whose network was built already."""
    network, example = copy.deepcopy(network), example_images(case, case.batch)
    with torch.inference_mode():
        settled = bool(settle_statistics(network, example, case))
        expected = network(example).float().flatten()
        try:
            found = made(network, case.runtime, example)
        except RuntimeError as error:
            print(f"{case.id:70} {str(error)[:120]}", flush=True)
            return
        far, _place = apart(expected, found.forward(example).float().flatten())
    exported = "" if found.exported_bytes is None else f"{found.exported_bytes:>12,} B"
    export = "" if found.export_seconds is None else f"{found.export_seconds:6.2f} s"
    words = "settled" if settled else "as built"
    print(
        f"{case.id:70} {far:9.2g} {words:8} {export:>8} {found.compile_seconds:6.2f} s {exported}", flush=True
    )


def distances(suite: str, part: str) -> None:
    networks: dict[str, nn.Module] = {}
    for case in make_plan(load_suite(Path(suite))).cases:
        if case.runtime == REFERENCE or part not in case.id or RUNTIMES.get(case.runtime).absent:
            continue
        key = case.id.replace(f"/{case.runtime}/", "/")
        if key not in networks:
            with torch.enable_grad():  # torch-pruning follows the graph of gradients
                networks = {key: prepare(case)[0].network}
        show(case, networks[key])


def pointwise(inputs: int, outputs: int, share: float) -> nn.Module:
    """A 1×1 convolution, and the share of its weights that is set to zero, at random places."""
    torch.manual_seed(0)
    layer = nn.Conv2d(inputs, outputs, 1, bias=False)
    with torch.no_grad():
        layer.weight.mul_(torch.rand_like(layer.weight) >= share)
    return nn.Sequential(layer).eval()


def turn(forward: Forward, example: Tensor) -> float:
    """Milliseconds of a call, after some that are not counted."""
    for _ in range(UNCOUNTED):
        forward(example)
    since = time.perf_counter()
    for _ in range(CALLS):
        forward(example)
    return 1e3 * (time.perf_counter() - since) / CALLS


def zeros() -> None:
    for inputs, outputs, size in LAYERS:
        example = torch.randn(1, inputs, size, size)
        layers = [pointwise(inputs, outputs, share) for share in (0, ZEROS)]
        for runtime in installed():
            full, sparse = (made(layer, runtime, example).forward for layer in layers)
            times = [(turn(full, example), turn(sparse, example)) for _ in range(TURNS)]
            low, middle, high = statistics.quantiles((b / a for a, b in times), n=4)
            words = f"{middle:.3f} ({low:.3f} to {high:.3f})"
            print(f"{inputs}→{outputs} at {size}×{size:<6} {runtime:12} {ZEROS:.0%} zeros ÷ none: {words}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    if sys.argv[1:] == ["zeros"]:
        zeros()
    else:
        distances(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "")
