"""Is this host fit to judge? An A/A self-test, and everything around it that can be read."""

from __future__ import annotations

import os
import random
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from bench.analysis import stats
from bench.analysis.disk import check_writable
from bench.analysis.pairing import round_logs
from bench.analysis.power import detectable
from bench.analysis.quality import marks
from bench.analysis.records import Trial
from bench.analysis.roofline import FILE, write_peaks
from bench.analysis.sequential import ALPHA, repeated_interval
from bench.case import DENSE, Case
from bench.plan.suite import Measure
from bench.plan.targets import TARGETS
from bench.run.launch import WorkerFailed, run_worker
from bench.run.sitting import Process, take_turns
from bench.worker import host
from bench.worker.protocol import Job, Peaks

UNKNOWN = "unknown"
PEAKS_TIMEOUT = 300.0
SHOWN_FROM, MOST_SHOWN = 0.02, 5
"""Other processes are named from this share of a core on, and so many of them at most."""
GATES = (0.01, 0.02, 0.05, 0.10)
ROUNDS = 5
"""Rounds of the comparison that the self-test imitates: a suite's default."""
DRAWS = 2000
WRONG_AT_MOST = 0.10
"""Twice the 5 % that the verdict promises: twenty pairs tell the rate only roughly."""


class NothingMeasuredError(RuntimeError):
    """Too few pairs could be measured to say anything; ``str(error)`` has the first reason."""


@dataclass(frozen=True)
class SelfTest:
    """What two equal networks that took turns in one process looked like on this host.

    ``wrong``: share of five-process comparisons called different. ``difference_p95``: 95th percentile of
    the A/A difference of their estimates. ``resolution_p95``: 95th percentile of half their intervals. All
    from draws of ROUNDS processes out of ``pairs``, the two networks swapped at random. ``spread``: standard
    deviation of the difference between processes. ``smallest_change``: what a comparison of ROUNDS processes
    finds with a chance of 95 %.
    """

    pairs: int
    failed: int
    wrong: float
    difference_p95: float
    resolution_p95: float
    marked: dict[str, int]
    spread: float
    smallest_change: float

    def gates(self, at: float) -> bool:
        """True when a change of ``at`` can be told: intervals that narrow, and few enough false alarms."""
        return self.wrong <= WRONG_AT_MOST and self.resolution_p95 <= at


def self_test(
    pairs: int,
    seed: int,
    done: Callable[[int, int], None],
    measure: Measure | None = None,
    sitting: Callable[[Sequence[Job], Measure, random.Random], list[Trial]] | None = None,
) -> tuple[SelfTest, list[Trial]]:
    """Measures one case against itself in ``pairs`` fresh processes, the two copies in turns.

    ``sitting`` gives the trials of one process (a real one by default); ``done`` is told the progress.
    Raises NothingMeasuredError when there are fewer than ROUNDS pairs.
    """
    measure = measure or Measure()
    job = Job(Case("resnet20", DENSE), recipes=(None,), protocol=measure.protocol())
    hold = sitting or _sitting
    coin = random.Random(seed)
    trials: list[Trial] = []
    for number in range(pairs):
        found = hold([job, job], measure, coin)
        trials += [replace(trial, round=number, arm=arm) for trial, arm in zip(found, "ab", strict=False)]
        done(number + 1, pairs)
    a, b = ([trial for trial in trials if trial.arm == arm] for arm in "ab")
    logs = round_logs(a, b)
    if len(logs) < ROUNDS:
        errors = [t.error.first_line() for t in trials if t.error]
        reason = errors[0] if errors else "the others lay too far off on a busy host"
        raise NothingMeasuredError(f"only {len(logs)} of {pairs} pairs could be measured: {reason}")
    return judge(list(logs.values()), pairs, seed, _marks(trials)), trials


