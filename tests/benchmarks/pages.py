"""How long a page takes to be written, and how big it is: made-up results, drawn as by `bench report`.

    python tests/benchmarks/pages.py                   # 10,000 trials: 56 cases × 179 rounds
    python tests/benchmarks/pages.py --cases 1000 --rounds 1000
    python tests/benchmarks/pages.py --cases 1000 --rounds 1000 --profile

Wanted: 10,000 trials in 5 s, 100,000 in 15 s and 600 MB, 1,000,000 in 60 s, 2 GB and a page of 6 MB. No test
asserts a time: this prints it.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import json
import pstats
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

from made_trials import made_count, made_end, made_start, made_trial  # noqa: E402

from bench.analysis.frame import make_frame  # noqa: E402
from bench.analysis.records import to_line  # noqa: E402
from bench.analysis.store import read_results  # noqa: E402
from bench.case import DENSE, Case, MethodCall  # noqa: E402
from bench.report.page import render  # noqa: E402


def cases(number: int) -> list[Case]:
    """So many cases: backbones with a dense case and seven values of T each."""
    found = []
    for at in range(number):
        net, T = divmod(at, 8)
        methods = (MethodCall("csr_conv", {"T": T + 1}),) if T else DENSE
        found.append(Case(f"net{net}", methods))
    return found


def write(file: Path, number: int, rounds: int, samples: int) -> int:
    """Writes the results; the number of trials."""
    every = cases(number)
    draw = random.Random(1)
    host = {
        "id": "h",
        "name": "board",
        "cpu": "Some CPU",
        "logical_cpus": 2,
        "kernel": "6.1",
        "torch": "2.13.0",
    }
    shape = to_line(made_trial("CASE", 0, [1.0] * samples, host=host))
    shape["latency"]["turns"] = [{"number": turn, "at": turn, "count": samples // 4} for turn in range(4)]
    with file.open("w", encoding="utf-8") as results:
        measure = {"rounds": rounds, "min_rounds": 5, "min_samples": 4}
        results.write(json.dumps(to_line(made_start(every, measure=measure))) + "\n")
        for at, case in enumerate(every):
            results.write(
                json.dumps({**asdict(made_count(case, macs=1000 - at % 8 * 100)), "schema": 3}) + "\n"
            )
        for turn in range(rounds):
            for at, case in enumerate(every):
                centre = 1e-3 * (1 + at % 8 / 10) * draw.gauss(1, 0.01)
                shape["case"], shape["round"] = case.id, turn
                shape["latency"]["samples"] = [centre * draw.gauss(1, 0.01) for _ in range(samples)]
                began = turn * len(every) + at
                shape["conditions_before"] = looked(draw, began, 0.5)
                shape["conditions_after"] = looked(draw, began + 1, 1.5)
                results.write(json.dumps(shape, separators=(",", ":")) + "\n")
        results.write(json.dumps(to_line(made_end())) + "\n")
    return rounds * len(every)


def looked(draw: random.Random, at: float, own: float) -> dict[str, Any]:
    """A look at an idle host: no two are equal, so that memory is not saved by chance."""
    clock = at + draw.random() / 10
    return {
        "clock": clock,
        "own_cpu": own + draw.random() / 10,
        "busy_jiffies": {"busy": 1_000_000 + int(100 * clock), "steal": 0},
        "load_1m": round(0.3 + draw.random(), 2),
        "cpu_pressure_10s": round(10 * draw.random(), 2),
        "throttle_count": "unknown",
    }


def report(file: Path, page: Path) -> None:
    """What `bench report` does, with the seconds of each step."""

    def timed(what: str, work: Callable[[], object]) -> object:
        since, busy = time.perf_counter(), time.process_time()
        found = work()
        wall, own = time.perf_counter() - since, time.process_time() - busy
        print(f"{what}: {wall:.1f} s, of them {own:.1f} s of this process", flush=True)
        return found

    gc.disable()  # as write_report does
    results = [timed("reading", lambda: read_results(file))]
    frame = timed("framing", lambda: make_frame(results))  # type: ignore[arg-type]
    text = timed("drawing", lambda: render(frame, results))  # type: ignore[arg-type]
    page.write_text(str(text), encoding="utf-8")


def main() -> None:
    """Writes, reads, draws, and says how long it took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=56)
    parser.add_argument("--rounds", type=int, default=179)
    parser.add_argument("--samples", type=int, default=16, help="of each trial")
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    parser.add_argument("--keep", type=Path, help="folder for the results and the page")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = asked.keep or Path(folder)
        file, page = place / "made-up.jsonl", place / "made-up.html"
        trials = write(file, asked.cases, asked.rounds, asked.samples)
        print(f"{trials:,} trials of {asked.cases} cases, {file.stat().st_size / 1e6:,.0f} MB", flush=True)
        watch = cProfile.Profile(time.process_time) if asked.profile else None
        since, busy = time.perf_counter(), time.process_time()
        if watch is None:
            report(file, page)
        else:
            watch.runcall(report, file, page)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"page: {time.perf_counter() - since:.1f} s, of them {time.process_time() - busy:.1f} s of this "
            f"process, {page.stat().st_size / 1e6:.2f} MB; "
            f"highest memory {memory:,.0f} MiB"
        )
        if watch is not None:
            pstats.Stats(watch).sort_stats("cumulative").print_stats(45)


if __name__ == "__main__":
    main()
