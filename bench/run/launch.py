"""Starting a worker behind an argv prefix and talking to it by the clock: a JSON line in, one out."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import selectors
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from bench.analysis.records import typed
from bench.plan.emulator import emulator
from bench.plan.targets import Target
from bench.worker.offspring import MARK, end_marked, ended_by
from bench.worker.out_of_memory import MEND, ran_out_text
from bench.worker.protocol import Failure, Job, Json

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)
"""Every command that is started, how long it lived and how it ended: see bench.run.log."""

LONGEST_ANSWER = 64 * 2**20
"""Bytes of an answer at most: the recipe of a masked network of 100 million weights is far below."""

CONNECTION_LOST = "ConnectionLost"
SSH_FAILED = 255
"""What ssh itself ends with: not reached, not let in, or cut off. A command over there ends with less."""

LOOK = 1.0
"""Seconds after which somebody who waits for an answer sees that the worker was ended: a closed pipe wakes
nobody."""

TAIL = 4000
"""Bytes kept of what a worker printed beside its answer."""

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


def fixed_environment(threads: int, heap: str = "filled") -> dict[str, str]:
    """What every worker's environment has: thread pools of that size, a fixed hash seed, the heap kept.

    ``heap`` "default" leaves the allocator as the system has it.
    """
    pools = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    fixed = {**dict.fromkeys(pools, str(threads)), "PYTHONHASHSEED": "0"}
    return fixed if heap == "default" else {**fixed, **KEPT_HEAP}


def environment(threads: int, checkout: Path | None = None, heap: str = "filled") -> dict[str, str]:
    """The environment of a worker on this host; a ``checkout`` stands before the installed package."""
    found = {**os.environ, **fixed_environment(threads, heap)}
    return found if checkout is None else {**found, "PYTHONPATH": str(checkout)}


def new_mark() -> str:
    """A word by which what a worker started is found again; it says nothing of the host."""
    return secrets.token_hex(8)


class WorkerFailed(Exception):  # noqa: N818 - said of a worker, it is a result and no error of ours
    """The worker gave no answer; ``failure`` says why."""

    def __init__(self, kind: str, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.failure = Failure("launch", kind, message, trace)


class WorkerProcess:
    """One worker: started at once, asked any number of times, ended with all that it started.

    Raises WorkerFailed when it cannot be started.
    """

    def __init__(
        self,
        command: list[str],
        env: dict[str, str],
        cwd: Path | None = None,
        remote: bool = False,
        mark: str = "",
    ) -> None:
        self._command = command
        self._remote = remote
        self._mark = mark or new_mark()
        self._since = time.monotonic()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # What leads to another host has no mark: that host may be this one, and the worker there ends
                # everything with its mark before it goes.
                env=env if remote else {**env, MARK: self._mark},
                cwd=cwd,
                bufsize=0,
                start_new_session=True,  # Ctrl-C reaches the harness alone, which then ends the worker
            )
        except OSError as error:
            log.info("not started: %s: %s", shlex.join(command), error.strerror)
            raise WorkerFailed(type(error).__name__, f"{command[0]}: {error.strerror}") from None
        log.info("started %d: %s", self._process.pid, shlex.join(command))
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
        self._answered = bytearray()
        self._printed = bytearray()
        self._is_over = False
        self._was_asked = False

    def ask(self, question: Json, timeout: float, last: bool = False) -> Json:
        """The worker's answer: the first line that is one. Raises WorkerFailed, after which it is of no use.

        What it prints beside (a login banner, a library's warning) is kept for the message of a failure.
        ``last`` closes stdin behind the question.
        """
        if self._was_asked:
            self._drop_stale()
        self._was_asked = True
        to_write = memoryview(json.dumps(question).encode() + b"\n")
        deadline = time.monotonic() + timeout
        stdin, stdout, stderr = self._process.stdin, self._process.stdout, self._process.stderr
        assert stdin is not None
        assert stdout is not None
        assert stderr is not None
        over = False
        with selectors.DefaultSelector() as waiting:
            waiting.register(stdin, selectors.EVENT_WRITE)
            waiting.register(stdout, selectors.EVENT_READ)
            if not stderr.closed:
                waiting.register(stderr, selectors.EVENT_READ)
            while True:
                answer = self._next_answer()
                if answer is not None:
                    return answer
                if over:
                    raise WorkerFailed("Timeout", f"no answer within {timeout:g} s", self._trace())
                ready = waiting.select(min(LOOK, max(0.0, deadline - time.monotonic())))
                # An answer that lies there counts: this process may have been stopped for as long.
                over = time.monotonic() >= deadline
                if self._is_over:  # by another thread, which has closed what is waited for
                    raise WorkerFailed("Crash", "the harness ended the worker")
                for key, _ in ready:
                    if key.fileobj is stdin:
                        try:
                            to_write = to_write[os.write(stdin.fileno(), to_write[:65536]) :]
                        except BrokenPipeError:
                            to_write = to_write[:0]
                        if not to_write:
                            waiting.unregister(stdin)
                            if last:
                                stdin.close()
                        continue
                    data = os.read(key.fd, 1 << 20)
                    if key.fileobj is stdout:
                        self._answered += data
                    else:
                        self._printed = (self._printed + data)[-TAIL:]
                    if not data:
                        waiting.unregister(key.fileobj)
                        if key.fileobj is stdout:
                            raise self._ended()
                    if len(self._answered) > LONGEST_ANSWER:
                        raise WorkerFailed("Crash", f"the answer is longer than {LONGEST_ANSWER} bytes")

    def take_printed(self) -> str:
        """What it printed beside its answers and nobody took yet; the end of it, where that is long."""
        self._drain()
        printed = self._printed.decode(errors="replace")
        self._printed.clear()
        return printed

    def end(self) -> None:
        """Ends the worker and what it started, by its process group and its mark, and waits for it.

        Another thread that waits for its answer gets a WorkerFailed.
        """
        if not self._is_over:
            code = self._process.poll()
            how = "ended by the harness" if code is None else ended_by(code)
            log.info("%d %s after %.3f s", self._process.pid, how, time.monotonic() - self._since)
        self._is_over = True
        # The worker last: should this process be killed now, the worker ends what it started.
        left = 0 if self._remote else end_marked(self._mark, but=self._process.pid)
        end_group(self._process)
        if left := left + (0 if self._remote else end_marked(self._mark)):
            log.info("%d ended with what it had started: %d", self._process.pid, left)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what it never read
                    pipe.close()

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def _drop_stale(self) -> None:
        """A second answer to the question before would be taken for the answer to this one."""
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):  # BlockingIOError: nothing is there
            self._answered += os.read(self._process.stdout.fileno(), 1 << 20)
        while self._next_answer() is not None:
            log.info("%d gave an answer that nobody asked for", self._process.pid)

    def _next_answer(self) -> Json | None:
        """Takes lines off what was read until one is an answer."""
        while (at := self._answered.find(b"\n")) >= 0:
            line = bytes(self._answered[:at])
            del self._answered[: at + 1]
            answer = parsed(line)
            if answer is not None:
                return answer
            self._printed = (self._printed + line + b"\n")[-TAIL:]
        return None

    def _ended(self) -> WorkerFailed:
        """Why stdout closed before an answer came."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2)
        self._drain()
        trace, code = self._trace(), self._process.poll()
        printed = self._said().strip().splitlines()
        last = f": {printed[-1]}" if printed else " and printed nothing"
        if self._remote and printed and "No module named" in printed[-1]:
            last += "; `bench provision` sets a target up"
        if self._remote and code == SSH_FAILED:
            return WorkerFailed(CONNECTION_LOST, f"ssh {ended_by(code)}{last}", trace)
        if lacking := ran_out_text(printed[-1]) if printed else None:
            words = "closed its output" if code is None else ended_by(code)
            return WorkerFailed("Crash", f"the worker {words}: {lacking}; {MEND}", trace)
        if code is not None and code < 0:
            return WorkerFailed("Crash", f"the worker {ended_by(code)}", trace)
        if code is None:
            return WorkerFailed("Crash", f"the worker closed its output{last}", trace)
        return WorkerFailed("Crash", f"the worker {ended_by(code)}{last}", trace)

    def _drain(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        with contextlib.suppress(OSError):  # BlockingIOError: nothing more is there
            while data := os.read(stderr.fileno(), 1 << 20):
                self._printed = (self._printed + data)[-TAIL:]

    def _trace(self) -> str:
        """What was run where somebody else's words started it, and the last that it printed."""
        ours = self._command[0] == sys.executable
        return self._said() if ours else f"$ {shlex.join(self._command)}\n{self._said()}"

    def _said(self) -> str:
        return (bytes(self._printed) + bytes(self._answered[-TAIL:])).decode(errors="replace")


def start_worker(target: Target, module: str, job: Job, checkout: Path | None = None) -> WorkerProcess:
    """A worker on that target, ready to be asked. Raises WorkerFailed."""
    if target.is_remote and checkout is not None:
        raise WorkerFailed(
            "Unsupported",
            f"target {target.name}: other revisions are measured on this host alone",
        )
    mark = new_mark()
    fixed = {**fixed_environment(job.case.threads, job.heap), MARK: mark}
    env = environment(job.case.threads, checkout, job.heap)
    if target.emulates is not None:
        if lacking := emulator().lacks():
            raise WorkerFailed(
                "NotSetUp",
                f"target {target.name}: {lacking} {'are' if ', ' in lacking else 'is'} not there: "
                f"`bench provision {target.name}` sets it up",
            )
        env = emulator().environment(target.emulates, os.environ, fixed, checkout)
    return WorkerProcess(target.command(module, fixed), env, checkout, target.is_remote, mark)


def reads_lines(checkout: Path | None) -> bool:
    """False for a checkout whose worker reads stdin to its end, and would wait for more behind the job.

    Those are the revisions from before ``bench.worker.protocol``.
    """
    return checkout is None or (checkout / "bench" / "worker" / "protocol.py").is_file()


def knows_turns(checkout: Path | None) -> bool:
    """False for a checkout whose worker measures one case alone, from before several took turns."""
    return checkout is None or (checkout / "bench" / "worker" / "sitting.py").is_file()


def knows_dtypes(checkout: Path | None) -> bool:
    """False for a checkout whose cases have no ``dtype``: it would refuse one that is not usual."""
    return _cases_have("dtype", checkout)


def knows_imports(checkout: Path | None) -> bool:
    """False for a checkout from before networks of the user's own."""
    return _cases_have("imported", checkout)


def _cases_have(name: str, checkout: Path | None) -> bool:
    if checkout is None:
        return True
    try:
        return f"    {name}:" in (checkout / "bench" / "case.py").read_text(encoding="utf-8")
    except OSError:
        return False


def knows_zygotes(checkout: Path | None) -> bool:
    """False for a checkout from before ``bench.worker.zygote``, and where forking is not safe (macOS)."""
    there = checkout is None or (checkout / "bench" / "worker" / "zygote.py").is_file()
    return there and sys.platform == "linux"


def knows_exports(checkout: Path | None) -> bool:
    """False for a checkout from before ``bench.worker.exporter``, whose runtimes run no files."""
    return checkout is None or (checkout / "bench" / "worker" / "exporter.py").is_file()


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Ends a process's whole group, and waits for the process."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run_worker(
    target: Target,
    job: Job,
    timeout: float,
    kind: type[Answer],
    checkout: Path | None = None,
    module: str = "bench.worker",
) -> Answer:
    """One job in one fresh process. What goes wrong outside the worker is a failed answer too.

    ``kind`` is the type of the answer; ``module`` is what runs: a trial unless another kind of worker is
    named. ``checkout`` runs the package of another checkout instead of the installed one.
    """
    last = not reads_lines(checkout)
    question = replace(job, watch=job.watch and not last).to_json()
    try:
        with start_worker(target, module, job, checkout) as worker:
            return read_answer(kind, worker.ask(question, timeout, last))
    except WorkerFailed as failed:
        return kind(error=failed.failure)  # type: ignore[call-arg]


def read_answer(kind: type[Answer], data: Json) -> Answer:
    """The typed answer. Raises WorkerFailed for one that no worker would write."""
    try:
        return typed(kind, data)
    except ValueError as error:
        raise WorkerFailed(
            "Crash", f"the worker's answer cannot be read: {error}", str(data)[:2000]
        ) from None


def parsed(line: bytes) -> Json | None:
    """The answer on a line; None for anything that no worker would write."""
    try:
        answer: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) and {"status", "error"} <= answer.keys() else None
