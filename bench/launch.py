"""Starting a worker: an argv prefix in front of it, JSON in, one JSON line out, and an end by the clock."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from typing import IO, Any

from bench.targets import Target

Answer = dict[str, Any]


def argv(target: Target, module: str) -> list[str]:
    """The command line of a worker on that target."""
    return [*target.prefix, target.python or sys.executable, "-m", module]


def environment(threads: int) -> dict[str, str]:
    """The environment of a worker: thread pools of the size asked for, a fixed hash seed."""
    pools = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {**os.environ, **dict.fromkeys(pools, str(threads)), "PYTHONHASHSEED": "0"}


def run_worker(target: Target, job: Answer, timeout: float, python_path: str | None = None) -> Answer:
    """One trial in one fresh process. What goes wrong outside the worker is a failed answer too.

    ``python_path`` puts another checkout in front of the installed package.
    """
    env = environment(int(job["case"]["threads"]))
    if python_path is not None:
        env["PYTHONPATH"] = python_path
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                argv(target, "bench.worker"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=env,
                start_new_session=True,  # Ctrl-C reaches the harness alone, which then ends the worker
            )
        except OSError as error:
            return failed(
                "launch", type(error).__name__, f"{argv(target, 'bench.worker')[0]}: {error.strerror}"
            )
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
            name = signal.Signals(-code).name
            hint = " (out of memory?)" if name == "SIGKILL" else ""
            return failed("launch", "Crash", f"the worker was ended by {name}{hint}", trace)
        last = trace.strip().splitlines()[-1] if trace.strip() else "no message"
        return failed("launch", "Crash", f"the worker ended with code {code}: {last}", trace)
    try:
        answer: Answer = json.loads(lines[-1])
    except json.JSONDecodeError:
        return failed("launch", "Crash", "the worker's answer is no JSON", lines[-1][:2000])
    return answer


def _tail(errors: IO[bytes]) -> str:
    errors.seek(0, os.SEEK_END)
    errors.seek(max(0, errors.tell() - 4000))
    return errors.read().decode(errors="replace")


class CountingProcess:
    """The counting process, kept for all cases of a run; after a crash the next case gets a new one."""

    def __init__(self, plugins: list[str], timeout: float = 300.0) -> None:
        self._plugins = plugins
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
                env=environment(1),
                start_new_session=True,
            )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps({"case": case, "plugins": self._plugins}).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            self.close()
            return failed("count", "Crash", "the counting process ended on this case")
        answer: Answer = json.loads(line)
        return answer

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            end(self._process)
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None

    def __enter__(self) -> CountingProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
