"""Other ways to a fast CSR-Conv beside the C kernels: numba, Halide, oneDNN with its own layouts, Inductor.

``python tests/benchmarks/fused_rivals.py`` prints what docs/performance.md quotes: microseconds of a layer,
tensor in and tensor out, batch 1, T = 4, 3×3, one thread, the input and the output with each channel's pixels
together. Every way is first held to batched; then all take turns in random order. ``--layers 64x8,64x32``
takes some layers (channels x side of the map), ``--only numba,halide`` some rivals by a part of their names,
``--seconds`` sets how long each cell is timed.

numba and Halide are no part of this project. An environment of its own has them:

    python -m venv ENVIRONMENT && ENVIRONMENT/bin/pip install -e . numba halide
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[2]))
from bench.methods.csr_conv import CSRConv2d
from bench.methods.parts.c_kernel import processor
from bench.methods.parts.compiled import library, ready
from bench.methods.parts.fused_csr import Weights, pack, shape_of
from bench.methods.parts.fused_plan import layout
from tests.benchmarks.rivals import halide_pipeline, numba_loops, onednn

Call = Callable[[Tensor], Tensor]

LAYERS = ((16, 32), (32, 16), (64, 8), (64, 32), (128, 16), (256, 8))
"""Channels, of input and output alike, and side of the map."""

T = 4
FURTHEST = 1e-4
"""Difference from batched, relative to its largest number, up to which a way counts as equal."""

TURN = 0.004
"""Seconds that the counted calls of a turn take together."""

UNCOUNTED = 2
"""Calls of a turn that bring a way's weights and maps back into the caches."""


@dataclass(frozen=True)
class Way:
    """A way to compute a layer: modules it needs, and what makes it of a CSR-Conv and the side of its map."""

    name: str
    make: Callable[[CSRConv2d, int], Call]
    needs: tuple[str, ...] = ()


@dataclass
class Cell:
    """What one way did with one layer: seconds from nothing to the first answer, of calls, and how far off.

    ``words``: why it was not timed.
    """

    first: float = 0.0
    apart: float = 0.0
    seconds: list[float] = field(default_factory=list)
    words: str = ""


def dense(layer: CSRConv2d, side: int) -> Call:
    """The convolution that the layer replaces."""
    return nn.Conv2d(layer.in_channels, layer.out_channels, 3, padding=1, bias=False).eval()


def ordered(order: str) -> Callable[[CSRConv2d, int], Call]:
    """The layer in another order of its steps."""

    def make(layer: CSRConv2d, side: int) -> Call:
        found = CSRConv2d(layer.in_channels, layer.out_channels, 3, T, padding=1, order=order).eval()
        found.load_state_dict(layer.state_dict())
        with torch.inference_mode():
            found(torch.zeros(1, layer.in_channels, side, side))
        if found.executed_order != order:
            raise RuntimeError(found.executed_order)
        return found

    return make


def kernel_alone(layer: CSRConv2d, side: int) -> Call:
    """The C kernel called as its rivals are: no module around it, no checks, no choice by shape."""
    weights = Weights(layer.u.data, layer.v.data, layer.alpha.data, layer.beta.data, None, None)
    example = torch.empty(1, layer.in_channels, side, side)
    plan = layout(shape_of(example, weights, layer._geometry()), processor())
    output = (1, layer.out_channels, side, side)
    kernel = ready(library(plan.source(), output), (), (pack(plan, weights),), output, 1)

    def call(x: Tensor) -> Tensor:
        out, room = torch.empty(output), torch.empty(kernel.scratch)
        kernel.run(x.data_ptr(), out.data_ptr(), *kernel.addresses, room.data_ptr(), 1, 1)
        return out

    return call