def _sitting(jobs: Sequence[Job], measure: Measure, coin: random.Random) -> list[Trial]:
    """One fresh process with all jobs in turns."""
    case = jobs[0].case.id
    common: dict[str, Any] = {
        "run": "doctor",
        "case": case,
        "position": 0,
        "started": "",
        "wall_seconds": 0.0,
    }
    with ExitStack() as stack:
        try:
            process = Process(TARGETS.get("cpu"), jobs, measure.timeout, stack)
            process.start()
            take_turns([process], lambda _process, seat: seat == 0, measure, coin)
            process.end()
        except WorkerFailed as failed:
            return [Trial(round=0, status="failed", error=failed.failure, **common) for _ in jobs]
        return [
            Trial(
                round=0,
                status="failed" if process.seat(at).error else "ok",
                error=process.seat(at).error,
                latency=None if process.seat(at).error else process.latency(at),
                host=process.seated.host,
                conditions_before=process.seated.conditions_before,
                conditions_after=process.risen.conditions_after,
                sitting="self-test",
                **common,
            )
            for at in range(len(jobs))
        ]


def judge(logs: Sequence[float], pairs: int, seed: int, marked: Mapping[str, int]) -> SelfTest:
    """The self-test's figures from the processes' log ratios: pure, seeded."""
    coin = random.Random(seed)
    wrong = 0
    differences, widths = [], []
    for _ in range(DRAWS):
        drawn = [value * coin.choice((-1, 1)) for value in coin.sample(list(logs), ROUNDS)]
        interval = repeated_interval(drawn, ALPHA)
        wrong += interval.low > 1 or interval.high < 1
        differences.append(abs(stats.log_ratio(1.0, interval.value)))
        widths.append(interval.half_width)
    found = detectable(logs, ALPHA, count=ROUNDS)
    return SelfTest(
        pairs=pairs,
        failed=pairs - len(logs),
        wrong=wrong / DRAWS,
        difference_p95=_p95(differences),
        resolution_p95=_p95(widths),
        marked=dict(marked),
        spread=found.sd,
        smallest_change=found.change,
    )


def verdict_line(test: SelfTest) -> str:
    """One line: at which changes this host can gate."""
    able = [f"{gate:.0%}" for gate in GATES if test.gates(gate)]
    if able:
        found = f"; a change of {test.smallest_change:.1%} is found with 95 %"
        return f"this host can gate at {', '.join(able)} with {ROUNDS} rounds{found}"
    return f"this host cannot gate at any of {', '.join(f'{g:.0%}' for g in GATES)} with {ROUNDS} rounds"


