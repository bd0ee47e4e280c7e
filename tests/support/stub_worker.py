"""A worker that measures nothing and answers at once, and that does what broken ones do where it is asked to.

``python -S -E stub_worker.py MODULE`` stands in for ``python -m MODULE``. STUB_FAULT is JSON with ``kind``
(what goes wrong), ``at`` (``count``, ``probe``, ``seat``, ``turn`` or ``rise``) and ``batch`` (of the cases
that it befalls). Standard library only: it starts in some hundredths of a second.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FAULT: dict[str, Any] = json.loads(os.environ.get("STUB_FAULT") or "{}")
PAUSE = float(os.environ.get("STUB_PAUSE") or 0.002)
"""Seconds that a turn takes."""

SAMPLES = int(os.environ.get("STUB_SAMPLES") or 4)
GIGABYTE = 2**30
HOST = {"id": "stub", "name": os.environ.get("STUB_HOST") or "stub-host", "cpu": "stub processor"}
CONDITIONS = {"load_1m": 0.1, "own_cpu": 0.0, "clock": 0.0}
MEMORY = {"weight_bytes": 400, "live_peak": 64, "allocator_peak": 96}
OUTPUT = {"shape": [1, 4], "checksum": "c", "mean_magnitude": 1.0, "finite": True}
COUNTS = {
    "params": 100, "logical_params": 100, "macs": 1000, "executed_macs": 1000, "flops": 2000,
    "other_elements": 7, "weight_bytes": 400, "witnesses": {}, "disagreements": [], "layers": [],
}  # fmt: skip


def say(**answer: Any) -> None:
    """One answer."""
    line = {"status": "ok" if answer.get("error") is None else "failed", "error": None, **answer}
    os.write(1, json.dumps(line).encode() + b"\n")


def befalls(at: str, *jobs: dict[str, Any]) -> bool:
    """Whether something is to go wrong now."""
    return FAULT.get("at") == at and any(job["case"]["batch"] == FAULT.get("batch") for job in jobs)


def go_wrong() -> bool:
    """What is asked for; True where the worker is to answer all the same."""
    kind = str(FAULT["kind"])
    if kind in ("child", "session"):
        if os.fork() == 0:
            if kind == "session":
                os.setsid()
                if os.fork():
                    os._exit(0)
            time.sleep(600)
            os._exit(0)
        return True
    if kind in ("flood of words", "flood of lines"):
        block = (b"x" * 99 + b"\n") * 10_000 if kind == "flood of lines" else b"x" * 1_000_000
        for _ in range(GIGABYTE // len(block)):
            os.write(1, block)
        return True
    if kind == "flood of complaints":
        for _ in range(GIGABYTE // 1_000_000):
            os.write(2, b"x" * 1_000_000)
        return True
    endings[kind]()
    return kind == "two answers"


def out_of_memory() -> None:
    """As a host with little memory would have it."""
    resource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28))
    bytearray(GIGABYTE)


def stubborn() -> None:
    """Hangs, and asks to be let be."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    time.sleep(600)


def mute() -> None:
    """Lives on without an output."""
    os.close(1)
    time.sleep(600)


def error(message: str) -> dict[str, Any]:
    """A failure with that message."""
    return {"stage": "build", "type": "RuntimeError", "message": message, "traceback": message}


endings: dict[str, Callable[[], object]] = {
    "segmentation fault": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "stopped": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "exit 0": lambda: os._exit(0),
    "exit 3": lambda: os._exit(3),
    "out of memory": out_of_memory,
    "hang": stubborn,
    "stdout closed": mute,
    "half an answer": lambda: (os.write(1, b'{"status": "ok", "err'), os._exit(0)),
    "invalid JSON": lambda: (os.write(1, b'{"status": "ok", "error": nul}\n'), os._exit(0)),
    "deep JSON": lambda: (os.write(1, b"[" * 200_000 + b"\n"), os._exit(0)),
    "no letters": lambda: (os.write(1, bytes(range(256)) * 100 + b"\n"), os._exit(0)),
    "wrong types": lambda: say(
        counts=7, host=5, seats="none", samples=["x"], latency={"samples": "abc"}, memory=[], stages=3
    ),
    "wrong keys": lambda: os.write(1, b'{"status": "ok", "error": {"why": 1}, "surprise": true}\n'),
    "odd error": lambda: say(error={"stage": 1, "type": None, "message": [], "traceback": {}}),
    "two answers": lambda: say(error=error("an answer too many")),
    "lone surrogate": lambda: say(error=error("\ud800 <script>alert(1)</script> [/b]")),
    "megabytes of message": lambda: say(error=error("x" * 8_000_000)),
}
"""Kinds after which the worker does not answer as it should."""


def count() -> None:
    """``bench.counter``: every line is a case to count."""
    for line in sys.stdin:
        job = json.loads(line)
        if befalls("count", job) and not go_wrong():
            continue
        say(counts=COUNTS, recipes=[None] * len(job["case"]["methods"]))


def probe() -> None:
    """``bench.worker.zygote``: every line is a case whose memory is asked for."""
    for line in sys.stdin:
        if befalls("probe", json.loads(line)) and not go_wrong():
            continue
        say(memory=MEMORY, output=OUTPUT, params=100, host=HOST, stages={"call": 0.001})


def measure() -> None:
    """``bench.worker``: one job, or a conversation with those that have seats."""
    first = json.loads(sys.stdin.readline())
    jobs = first.get("seats", [])
    if befalls("seat", *jobs) and not go_wrong():
        return
    seat = {"calls_per_sample": 1, "seconds_per_call": 1e-4, "warmup_calls": 1, "warmup_steady": True}
    say(seats=[seat] * len(jobs), host=HOST, conditions_before=CONDITIONS, threads=1, cores=[0])
    for line in sys.stdin:
        asked = json.loads(line)
        if asked.get("rise"):
            if befalls("rise", *jobs) and not go_wrong():
                return
            end = {"params": 100, "output": OUTPUT}
            say(seats=[end] * len(jobs), conditions_after=CONDITIONS)
            return
        if "draw" in asked:
            say(occupied=0)
            continue
        if befalls("turn", jobs[asked["turn"]]) and not go_wrong():
            continue
        time.sleep(PAUSE)
        say(samples=[1e-4 * (1 + asked["turn"])] * SAMPLES)


def watched() -> None:
    """Ends with the harness, as the real ones do, also in the middle of something."""
    import select
    import threading

    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from bench.worker.offspring import end_with_offspring

    poller = select.poll()
    poller.register(0, 0)

    def watch() -> None:
        while not any(event & (select.POLLHUP | select.POLLERR) for _, event in poller.poll()):
            pass
        end_with_offspring()

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    watched()
    {"bench.counter": count, "bench.worker.zygote": probe}.get(sys.argv[1], measure)()