INDUCTOR = ("torch._dynamo", "torch._inductor.compile_fx")
ALONE = "fused (C), kernel alone"
WAYS = (
    Way("dense", dense),
    Way("batched", ordered("batched")),
    Way("fused (C)", ordered("fused")),
    Way(ALONE, kernel_alone),
    Way("numba", numba_loops.contracted, ("numba",)),
    Way("numba, no fused multiply-adds", numba_loops.strict, ("numba",)),
    Way("Halide, vectors of pixels", halide_pipeline.pixels, ("halide",)),
    Way("Halide, vectors of channels", halide_pipeline.channels, ("halide",)),
    Way("oneDNN, blocked throughout", onednn.blocked),
    Way("oneDNN, weights packed", onednn.prepacked),
    Way("Inductor, frozen", onednn.frozen, INDUCTOR),
)
NOT_RIVALS = ("dense", "batched", "fused (C)", ALONE)


def absent(way: Way) -> str:
    """Why a way cannot be tried here; its modules are imported now, so that no first call pays for them."""
    for name in way.needs:
        try:
            importlib.import_module(name)
        except ImportError as error:
            return str(error)
    return ""


def prepared(way: Way, layer: CSRConv2d, x: Tensor, expected: Tensor) -> tuple[Cell, Call | None]:
    """The way made for the layer and held to what it should answer; no call where it fails."""
    since = time.perf_counter()
    try:
        call = way.make(layer, x.shape[-1])
        with torch.inference_mode():
            found = call(x)
            first = time.perf_counter() - since
            again = call(x)
    except Exception as error:  # noqa: BLE001 - a rival that fails is a line of the table, whatever it raises
        return Cell(words=f"{type(error).__name__}: {str(error).strip().splitlines()[0][:160]}"), None
    if way.name == "dense":
        return Cell(first), call
    if not found.is_contiguous() or found.shape != expected.shape:
        return Cell(first, words=f"answers {tuple(found.shape)}, strides {found.stride()}"), None
    apart = max(float((one - expected).abs().max() / expected.abs().max()) for one in (found, again))
    if not apart <= FURTHEST:
        return Cell(first, apart, words=f"differs from batched by {apart:.1e}"), None
    return Cell(first, apart), call


def take_turns(calls: Sequence[Call], x: Tensor, seconds: float, coin: random.Random) -> list[list[float]]:
    """Seconds per call of every turn; the order of each round is drawn anew."""
    counts = [max(2, round(TURN / min(_seconds(call, x, 1) for _ in range(5)))) for call in calls]
    found: list[list[float]] = [[] for _ in calls]
    end = time.perf_counter() + seconds * len(calls)
    while time.perf_counter() < end or len(found[0]) < 3:
        for at in coin.sample(range(len(calls)), len(calls)):
            for _ in range(UNCOUNTED):
                calls[at](x)
            found[at].append(_seconds(calls[at], x, counts[at]))
    return found


def _seconds(call: Call, x: Tensor, count: int) -> float:
    since = time.perf_counter()
    for _ in range(count):
        call(x)
    return (time.perf_counter() - since) / count


def measure(channels: int, side: int, ways: Sequence[Way], seconds: float) -> dict[str, Cell]:
    """Cells of one layer by the names of the ways."""
    torch.manual_seed(0)
    layer = CSRConv2d(channels, channels, 3, T, padding=1).eval()
    with torch.no_grad():
        layer.alpha.fill_(0.7)  # two numbers that no mistake would leave as they are
        layer.beta.fill_(0.4)
    x = torch.randn(1, channels, side, side)
    cells: dict[str, Cell] = {}
    calls: dict[str, Call] = {}
    with torch.inference_mode():
        expected = layer(x)
    for way in ways:
        cells[way.name], call = prepared(way, layer, x, expected)
        if call is not None:
            calls[way.name] = call
    with torch.inference_mode():
        turns = take_turns(list(calls.values()), x, seconds, random.Random(side * channels))
    for name, found in zip(calls, turns, strict=True):
        cells[name].seconds = found
    return cells


def words(cell: Cell) -> str:
    """``23.1 (22.8–23.9)``: median and quartiles in µs; a dash where nothing was timed."""
    if not cell.seconds:
        return "—"
    low, middle, high = (1e6 * s for s in statistics.quantiles(cell.seconds, n=4))
    digits = 0 if middle >= 100 else 1
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def table(layers: Sequence[tuple[int, int]], cells: Sequence[dict[str, Cell]]) -> Iterator[str]:
    """Rows by way, columns by layer; the last row is the C kernel beside the fastest of its rivals."""
    heads = " | ".join(f"{channels}→{channels}, {side}×{side}" for channels, side in layers)
    yield f"| µs | {heads} |"
    yield "|---" * (len(layers) + 1) + "|"
    for name in cells[0]:
        yield f"| {name} | {' | '.join(words(of[name]) for of in cells)} |"
    yield f"| kernel alone ÷ the fastest rival | {' | '.join(beside(of) for of in cells)} |"


