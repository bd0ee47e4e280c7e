"""A place to break things in: `bench` in forked processes of its own, watched from outside.

Everything is imported once, and each command is a fork of that, so that a run with stub workers takes about a
second and a hundred of them can be killed. Call ``Lab.start`` only from a process without threads.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import processes

ROOT = Path(__file__).resolve().parents[2]
STUB = Path(__file__).with_name("stub_worker.py")
TOKEN = "CSR_BENCH_FAULTS"
"""Variable by which every process that a command started is found again."""

SUITE = """\
name: stub
backbones: [layer/4-4-k3]
methods: [dense, csr_conv: {T: [2, 4]}]
inputs: [8x8]
batches: [1, 2]
measure: {rounds: 3, passes: 2, timeout: 1.5}
"""
CASES, ROUNDS = 6, 3

SMOKE_MEASURE = """
measure:
  {rounds: 3, passes: 2, min_samples: 3, min_seconds: 0.001, max_seconds: 0.05, warmup_max_seconds: 0.01}
"""

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {
    "os.mkdir",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.symlink",
    "os.link",
    "os.truncate",
    "os.chmod",
}


def smoke_suite() -> str:
    """The shipped smoke suite with so little measuring that a run takes seconds."""
    text = (ROOT / "suites" / "smoke.yaml").read_text(encoding="utf-8")
    return text.partition("measure:")[0].partition("\n")[2] + SMOKE_MEASURE


def warm_up() -> None:
    """Imports all that a run and its report need, so that every fork has it."""
    names = [file.stem for file in sorted((ROOT / "bench" / "cli").glob("verb_*.py"))]
    for name in (
        *(f"bench.cli.{name}" for name in names),
        "bench.report",
        "bench.run.run",
        "bench.run.estimate",
    ):
        importlib.import_module(name)
    for name in ("bench.run.lock", "bench.plan.suite", "bench.plan.plan", "bench.analysis.compare", "pandas"):
        importlib.import_module(name)


@dataclass
class Toll:
    """What faults cost: all of it should be none."""

    injected: int = 0
    lost: int = 0
    duplicates: int = 0
    torn: int = 0
    orphans: int = 0
    tracebacks: int = 0
    outside: int = 0
    codes: int = 0
    details: list[str] = field(default_factory=list)

    COLUMNS = ("injected", "lost", "duplicates", "torn", "orphans", "tracebacks", "outside", "codes")

    def add(self, other: Toll) -> None:
        """Takes another's numbers in."""
        for name in self.COLUMNS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.details += other.details

    @property
    def paid(self) -> int:
        """How much of it is not none."""
        return sum(getattr(self, name) for name in self.COLUMNS[1:])

    def find(self, column: str, number: int, words: str) -> None:
        """Notes a cost where there is one."""
        if number:
            setattr(self, column, getattr(self, column) + number)
            self.details.append(f"{column}: {number}: {words}")


@dataclass
class Running:
    """A command that was started: its process, and where its words go."""

    pid: int
    folder: Path
    token: str
    stderr: Path
    code: int | None = None
    """As a shell has it: negative for the signal that ended it."""

    def poll(self) -> int | None:
        """The exit code; None while it runs."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def wait(self, seconds: float = 120.0) -> int:
        """Waits for its end. Raises TimeoutError, after which it is gone."""
        deadline = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > deadline:
                self.kill(signal.SIGKILL)
                end_all(self.token)
                os.waitpid(self.pid, 0)
                self.code = -signal.SIGKILL
                raise TimeoutError(f"no end within {seconds:g} s: {self.said()[-500:]}")
            time.sleep(0.005)
        assert self.code is not None
        return self.code

    def kill(self, number: int) -> None:
        """Sends a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def said(self) -> str:
        """What it wrote to stderr so far."""
        return self.stderr.read_text(encoding="utf-8", errors="replace") if self.stderr.exists() else ""


