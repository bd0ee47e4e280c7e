"""``make faults``: what a run survives, counted. ``python tests/faults --quick`` is the form of the tests.

Each experiment begins a run in a sandbox, breaks something, and then looks at what is left: trials that were
finished and are gone, trials that are there twice, torn lines, processes that live on after two seconds,
tracebacks, files outside the named folders, and exit codes that say something else than what happened. All
of it should be none; the program ends with 1 otherwise, and prints what it found.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
sys.path[:0] = [
    str(Path(__file__).resolve().parents[1] / "support"),
    str(Path(__file__).resolve().parents[2]),
]

from fault_lab import Toll, warm_up  # noqa: E402


def main() -> None:
    """Injects the faults and prints their toll."""
    parser = argparse.ArgumentParser(
        prog="tests/faults", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a few of each, within a minute and a half")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="experiments whose name has this part")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--keep", type=Path, help="folder in which the sandboxes stay")
    asked = parser.parse_args()
    since = time.monotonic()
    warm_up()
    import fault_experiments

    folder = asked.keep or Path(tempfile.mkdtemp(prefix="csr-bench-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        tolls = run_all(fault_experiments.plan(asked.quick), folder, asked)
    finally:
        if asked.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    total = Toll()
    for name, toll in tolls.items():
        print_row(name, toll)
        total.add(toll)
    print_row("all", total)
    for line in total.details:
        print(f"  {line}")
    print(
        f"faults injected {total.injected}, trials lost {total.lost}, duplicates {total.duplicates}, "
        f"torn {total.torn}, orphans {total.orphans}, tracebacks {total.tracebacks}, "
        f"files written outside {total.outside}, wrong exit codes {total.codes}; "
        f"{time.monotonic() - since:.0f} s, seed {asked.seed}"
    )
    sys.exit(1 if total.paid else 0)


def print_row(name: str, toll: Toll) -> None:
    """One line of the table."""
    print(f"{name:44}" + "".join(f"{column} {getattr(toll, column):<6}" for column in Toll.COLUMNS))


def run_all(
    plan: list[tuple[str, Callable[[Path, random.Random], Toll], int]],
    folder: Path,
    asked: argparse.Namespace,
) -> dict[str, Toll]:
    """Every experiment so often, several side by side: each in a process of its own, which has no threads."""
    jobs = [
        (name, number, work) for name, work, times in plan for number in range(times) if asked.only in name
    ]
    # In no order of their own, so that the long ones do not wait for each other at the end.
    random.Random(asked.seed).shuffle(jobs)
    tolls = {name: Toll() for name, _, _ in jobs}
    tolls = {name: tolls[name] for name, _, _ in plan if name in tolls}
    running: dict[int, tuple[str, Path]] = {}
    while jobs or running:
        while jobs and len(running) < max(1, asked.processes):
            name, number, work = jobs.pop()
            place = folder / f"{name.replace(' ', '-').replace('/', '-')}-{number}"
            running[begin(work, place, random.Random(f"{asked.seed}/{name}/{number}"))] = (name, place)
        pid, status = os.wait()
        if pid not in running:
            continue
        name, place = running.pop(pid)
        tolls[name].add(read_toll(place, os.waitstatus_to_exitcode(status), name))
    return tolls


def begin(work: Callable[[Path, random.Random], Toll], place: Path, coin: random.Random) -> int:
    """An experiment in a fork; its toll lies in ``place`` when it has ended."""
    import json
    import traceback
    from dataclasses import asdict

    pid = os.fork()
    if pid:
        return pid
    try:
        place.mkdir(parents=True)
        toll = work(place, coin)
        (place / "toll.json").write_text(json.dumps(asdict(toll)))
        os._exit(0)
    except BaseException:  # noqa: BLE001 - an experiment that fails is counted as one
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def read_toll(place: Path, code: int, name: str) -> Toll:
    """What the experiment found; one that failed itself counts as a wrong exit code."""
    import json

    if code == 0:
        toll = Toll(**json.loads((place / "toll.json").read_text()))
        toll.details = [f"{name}, {place.name}: {line}" for line in toll.details]
        if not toll.paid:
            shutil.rmtree(place, ignore_errors=True)
        return toll
    toll = Toll(injected=1)
    toll.find("codes", 1, f"{name}: the experiment itself failed")
    return toll


if __name__ == "__main__":
    main()
