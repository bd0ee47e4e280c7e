"""The experiments of ``make faults``: each breaks one thing in a sandbox and returns what that cost."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import fuzzing
from fault_lab import SUITE, Lab, Toll, alive, smoke_suite

Experiment = Callable[[Path, random.Random], Toll]

RUN_SECONDS = 1.6
"""About how long an undisturbed run of stub workers takes; a moment to kill it is drawn within."""

SMOKE_SECONDS = 25.0
KILLED = -signal.SIGKILL
ENDINGS = (0, 3)
"""A run that came to its end; with failed cases, or without."""


def plan(quick: bool) -> list[tuple[str, Experiment, int]]:
    """Name, experiment, how often."""

    def times(full: int, fast: int) -> int:
        return fast if quick else full

    found: list[tuple[str, Experiment, int]] = [
        ("kill -9 of the parent, then --resume", hit(kill_parent), times(100, 3)),
        ("kill -9 of the parent, --resume beside it", hit(kill_parent_beside), times(40, 1)),
        ("kill -9 of a worker", hit(kill_worker), times(100, 3)),
        ("kill -9 of the parent, real workers", hit(partial(kill_parent, real=True)), times(5, 0)),
        ("kill -9 of a worker, real workers", hit(partial(kill_worker, real=True)), times(5, 1)),
        ("a worker hangs, its parent is killed", kill_beside_hang, times(6, 1)),
        ("SIGTERM, SIGHUP, SIGINT", asked_to_end, times(18, 2)),
        ("the terminal is closed", terminal_closed, times(6, 1)),
        ("stdout or stderr is closed", stream_closed, times(6, 1)),
        ("the disk is full at some byte", disk_full, times(20, 2)),
        ("a folder that cannot be written", unwritable, times(4, 1)),
        ("the clock jumps", clock_jumps, times(6, 1)),
        ("everything sleeps for a while", sleeps, times(6, 1)),
        ("two runs at once, two TMPDIR", two_at_once, times(4, 1)),
    ]
    for kind, places in FAULTS.items():
        chosen = places[:1] if quick else places
        for at in chosen:
            work = partial(worker_fault, kind=kind, at=at)
            found.append((f"worker: {kind} ({at})", work, times(1, int(kind in QUICK))))
    if not quick:  # tests/faults/test_fuzzing.py throws 500 of them
        for name, _, _, share in fuzzing.CHECKS:
            found.append((f"fuzzing: {name}", partial(fuzz, name=name), round(FUZZED * share / CHUNK)))
    return [one for one in found if one[2]]


TRIES = 10
"""How often a moment is drawn until it lies within a run: on a quick host many come when it is over."""


def hit(experiment: Experiment) -> Experiment:
    """The experiment, repeated until it injected its fault; what misses cost counts too."""

    def repeated(place: Path, coin: random.Random) -> Toll:
        toll = Toll()
        for number in range(TRIES):
            toll.add(experiment(place / str(number), coin))
            if toll.injected:
                break
        return toll

    return repeated


FUZZED, CHUNK = 10_000, 200
"""Examples of all kinds together, and how many are thrown in one go."""

MOST_MEMORY = 3 * 2**30
"""Bytes that an example may have."""

FAULTS: dict[str, Sequence[str]] = {
    "segmentation fault": ("turn", "count", "probe", "seat", "rise"),
    "killed": ("turn", "count", "probe"),
    "exit 0": ("turn", "seat"),
    "exit 3": ("turn", "count"),
    "out of memory": ("seat", "count", "probe", "turn"),
    "hang": ("turn", "probe", "seat", "rise"),
    "stopped": ("turn", "probe"),
    "stdout closed": ("turn", "seat"),
    "half an answer": ("turn", "count", "probe", "seat"),
    "invalid JSON": ("turn", "count", "probe", "seat", "rise"),
    "deep JSON": ("turn", "count"),
    "no letters": ("turn", "count"),
    "wrong types": ("turn", "count", "probe", "seat", "rise"),
    "wrong keys": ("turn", "count", "probe", "seat"),
    "odd error": ("turn", "count", "probe"),
    "two answers": ("count", "probe"),
    "lone surrogate": ("count", "probe", "seat", "rise"),
    "megabytes of message": ("count", "probe", "seat"),
    "child": ("turn", "probe"),
    "session": ("turn", "probe", "count"),
    "flood of words": ("turn", "count"),
    "flood of lines": ("turn",),
    "flood of complaints": ("turn", "count"),
}
"""What a worker does, and when."""

QUICK = {
    "segmentation fault",
    "out of memory",
    "hang",
    "wrong types",
    "invalid JSON",
    "session",
    "lone surrogate",
}


def lab_of(place: Path, real: bool = False) -> Lab:
    """A sandbox with stub workers, or with the smoke suite and real ones."""
    return Lab(place / "lab", smoke_suite() if real else SUITE, stub=not real)


def moment(coin: random.Random, real: bool = False) -> float:
    """Seconds after which something is done to a run."""
    return coin.uniform(0.0, SMOKE_SECONDS if real else RUN_SECONDS)


def finish(lab: Lab, toll: Toll, codes: Sequence[int] = (0,)) -> None:
    """Resumes until the run is complete; one that had not even begun is begun."""
    before = lab.lines()
    code = None
    if any(b'"kind":"end"' in line and b'"complete"' in line for line in before[-1:]):
        code = codes[0]
    else:
        resumed = lab.run("--resume")
        code = resumed.wait()
        if code == 2 and not any(line.startswith(b'{"schema"') and line.endswith(b"\n") for line in before):
            resumed = lab.run()
            code = resumed.wait()
        lab.settle(toll, resumed, codes=codes)
    lab.account(toll, before)


def kill_parent(place: Path, coin: random.Random, real: bool = False) -> Toll:
    """kill -9 at a random moment, several times over, then the run is resumed to its end."""
    lab, toll = lab_of(place, real), Toll()
    running = lab.run()
    time.sleep(moment(coin, real))
    before = lab.lines()
    toll.injected += running.poll() is None
    running.kill(signal.SIGKILL)
    running.wait()
    lab.settle(toll, running, codes=(KILLED, 0))
    lab.account(toll, before, complete=False)
    finish(lab, toll)
    return toll


def kill_parent_beside(place: Path, coin: random.Random) -> Toll:
    """The same while somebody who asked to resume waits for the first to end."""
    lab, toll = lab_of(place), Toll()
    first = lab.run()
    time.sleep(moment(coin))
    second = lab.run("--resume", "--report", "reports/second.html")
    time.sleep(coin.uniform(0, 0.8))
    before = lab.lines()
    toll.injected += first.poll() is None
    first.kill(signal.SIGKILL)
    first.wait()
    second.wait()
    # 2: there was nothing to resume, as the first had come to its end, or had not begun.
    lab.settle(toll, first, second, codes=(KILLED, 0, 2))
    lab.account(toll, before, complete=False)
    finish(lab, toll)
    return toll


def kill_worker(place: Path, coin: random.Random, real: bool = False) -> Toll:
    """kill -9 of any process that the run started; the run goes on, and says what failed."""
    lab, toll = lab_of(place, real), Toll()
    running = lab.run()
    deadline = time.monotonic() + moment(coin, real)
    while time.monotonic() < deadline and running.poll() is None:
        time.sleep(0.01)
    while running.poll() is None:
        if workers := alive(lab.token):
            with contextlib.suppress(ProcessLookupError):
                os.kill(coin.choice(workers), signal.SIGKILL)
                toll.injected += 1
            break
        time.sleep(0.002)
    running.wait()
    lab.settle(toll, running, codes=ENDINGS)
    lab.account(toll)
    return toll


def kill_beside_hang(place: Path, coin: random.Random) -> Toll:
    """The parent dies while a worker hangs and hears no signal; the worker ends all the same."""
    lab, toll = lab_of(place), Toll()
    at = coin.choice(["turn", "probe", "count", "seat"])
    running = lab.run(fault={"kind": coin.choice(["hang", "session"]), "at": at, "batch": 2})
    time.sleep(coin.uniform(0.6, RUN_SECONDS))
    running.kill(signal.SIGKILL)
    running.wait()
    toll.injected += 1
    lab.settle(toll, running, codes=(KILLED, 0, 3))
    lab.account(toll, complete=False)
    return toll


def asked_to_end(place: Path, coin: random.Random) -> Toll:
    """SIGTERM, SIGHUP or SIGINT: the run ends in good order, says so, and is resumed."""
    lab, toll = lab_of(place), Toll()
    running = lab.run()
    time.sleep(moment(coin))
    before = lab.lines()
    number = coin.choice([signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
    running.kill(number)
    running.wait(20)
    toll.injected += 1
    # Before the verb begins, and after it has ended, the signal has its usual meaning.
    lab.settle(toll, running, codes=(130, 0, -number))
    lab.account(toll, before, complete=False)
    finish(lab, toll)
    return toll


def terminal_closed(place: Path, coin: random.Random) -> Toll:
    """The terminal goes away in the middle of a run, which ends in good order."""
    lab, toll = lab_of(place), Toll()
    near, far = pty.openpty()

    def take_terminal() -> None:
        import fcntl
        import termios

        os.close(near)
        with contextlib.suppress(OSError):  # it was closed before this process had begun
            fcntl.ioctl(far, termios.TIOCSCTTY, 0)

    running = lab.run(before=take_terminal, stdout=far, stderr=far)
    os.close(far)
    time.sleep(0.2 + moment(coin))
    os.close(near)
    running.wait(20)
    toll.injected += 1
    lab.settle(toll, running, codes=(130, 0, -signal.SIGHUP))
    lab.account(toll, complete=False)
    finish(lab, toll)
    return toll


def stream_closed(place: Path, coin: random.Random) -> Toll:
    """Nobody reads stdout, or stderr, any more: the run goes on to its end."""
    lab, toll = lab_of(place), Toll()
    reader, writer = os.pipe()
    which = coin.choice(["stdout", "stderr"])
    running = lab.run(**{which: writer}, before=lambda: os.close(reader))
    os.close(writer)
    time.sleep(moment(coin) / 4)
    os.close(reader)
    running.wait()
    toll.injected += 1
    lab.settle(toll, running, codes=(0,))
    lab.account(toll)
    return toll


def disk_full(place: Path, coin: random.Random) -> Toll:
    """No file may grow beyond some size: one line, code 2, and what was measured is kept and resumed."""
    lab, toll = lab_of(place), Toll()
    size = coin.choice([0, 1, 100, 4096, *(coin.randrange(200, 30_000) for _ in range(4))])

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)

    running = lab.run(before=limit)
    running.wait()
    toll.injected += 1
    before = lab.lines()
    lab.settle(toll, running, codes=(2, 0))
    finish(lab, toll)
    lab.account(toll, before[:-1])
    return toll


def unwritable(place: Path, coin: random.Random) -> Toll:
    """A file where a folder should be, a full device for a report, a folder that is a loop of links."""
    lab, toll = lab_of(place), Toll()
    (lab.work / "results").mkdir()
    (lab.work / "results" / "a-file").write_text("")
    (lab.work / "reports").mkdir()
    (lab.work / "reports" / "loop").symlink_to("loop")
    ways = [
        ("--results", "results/a-file"),
        ("--results", "results/a-file/deeper"),
        ("--report", "/dev/full/page.html"),
        ("--report", "reports/loop/page.html"),
        ("--results", f"results/{'x' * 300}"),
        ("--results", "/proc/nowhere"),
    ]
    commands = [lab.run(*way) for way in ways]
    for command in commands:
        command.wait()
        toll.injected += 1
        said = [line for line in command.said().splitlines() if line]
        toll.find("codes", int(len(said) != 1), f"more than a line: {said[:3]}")
    lab.settle(toll, *commands, codes=(2,))
    toll.find("outside", len(list((lab.work / "results").glob("*.jsonl"))), "results of a refused run")
    return toll


def worker_fault(place: Path, coin: random.Random, kind: str, at: str) -> Toll:
    """A worker misbehaves for the cases of one batch; those of the other are measured."""
    lab, toll = lab_of(place), Toll()
    running = lab.run(fault={"kind": kind, "at": at, "batch": 2})
    running.wait(100)
    toll.injected += 1
    harmless = kind in ("child", "session", "flood of lines", "flood of complaints")
    lab.settle(toll, running, codes=ENDINGS if harmless else (3,))
    lab.account(toll)
    sound = [
        json.loads(line)
        for line in lab.lines()
        if b'"kind":"trial"' in line and b"/b1/" in line and b'"status":"ok"' in line
    ]
    # A network is counted once for all batches.
    toll.find("lost", int(len(sound) < 9 and at != "count"), f"only {len(sound)} trials of the sound batch")
    page = next((lab.work / "reports").glob("*.html"), None)
    toll.find("codes", int(page is None), "no report")
    toll.find("codes", int(page is not None and page.stat().st_size > 8 * 2**20), "a page of megabytes")
    return toll


def clock_jumps(place: Path, coin: random.Random) -> Toll:
    """The time of day goes back and forth by days while a run goes on."""
    lab, toll = lab_of(place), Toll()
    seed = coin.random()

    def jump() -> None:
        import bench.run.run
        from bench.run import sitting

        drawn = random.Random(seed)

        def now() -> str:
            return (
                f"20{drawn.randrange(10, 99)}-0{drawn.randrange(1, 9)}-01T0{drawn.randrange(9)}:00:00+00:00"
            )

        sitting.now = now
        setattr(bench.run.run, "now", now)  # noqa: B010 - it has the name from there
        time.time = lambda: drawn.uniform(-1e9, 4e9)

    running = lab.run(before=jump)
    running.wait()
    toll.injected += 1
    lab.settle(toll, running, codes=(0,))
    lab.account(toll)
    return toll


def sleeps(place: Path, coin: random.Random) -> Toll:
    """All processes of a run stand still for longer than a worker may take, as when a laptop is closed."""
    lab, toll = lab_of(place), Toll()
    running = lab.run()
    time.sleep(moment(coin))
    asleep = [pid for pid in (running.pid, *alive(lab.token)) if running.poll() is None]
    for pid in asleep:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    time.sleep(2.0)
    for pid in reversed(asleep):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    running.wait()
    toll.injected += 1
    lab.settle(toll, running, codes=ENDINGS)
    lab.account(toll)
    return toll


def two_at_once(place: Path, coin: random.Random) -> Toll:
    """Two runs whose temporary folders differ: one waits for the other, and both are complete."""
    lab, toll = lab_of(place), Toll()
    other = lab.folder / "tmp" / "other"
    other.mkdir()
    first = lab.run("--results", "results/a", "--report", "reports/a.html")
    second = lab.run("--results", "results/b", "--report", "reports/b.html", variables={"TMPDIR": str(other)})
    for command in (first, second):
        command.wait()
    toll.injected += 1
    lab.settle(toll, first, second, codes=(0,))
    spans = []
    for name in ("a", "b"):
        (log,) = (lab.work / "results" / name).glob("*.log")
        times = [line.split()[0] for line in log.read_text().splitlines() if " trial of round " in line]
        spans.append((min(times), max(times)))
    (_, end), (begin, _) = sorted(spans)
    toll.find("duplicates", int(begin < end), "their trials overlap in time")
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from bench.run import lock; print(lock.default_path())"
    )
    paths = {
        subprocess.run(
            [sys.executable, "-c", program, str(Path(__file__).resolve().parents[2])],
            env={**os.environ, "TMPDIR": folder},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for folder in (str(other), str(lab.folder / "tmp"))
    }
    toll.find("duplicates", len(paths) - 1, f"each TMPDIR has a lock of its own: {paths}")
    return toll


def fuzz(place: Path, coin: random.Random, name: str) -> Toll:
    """Throws odd suites, knobs, command lines or results files at what reads them."""
    from hypothesis import HealthCheck, given, seed, settings

    toll = Toll()
    examples, check = next((e, c) for n, e, c, _ in fuzzing.CHECKS if n == name)
    thrown = 0

    @seed(coin.randrange(2**32))
    @settings(max_examples=CHUNK, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(examples)
    def throw(example: object) -> None:
        nonlocal thrown
        thrown += 1
        check(example)

    # An example that fills the memory is to fail by itself, and not what runs beside it.
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    with fuzzing.sandbox(place / "fuzz") as around:
        try:
            throw()
        except (Exception, fuzzing.Hang) as error:  # noqa: BLE001 - whatever came out is what is looked for
            notes = " ".join(getattr(error, "__notes__", ()))
            toll.find("tracebacks", 1, f"{type(error).__name__}: {error} {notes}"[:1500])
    toll.injected = thrown
    toll.find("outside", len(around.outside), "; ".join(around.outside[:3]))
    return toll
