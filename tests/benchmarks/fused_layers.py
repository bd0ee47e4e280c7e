"""Single CSR-Conv layers in every order beside the dense one; with ``--tiles`` the blocks of one shape.

``--two-threads``: the orders with two. Minima over turns at batch 1: for choosing among kernels, not for
quoting beside a run's intervals.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from bench.methods.csr_conv import CSRConv2d
from bench.methods.parts.c_kernel import build, processor
from bench.methods.parts.compiled import library, ready
from bench.methods.parts.fused_csr import Weights, pack, shape_of
from bench.methods.parts.fused_plan import Layout, layout, tiles

LAYERS = (
    (16, 16, 3, 32), (32, 32, 3, 16), (64, 64, 3, 8), (64, 64, 3, 32), (128, 128, 3, 16),
    (256, 256, 3, 8), (512, 512, 3, 4), (512, 512, 3, 2),
    (256, 64, 1, 32), (64, 256, 1, 32), (512, 2048, 1, 4),
)  # fmt: skip
T = 4
TURNS, CALLS = 30, 20


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
    layer, x = CSRConv2d(ci, co, k, T, padding=k // 2).eval(), torch.randn(1, ci, side, side)
    weights = Weights(layer.u.data, layer.v.data, layer.alpha.data, layer.beta.data, None, None)
    shape = shape_of(x, weights, layer._geometry())
    plans = [Layout(shape, processor(), tile) for tile in tiles(shape, processor())]
    build(plan.source() for plan in plans)
    out = torch.empty(1, co, side, side)
    timed = sorted(
        zip(best([_call(plan, weights, x, out) for plan in plans]), plans, strict=True), key=lambda p: p[0]
    )
    for seconds, plan in timed:
        taken = "  taken" if plan.tile == layout(shape, processor()).tile else ""
        print(f"{seconds * 1e6:8.1f} µs  {plan.tile}{taken}")


def _call(plan: Layout, weights: Weights, x: Tensor, out: Tensor) -> Callable[[], None]:
    made = ready(library(plan.source()), (), (pack(plan, weights),), tuple(out.shape), 1)
    room = torch.empty(made.scratch)
    return lambda: made.run(x.data_ptr(), out.data_ptr(), *made.addresses, room.data_ptr(), 1, 1)


def main() -> None:
    torch.set_num_threads(2 if "--two-threads" in sys.argv else 1)
    torch.set_flush_denormal(True)
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