def gpu_users() -> list[str] | str:
    """Other processes on the GPU, by nvidia-smi's account; "unknown" where there is no such tool."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return UNKNOWN
    query = [tool, "--query-compute-apps=pid,process_name,used_memory", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return UNKNOWN
    return answer.stdout.strip().splitlines() if answer.returncode == 0 else UNKNOWN


def library_builds() -> list[str]:
    """How torch was built: its own account, one fact a line."""
    import torch

    return [line.strip(" -\t") for line in torch.__config__.show().splitlines() if line.strip()]


@dataclass(frozen=True)
class Neighbours:
    """What else this host is doing. ``busiest``: name and cores used of the processes that use most.

    ``load``: load averages over 1, 5 and 15 minutes; memory in bytes. None is unknown.
    """

    load: tuple[float, ...] | None
    memory_bytes: int | None
    memory_available_bytes: int | None
    busiest: tuple[tuple[str, float], ...]


def neighbours(
    seconds: float = 1.0,
    processes: Callable[[], Iterable[psutil.Process]] = psutil.process_iter,
    wait: Callable[[float], None] = time.sleep,
) -> Neighbours:
    """Load, memory, and the processor time of all processes but this one over so many seconds."""
    watched = [process for process in processes() if process.pid != os.getpid()]
    for process in watched:
        _cores_used(process)  # the first look starts psutil's clock
    wait(seconds)
    used = [(name, cores) for process in watched for name, cores in [_cores_used(process)]]
    busiest = sorted((entry for entry in used if entry[1] >= SHOWN_FROM), key=lambda entry: -entry[1])
    memory = _or_none(psutil.virtual_memory)
    load = _or_none(psutil.getloadavg)
    return Neighbours(
        load=None if load is None else tuple(round(value, 2) for value in load),
        memory_bytes=None if memory is None else int(memory.total),
        memory_available_bytes=None if memory is None else int(memory.available),
        busiest=tuple(busiest[:MOST_SHOWN]),
    )


def _cores_used(process: psutil.Process) -> tuple[str, float]:
    try:
        return process.name(), round(process.cpu_percent(None) / 100, 3)
    except psutil.Error:  # it has ended, or belongs to somebody else
        return "", 0.0


def _or_none(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except (OSError, psutil.Error):
        return None


@dataclass(frozen=True)
class Examination:
    """All that was found out about the host.

    ``peaks`` is None where they were not asked for; ``problems`` are those that could not be measured.
    """

    test: SelfTest
    host: Mapping[str, Any]
    conditions: Mapping[str, Any]
    neighbours: Neighbours
    gpu_users: list[str] | str
    builds: Sequence[str]
    peaks: Sequence[Mapping[str, Any]] | None = None
    peaks_file: Path | None = None
    problems: tuple[str, ...] = ()

    def as_dict(self, gate: float) -> dict[str, Any]:
        """Plain data for ``bench doctor --json``."""
        data = {
            "can_gate": {f"{at:.0%}": self.test.gates(at) for at in GATES},
            "gate": gate,
            "fit": self.test.gates(gate),
            "self_test": asdict(self.test),
            "host": dict(self.host),
            "conditions": dict(self.conditions),
            "neighbours": asdict(self.neighbours),
            "gpu_users": self.gpu_users,
            "builds": list(self.builds),
        }
        if self.peaks is not None:
            data["peaks"] = [dict(row) for row in self.peaks]
            data["peaks_file"] = None if self.peaks_file is None else str(self.peaks_file)
        return data


def examine(
    pairs: int, seed: int, done: Callable[[int, int], None], peaks_in: Path | None = None
) -> Examination:
    """Looks around, measures the peaks and stores them where a folder is given, then makes the self-test.

    The caller holds the host's lock. Raises InputError when the peaks cannot be stored, before anything
    is measured, and NothingMeasuredError when there are too few pairs.
    """
    if peaks_in is not None:
        check_writable(peaks_in / FILE)
    fingerprint = host.fingerprint("cpu")
    conditions, around = host.conditions(), neighbours()  # before the test makes its own load
    rows, problems = (None, ()) if peaks_in is None else measure_peaks()
    file = write_peaks(peaks_in, fingerprint, rows) if peaks_in is not None and rows else None
    test, _ = self_test(pairs, seed, done)
    if peaks_in is not None and rows:
        write_peaks(peaks_in, fingerprint, rows, verdict_line(test))
    return Examination(
        test=test,
        host=fingerprint,
        conditions=conditions,
        neighbours=around,
        gpu_users=gpu_users(),
        builds=library_builds(),
        peaks=rows,
        peaks_file=file,
        problems=problems,
    )


def measure_peaks() -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The peaks with one thread and with all cores, and what went wrong, in words."""
    rows: list[dict[str, Any]] = []
    problems: list[str] = []
    for threads in sorted({1, len(os.sched_getaffinity(0))}):
        job = Job(Case("none", (), threads=threads))
        answer = run_worker(TARGETS.get("cpu"), job, PEAKS_TIMEOUT, Peaks, module="bench.worker.peaks")
        if answer.error is None:
            rows.append({"threads": threads, "flops": answer.flops, "bandwidth": answer.bandwidth})
        else:
            problems.append(f"peaks with {threads} threads: {answer.error.message}")
    return rows, tuple(problems)


def _marks(trials: Sequence[Trial]) -> dict[str, int]:
    found: dict[str, int] = {}
    for arm in ("a", "b"):
        for marked in marks([t for t in trials if t.arm == arm]):
            for mark in marked:
                found[mark] = found.get(mark, 0) + 1
    return found


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]