class Lab:
    """One sandbox: a folder for the command, with its own home, temporary folder and host lock."""

    def __init__(self, folder: Path, suite: str = SUITE, stub: bool = True) -> None:
        self.folder = folder
        self.stub = stub
        self.token = f"{os.getpid()}-{folder.name}"
        self._started = 0
        for name in ("work", "home", "tmp", "log"):
            (folder / name).mkdir(parents=True)
        self.work = folder / "work"
        (self.work / "s.yaml").write_text(suite, encoding="utf-8")

    @property
    def file(self) -> Path:
        """The one results file. Raises FileNotFoundError where none was begun."""
        files = sorted((self.work / "results").glob("*.jsonl"))
        if not files:
            raise FileNotFoundError(self.work / "results")
        return files[-1]

    def lines(self) -> list[bytes]:
        """The lines of the results file; none where there is none."""
        with contextlib.suppress(FileNotFoundError):
            return self.file.read_bytes().splitlines(keepends=True)
        return []

    def start(
        self,
        *words: str,
        fault: Mapping[str, Any] | None = None,
        variables: Mapping[str, str] | None = None,
        before: Callable[[], None] | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
    ) -> Running:
        """Starts ``bench WORDS``; ``before`` runs in its process first, and its streams may be given."""
        self._started += 1
        running = Running(0, self.folder, self.token, self.folder / "log" / f"{self._started}.err")
        running.pid = os.fork()
        if running.pid == 0:
            self._become(words, fault or {}, dict(variables or {}), before, stdout, stderr, running.stderr)
        return running

    def run(self, *words: str, **how: Any) -> Running:
        """``bench run s.yaml`` with its results here."""
        return self.start("run", "s.yaml", "--seed", "1", *words, **how)

    def _become(
        self,
        words: Sequence[str],
        fault: Mapping[str, Any],
        variables: Mapping[str, str],
        before: Callable[[], None] | None,
        stdout: int | None,
        stderr: int | None,
        said: Path,
    ) -> NoReturn:
        code = 99
        try:
            os.setsid()
            nothing = os.open(os.devnull, os.O_RDWR)
            errors = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) if stderr is None else stderr
            for number, stream in enumerate((nothing, nothing if stdout is None else stdout, errors)):
                os.dup2(stream, number)
            sys.stdin, sys.stdout, sys.stderr = (
                os.fdopen(number, mode, encoding="utf-8") for number, mode in ((0, "r"), (1, "w"), (2, "w"))
            )
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.chdir(self.work)
            os.environ.update(
                {
                    TOKEN: self.token,
                    "HOME": str(self.folder / "home"),
                    "XDG_CONFIG_HOME": str(self.folder / "home"),
                    "TMPDIR": str(self.folder / "tmp"),
                    "STUB_FAULT": json.dumps(fault),
                    "PYTHONPATH": str(ROOT),
                    "PYTHONDONTWRITEBYTECODE": "1",
                    **variables,
                }
            )
            import tempfile

            tempfile.tempdir = None
            sys.dont_write_bytecode = True
            self._patch()
            if before is not None:
                before()
            code = _command(words)
        except BaseException:  # noqa: BLE001 - whatever it is, it is written where a traceback is looked for
            import traceback

            said.with_suffix(".crash").write_text(traceback.format_exc())
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.flush()
            os._exit(code)

    def _patch(self) -> None:
        """A host lock of its own, stub workers where they are wanted, and a watch over what is written."""
        from bench.run import launch, lock

        path = self.folder / "host.lock"
        lock.default_path = lambda: path
        watch_writes([self.folder], self.folder / "log" / "outside")
        if not self.stub:
            return
        started = launch.WorkerProcess.__init__

        def with_stub(process: Any, command: list[str], *rest: Any, **more: Any) -> None:
            started(process, [sys.executable, "-S", "-E", str(STUB), command[-1]], *rest, **more)

        launch.WorkerProcess.__init__ = with_stub  # type: ignore[method-assign,assignment]

    def outside(self) -> list[str]:
        """What was written anywhere but where a run may: results, reports, the temporary folder."""
        may = ("work/results", "work/reports", "work/s.yaml", "home", "tmp", "log", "host.lock")
        found = [
            str(path.relative_to(self.folder))
            for path in self.folder.rglob("*")
            if path.is_file() and not str(path.relative_to(self.folder)).startswith(may)
        ]
        found += [str(path) for path in (self.folder / "home").rglob("*") if path.is_file()]
        with contextlib.suppress(FileNotFoundError):
            found += (self.folder / "log" / "outside").read_text().splitlines()
        return found

    def settle(self, toll: Toll, *commands: Running, codes: Sequence[int], seconds: float = 2.0) -> None:
        """Looks at what is left after commands have ended: processes, tracebacks, files, exit codes."""
        for command in commands:
            said = command.said()
            toll.find("tracebacks", said.count("Traceback (most recent call last)"), said[-2000:])
            toll.find("tracebacks", said.count("internal error"), said[-500:])
            if command.code not in codes:
                toll.find("codes", 1, f"{command.code} instead of {codes}: {said[-500:]}")
        crashes = [file.read_text() for file in (self.folder / "log").glob("*.crash")]
        toll.find("tracebacks", len(crashes), "".join(crashes)[-2000:])
        deadline = time.monotonic() + seconds
        while (left := alive(self.token)) and time.monotonic() < deadline:
            time.sleep(0.02)
        if left:
            toll.find("orphans", len(left), "; ".join(map(words_of, left)))
            end_all(self.token)
        outside = self.outside()
        toll.find("outside", len(outside), "; ".join(outside[:5]))

    def account(self, toll: Toll, before: Sequence[bytes] = (), complete: bool = True) -> None:
        """Compares the results file with what it held ``before``, and with what was planned."""
        lines = self.lines()
        gone = Counter(line for line in before if line.endswith(b"\n")) - Counter(lines)
        toll.find("lost", sum(gone.values()), f"{len(gone)} lines are gone")
        records = []
        for line in lines:
            try:
                records.append(json.loads(line))
            except ValueError:
                toll.find("torn", int(line != lines[-1] or complete), repr(line[:80]))
        trials = [record for record in records if record.get("kind") == "trial"]
        start = next((record for record in records if record.get("kind") == "run"), None)
        if start is None:
            return
        baselines = {case_id(case) for case in start["cases"] if case_id(case) == case["baseline"]}
        seen = Counter((trial["case"], trial["round"]) for trial in trials if trial["status"] == "ok")
        twice = {key: n - 1 for key, n in seen.items() if n > 1 and key[0] not in baselines}
        toll.find("duplicates", sum(twice.values()), str(list(twice)[:3]))
        if complete:
            failed = {trial["case"] for trial in trials if trial["status"] != "ok"}
            failed |= {case_id(c) for c in start["cases"] if count_failed(records, c)}
            rounds = start["measure"]["rounds"]
            wanted = {(case_id(case), number) for case in start["cases"] for number in range(rounds)}
            missing = {key for key in wanted - set(seen) if key[0] not in failed}
            toll.find("lost", len(missing), f"never measured: {sorted(missing)[:3]}")


