"""Single CSR-Conv layers in every order beside the dense one; with ``--tiles`` the blocks of one shape.

``--two-threads``: the orders with two. Minima over turns at batch 1: for choosing among kernels, not for
quoting beside a run's intervals.

``--sharing``: layers of growing size with one thread and shared by two, and the cycles that the model gives
them: ``fused_plan.WORTH_SHARING`` belongs where sharing begins to pay. Calls follow each other, so that the
second thread is still awake; one that has to be woken first costs more.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from bench.methods.csr_conv import CSRConv2d
from bench.methods.parts.c_kernel import build, processor
from bench.methods.parts.compiled import library, ready
from bench.methods.parts.fused_csr import Weights, pack, shape_of
from bench.methods.parts.fused_plan import WORTH_SHARING, Layout, Shape, cycles, layout, tiles

LAYERS = (
    (16, 16, 3, 32), (32, 32, 3, 16), (64, 64, 3, 8), (64, 64, 3, 32), (128, 128, 3, 16),
    (256, 256, 3, 8), (512, 512, 3, 4), (512, 512, 3, 2),
    (256, 64, 1, 32), (64, 256, 1, 32), (512, 2048, 1, 4),
)  # fmt: skip
SHARED = tuple(
    sorted(
        [(c, c, 3, side) for c in (8, 16, 32, 64, 128) for side in (4, 8, 16, 32) if c * side <= 2048]
        + [(c, c, 1, side) for c in (32, 64, 128, 256) for side in (8, 16, 32) if c * side <= 4096]
    )
)
T = 4
TURNS, CALLS, UNCOUNTED = 30, 20, 3
LONGEST, FEWEST = 1.0, 5
"""Seconds for the turns of a layer that is shared, and how many there are at least."""


def best(calls: Sequence[Callable[[], object]]) -> list[float]:
    """Seconds of each call at best, in turns of a few calls."""
    found = [float("inf")] * len(calls)
    for _ in range(TURNS):
        for at, call in enumerate(calls):
            call()
            since = time.perf_counter()
            for _ in range(CALLS):
                call()
            found[at] = min(found[at], (time.perf_counter() - since) / CALLS)
    return found


def orders(ci: int, co: int, k: int, side: int) -> None:
    """A row: µs of the dense layer and of each order."""
    x = torch.randn(1, ci, side, side)
    dense = nn.Conv2d(ci, co, k, padding=k // 2, bias=False).eval()
    layers = [
        CSRConv2d(ci, co, k, T, padding=k // 2, order=o).eval() for o in ("batched", "literal", "fused")
    ]
    with torch.inference_mode():
        seconds = best([lambda layer=layer: layer(x) for layer in (dense, *layers)])  # type: ignore[misc]
    macs = layers[0].closed_form((side, side)).executed_macs / (ci * co * k * k * side * side)
    cells = " | ".join(f"{s * 1e6:.0f}" for s in seconds)
    print(f"| {ci}→{co}, {k}×{k}, {side}×{side} | {cells} | {seconds[3] / seconds[0]:.2f} | {macs:.2f} |")


def blocks(ci: int, co: int, k: int, side: int) -> None:
    """Every block of a shape, the fastest first."""
    weights, shape = made(ci, co, k, side)
    x, out = torch.randn(1, ci, side, side), torch.empty(1, co, side, side)
    plans = [Layout(shape, processor(), tile) for tile in tiles(shape, processor())]
    build(plan.source() for plan in plans)
    timed = sorted(
        zip(best([_call(plan, weights, x, out) for plan in plans]), plans, strict=True), key=lambda p: p[0]
    )
    for seconds, plan in timed:
        taken = "  taken" if plan.tile == layout(shape, processor()).tile else ""
        print(f"{seconds * 1e6:8.1f} µs  {plan.tile}{taken}")


def sharing() -> None:
    """A row for each layer, the least work first: with one thread and with two, whatever the plan says."""
    layers = []
    for sizes in SHARED:
        weights, shape = made(*sizes)
        alone = layout(replace(shape, threads=1), processor())
        layers.append((cycles(alone), sizes, weights, alone, replace(alone, shape=replace(shape, threads=2))))
    layers.sort(key=lambda layer: layer[0])
    build(plan.source() for layer in layers for plan in layer[3:])
    print("| layer, T=4 | cycles by the model | one thread, µs | two threads, µs | two ÷ one | shared now |")
    print("|---" * 6 + "|")
    ratios: dict[float, float] = {}
    for work, (ci, co, k, side), weights, *plans in layers:
        x, out = torch.randn(1, ci, side, side), torch.empty(1, co, side, side)
        one, two = turns([_call(plan, weights, x, out) for plan in plans])
        low, middle, high = statistics.quantiles((b / a for a, b in zip(one, two, strict=True)), n=4)
        ratios[work] = middle
        times = " | ".join(f"{statistics.median(found) * 1e6:.1f}" for found in (one, two))
        shared = "yes" if work >= WORTH_SHARING else "no"
        print(
            f"| {ci}→{co}, {k}×{k}, {side}×{side} | {work:,.0f} | {times} "
            f"| {middle:.2f} ({low:.2f}–{high:.2f}) | {shared} |",
            flush=True,
        )
    first = min((work for work, ratio in ratios.items() if ratio < 1), default=float("nan"))
    last = max((work for work, ratio in ratios.items() if ratio >= 1), default=float("nan"))
    print(f"\nSharing first pays at {first:,.0f} cycles and last costs at {last:,.0f}; ", end="")
    print(f"WORTH_SHARING is {WORTH_SHARING:,}.")


def turns(calls: Sequence[Callable[[], object]]) -> list[list[float]]:
    """Seconds of each call in every turn, the order drawn anew for each; fewer turns where they last long."""
    coin = random.Random(0)
    found: list[list[float]] = [[] for _ in calls]
    end = time.perf_counter() + LONGEST
    while len(found[0]) < 2 * TURNS and (time.perf_counter() < end or len(found[0]) < FEWEST):
        for at in coin.sample(range(len(calls)), len(calls)):
            for _ in range(UNCOUNTED):
                calls[at]()
            since = time.perf_counter()
            for _ in range(CALLS):
                calls[at]()
            found[at].append((time.perf_counter() - since) / CALLS)
    return found


def made(ci: int, co: int, k: int, side: int) -> tuple[Weights, Shape]:
    """A layer's weights, and what its kernel is made for."""
    layer = CSRConv2d(ci, co, k, T, padding=k // 2).eval()
    weights = Weights(layer.u.data, layer.v.data, layer.alpha.data, layer.beta.data, None, None)
    return weights, shape_of(torch.empty(1, ci, side, side), weights, layer._geometry())


def _call(plan: Layout, weights: Weights, x: Tensor, out: Tensor) -> Callable[[], None]:
    threads = plan.shape.threads
    kernel = ready(
        library(plan.source(), tuple(out.shape)), (), (pack(plan, weights),), tuple(out.shape), threads
    )
    room = torch.empty(kernel.scratch)
    return lambda: kernel.run(x.data_ptr(), out.data_ptr(), *kernel.addresses, room.data_ptr(), 1, threads)


def main() -> None:
    torch.set_num_threads(2 if {"--two-threads", "--sharing"} & {*sys.argv} else 1)
    torch.set_flush_denormal(True)
    if "--sharing" in sys.argv:
        sharing()
        return
    if "--tiles" in sys.argv:
        blocks(*(int(word) for word in sys.argv[2:] or (16, 16, 3, 32)))
        return
    print(
        "| layer, T=4 | dense | batched | literal | fused, µs | fused ÷ dense | MACs ÷ dense |\n"
        + "|---" * 7
        + "|"
    )
    for one in LAYERS:
        orders(*one)


if __name__ == "__main__":
    main()