def beside(cells: dict[str, Cell]) -> str:
    """``0.85``: the C kernel's median ÷ that of the fastest rival, called alike."""
    medians = {name: statistics.median(cell.seconds) for name, cell in cells.items() if cell.seconds}
    rivals = [seconds for name, seconds in medians.items() if name not in NOT_RIVALS]
    ours = medians.get(ALONE)
    return f"{ours / min(rivals):.2f}" if ours is not None and rivals else "—"


def firsts(cells: Sequence[dict[str, Cell]]) -> Iterator[str]:
    """By way: seconds of making it and of its first call, and its largest difference from batched."""
    yield "| | first call of a layer, s | at most, s | largest difference from batched |"
    yield "|---" * 4 + "|"
    for name in cells[0]:
        timed = [of[name] for of in cells if of[name].seconds]
        if timed and name != ALONE:  # compiled when the layer was
            seconds = [cell.first for cell in timed]
            apart = "—" if name == "dense" else f"{max(cell.apart for cell in timed):.0e}"
            yield f"| {name} | {statistics.median(seconds):.3f} | {max(seconds):.3f} | {apart} |"


def asked_layers(text: str) -> list[tuple[int, int]]:
    """``64x8,256x8`` -> [(64, 8), (256, 8)]. Raises ArgumentTypeError for anything else."""
    found = []
    for word in text.split(","):
        channels, by, side = word.partition("x")
        if not (by and channels.isdigit() and side.isdigit()):
            raise argparse.ArgumentTypeError(f"'{word}' is no layer: 64x8 is one, 64 channels at 8×8")
        if int(channels) % (4 * T) or int(channels) == 0 or int(side) not in (8, 16, 32):
            raise argparse.ArgumentTypeError(f"'{word}': multiples of {4 * T} channels at 8, 16 or 32 work")
        found.append((int(channels), int(side)))
    return found


def versions(ways: Sequence[Way]) -> str:
    """``torch 2.13.0+cpu, numba 0.68.1``."""
    from importlib.metadata import version

    packages = dict.fromkeys(["torch", *(n for way in ways for n in way.needs if not n.startswith("torch"))])
    return ", ".join(f"{name} {version(name)}" for name in packages)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layers", type=asked_layers, default=list(LAYERS))
    parser.add_argument("--only", default="", help="rivals by a part of their names")
    parser.add_argument("--seconds", type=float, default=0.3, help="how long each cell is timed")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    ways, parts = [], asked.only.lower().split(",")
    for way in WAYS:
        if way.name not in NOT_RIVALS and not any(part in way.name.lower() for part in parts):
            continue
        reason = absent(way)
        if reason:
            print(f"left out: {way.name} ({reason}); --help says how to install it")
        else:
            ways.append(way)
    cells = []
    with tempfile.TemporaryDirectory() as folder:
        # Nothing compiled before is taken, so that the first calls are first ones.
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(folder) / "inductor")
        os.environ["XDG_CACHE_HOME"] = folder
        for channels, side in asked.layers:
            print(f"{channels}→{channels}, {side}×{side}", end=" … ", file=sys.stderr, flush=True)
            cells.append(measure(channels, side, ways, asked.seconds))
    print(file=sys.stderr)
    for (channels, side), of in zip(asked.layers, cells, strict=True):
        for name, cell in of.items():
            if cell.words:
                print(f"not timed: {name}, {channels}→{channels} at {side}×{side}: {cell.words}")
    print(
        f"{platform.machine()}, {versions(ways)}; one thread, batch 1, T = {T}; median (quartiles) of turns\n"
    )
    print("\n".join(table(asked.layers, cells)), end="\n\n")
    print("\n".join(firsts(cells)))


if __name__ == "__main__":
    main()
