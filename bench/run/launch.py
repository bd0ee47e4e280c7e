"""Starting a worker: an argv prefix in front of it, JSON in, one JSON line out, and an end by the clock."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from bench.plan.targets import Target

Answer = dict[str, Any]


def argv(target: Target, module: str) -> list[str]:
    """The command line of a worker on that target."""
    return [*target.prefix, target.python or sys.executable, "-m", module]


KEPT_HEAP = {
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""Takes two accidents of a process's layout out of its latency (docs/measurement.md has the measurements).

glibc's allocator hands the top of the heap back as soon as 128 KiB are free there and faults it in again,
or not, as the layout happens to be: up to 1 GiB is kept instead. And pages of 4 KiB lie in physical memory
at random, so that some processes collide in the cache: 2 MiB pages are asked for, where the kernel has them.
"""


def environment(threads: int, checkout: Path | None = None, heap: str = "kept") -> dict[str, str]:
    """The environment of a worker: thread pools of the size asked for, a fixed hash seed, the heap kept.

    A ``checkout`` stands before the installed package on the search path; ``heap`` "default" leaves the
    allocator as the system has it.
    """
    pools = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    fixed = {**dict.fromkeys(pools, str(threads)), "PYTHONHASHSEED": "0"}
    if heap == "kept":
        fixed |= KEPT_HEAP
    if checkout is not None:
        fixed["PYTHONPATH"] = str(checkout)
    return {**os.environ, **fixed}


def run_worker(
    target: Target,
    job: Answer,
    timeout: float,
    checkout: Path | None = None,
    module: str = "bench.worker",
) -> Answer:
    """One job in one fresh process. What goes wrong outside the worker is a failed answer too.

    ``module`` is what runs: a trial unless another kind of worker is named. ``checkout`` runs the
    package of another checkout instead of the installed one.
    """
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                argv(target, module),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(int(job["case"]["threads"]), checkout, job.get("heap", "kept")),
                cwd=checkout,
                start_new_session=True,  # Ctrl-C reaches the harness alone, which then ends the worker
            )
        except OSError as error:
            return failed("launch", type(error).__name__, f"{argv(target, module)[0]}: {error.strerror}")
        try:
            out, _ = process.communicate(json.dumps(job).encode(), timeout)
        except subprocess.TimeoutExpired:
            end(process)
            return failed("launch", "Timeout", f"no answer within {timeout:g} s", _tail(errors))
        except BaseException:
            end(process)
            raise
        return _answer(out, process.returncode, _tail(errors))


def failed(stage: str, kind: str, message: str, trace: str = "") -> Answer:
    """A failed answer of the harness's own."""
    return {
        "status": "failed",
        "error": {"stage": stage, "type": kind, "message": message, "traceback": trace},
    }


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a worker and what it started, by its process group, and waits for it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _answer(out: bytes, code: int, trace: str) -> Answer:
    lines = out.decode(errors="replace").strip().splitlines()
    if code != 0 or not lines:
        if code < 0:
            name = f"signal {-code}"
            with contextlib.suppress(ValueError):  # the real-time signals have no names
                name = signal.Signals(-code).name
            hint = " (out of memory?)" if name == "SIGKILL" else ""
            return failed("launch", "Crash", f"the worker was ended by {name}{hint}", trace)
        last = trace.strip().splitlines()[-1] if trace.strip() else "no message"
        return failed("launch", "Crash", f"the worker ended with code {code}: {last}", trace)
    answer = _parsed(lines[-1])
    return answer or failed("launch", "Crash", "the worker's answer is no JSON record", lines[-1][:2000])


def _parsed(line: str | bytes) -> Answer | None:
    """The answer on a line; None for anything that no worker would write."""
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) and {"status", "error"} <= answer.keys() else None


def _tail(errors: IO[bytes]) -> str:
    errors.seek(0, os.SEEK_END)
    errors.seek(max(0, errors.tell() - 4000))
    return errors.read().decode(errors="replace")


class CountingProcess:
    """The counting process, kept for all cases of a run; after a crash the next case gets a new one."""

    def __init__(self, plugins: list[str], timeout: float = 300.0, checkout: Path | None = None) -> None:
        self._plugins = plugins
        self._checkout = checkout
        self._timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None

    def count(self, case: Answer) -> Answer:
        """Counts and recipes of a case, or a failed answer."""
        process = self._process
        if process is None or process.poll() is not None:
            process = self._process = subprocess.Popen(
                [sys.executable, "-m", "bench.counter"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment(1, self._checkout),
                cwd=self._checkout,
                start_new_session=True,
            )
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Event()

        def give_up() -> None:
            late.set()
            end(process)

        timer = threading.Timer(self._timeout, give_up)
        timer.start()
        try:
            process.stdin.write(json.dumps({"case": case, "plugins": self._plugins}).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = b""
        finally:
            timer.cancel()
        answer = _parsed(line)
        if answer is not None:
            return answer
        self.close()
        if late.is_set():
            return failed("count", "Timeout", f"no counts within {self._timeout:g} s")
        return failed("count", "Crash", "the counting process ended on this case")

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            end(self._process)
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):  # what it never read
                        pipe.close()
            self._process = None

    def __enter__(self) -> CountingProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class CountingPool:
    """Several counting processes side by side; answers come in the order of the cases."""

    def __init__(self, processes: int, plugins: list[str], checkout: Path | None = None) -> None:
        self._all = [CountingProcess(plugins, checkout=checkout) for _ in range(processes)]
        self._free: queue.SimpleQueue[CountingProcess] = queue.SimpleQueue()
        for process in self._all:
            self._free.put(process)
        self._threads = ThreadPoolExecutor(processes)

    def count(self, cases: list[Answer]) -> Iterator[Answer]:
        """Counts and recipes of each case, or a failed answer."""
        return self._threads.map(self._count, cases)

    def _count(self, case: Answer) -> Answer:
        process = self._free.get()
        try:
            return process.count(case)
        finally:
            self._free.put(process)

    def __enter__(self) -> CountingPool:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._all:
            process.close()  # also ends the thread that waits for its answer