def case_id(case: Mapping[str, Any]) -> str:
    """The id of a case as the first record has it."""
    from bench.case import Case

    return Case.from_dict({key: value for key, value in case.items() if key != "baseline"}).id


def count_failed(records: Sequence[Mapping[str, Any]], case: Mapping[str, Any]) -> bool:
    """Whether the last word on a case's network is that it could not be counted."""
    from bench.case import Case

    count_id = Case.from_dict({key: value for key, value in case.items() if key != "baseline"}).count_id
    last = [r["status"] for r in records if r.get("kind") == "count" and r["count_id"] == count_id]
    return bool(last) and last[-1] != "ok"


def _command(words: Sequence[str]) -> int:
    from bench.cli import main

    sys.argv = ["bench", *words]
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def watch_writes(allowed: Sequence[Path], log: Path) -> None:
    """From here on this process notes in ``log`` what it writes, makes or removes outside ``allowed``."""
    roots = tuple(str(path) for path in (*allowed, Path("/dev"), Path("/proc")))
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if not isinstance(flags, int) or not flags & WRITING:
                return
        elif event in CHANGES:
            path = arguments[1] if event in ("os.rename", "os.symlink", "os.link") else arguments[0]
        else:
            return
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if isinstance(path, str) and not os.path.join(os.getcwd(), path).startswith(roots):  # noqa: PTH118, PTH109
            os.write(descriptor, f"{event} {path}\n".encode())

    sys.addaudithook(watch)


def alive(token: str) -> list[int]:
    """The processes that a command with this token started and that have not ended."""
    wanted, found = f"{TOKEN}={token}".encode(), []
    for pid in _pids():
        with contextlib.suppress(OSError):
            if wanted not in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                continue
            if processes.alive(pid):
                found.append(pid)
    return found


def end_all(token: str) -> None:
    """Ends them."""
    for pid in alive(token):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def words_of(pid: int) -> str:
    """A process's command line."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:120]
    return "gone"


def _pids() -> Iterator[int]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            yield int(entry.name)
