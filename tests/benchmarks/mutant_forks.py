"""pytest plugin of ``mutants.py``: one process collects the tests, and a fork of it judges each mutant.

All tests run once in a fork, which notes the functions that each of them calls, and what it costs. A mutant
is judged by the tests that call its function until one fails: first those that noticed another mutant of this
function, then those of the module's own file, the quickest first. The environment's ``MUTANTS`` names the
file with the mutants' keys; ``answers.jsonl`` grows beside it.
"""

from __future__ import annotations

import gc
import importlib
import json
import math
import os
import resource
import shutil
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

PLACE = Path(os.environ["MUTANTS"])
TIMES, SPARE_SECONDS = 5, 5
"""A mutant may take so many times what its tests take, and so many seconds more, of processor time."""

PATIENCE = 20
"""Wall time after which a mutant that uses no processor is ended, in units of its processor time."""


def pytest_runtestloop(session: pytest.Session) -> bool:
    """In the place of pytest's own loop."""
    job = json.loads(PLACE.read_text(encoding="utf-8"))
    importlib.import_module("mutmut.configuration").config()  # read now, before a test changes the folder
    gc.collect()
    gc.freeze()  # a collection in a fork would copy every page
    calls = PLACE.with_name("calls.json")
    if _waited(_forked(session, "calls", lambda: _note_calls(session, calls))):
        raise pytest.UsageError(f"a test fails before anything is mutated: {PLACE.with_name('calls')}/said")
    court = Court(session, *json.loads(calls.read_text(encoding="utf-8")))
    court.judge(job["keys"], [f"slot{number}" for number in range(job["processes"])])
    return True


@dataclass
class Running:
    """A mutant that is being judged; ``end`` is where its patience ends."""

    key: str
    slot: str
    end: float


@dataclass
class Court:
    """``tests_of``: function -> numbers of the tests that call it; ``seconds`` of each test."""

    session: pytest.Session
    tests_of: dict[str, list[int]]
    seconds: list[float]
    noticed: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    running: dict[int, Running] = field(default_factory=dict)

    def judge(self, keys: Sequence[str], slots: list[str]) -> None:
        """Writes an answer for each; as many mutants at once as there are slots."""
        waiting = list(reversed(keys))
        while waiting or self.running:
            while waiting and slots:
                key = waiting.pop()
                if self.tests_of.get(_function(key)):
                    self._start(key, slots.pop())
                else:
                    self._answer(key, "no test")
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid in self.running:
                slots.append(self._end(pid, os.waitstatus_to_exitcode(status)))
            else:
                self._end_patience()
                time.sleep(0.005)

    def _start(self, key: str, slot: str) -> None:
        function = _function(key)
        own_file = f"/test_{function.split('.')[-2]}.py"
        before = self.noticed[function]

        def rank(number: int) -> tuple[int, bool, float]:
            place = before.index(number) if number in before else len(before)
            return place, own_file not in self.session.items[number].nodeid, self.seconds[number]

        numbers = sorted(self.tests_of[function], key=rank)
        limit = math.ceil(TIMES * sum(self.seconds[number] for number in numbers)) + SPARE_SECONDS
        pid = _forked(self.session, slot, lambda: _judge(self.session, key, numbers, limit))
        self.running[pid] = Running(key, slot, time.monotonic() + PATIENCE * limit)

    def _end(self, pid: int, code: int) -> str:
        done = self.running.pop(pid)
        self._answer(done.key, _word(code))
        if code == 1:
            number = int(PLACE.with_name(done.slot).joinpath("noticed").read_text(encoding="utf-8"))
            before = self.noticed[_function(done.key)]
            before[:] = [number, *(other for other in before if other != number)]
        return done.slot

    def _end_patience(self) -> None:
        for pid, running in self.running.items():
            if time.monotonic() > running.end:
                os.kill(pid, signal.SIGKILL)

    def _answer(self, key: str, word: str) -> None:
        with PLACE.with_name("answers.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps([key, word]) + "\n")


def _function(key: str) -> str:
    return key.partition("__mutmut_")[0]


def _note_calls(session: pytest.Session, place: Path) -> int:
    """Runs all tests; writes which of them call a function, and the seconds of each. 1 when one fails."""
    _switch("stats")
    hits: set[str] = importlib.import_module("mutmut.state").state()._stats
    tests_of: dict[str, list[int]] = defaultdict(list)
    seconds: list[float] = []
    for number, item in enumerate(session.items):
        hits.clear()
        start = time.process_time()
        if not _passes(session, item):
            return 1
        seconds.append(time.process_time() - start)
        for function in hits:
            tests_of[function].append(number)
    place.write_text(json.dumps([tests_of, seconds]), encoding="utf-8")
    return 0


def _judge(session: pytest.Session, key: str, numbers: Sequence[int], limit: int) -> int:
    """1 when a test notices the mutant; its number is then in the folder."""
    used = math.ceil(time.process_time())
    resource.setrlimit(resource.RLIMIT_CPU, (used + limit, used + limit + 2))
    _switch(key)
    folder = _base(session).parent
    for number in numbers:
        if not _passes(session, session.items[number]):
            (folder / "noticed").write_text(str(number), encoding="utf-8")
            return 1
    return 0


def _switch(key: str) -> None:
    importlib.import_module("mutmut.mutation.trampoline").set_mutant_under_test(key)


def _passes(session: pytest.Session, item: pytest.Item) -> bool:
    before = session.testsfailed
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
    return session.testsfailed == before


def _base(session: pytest.Session) -> Path:
    factory: Any = session.config._tmp_path_factory  # type: ignore[attr-defined]
    base: Path = factory._basetemp
    return base


def _forked(session: pytest.Session, name: str, work: Callable[[], int]) -> int:
    """The id of a child that does the work with a folder of its own for temporary files and what it says."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = os.EX_SOFTWARE
    try:
        folder = PLACE.with_name(name)
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "tmp").mkdir(parents=True)
        session.config._tmp_path_factory._basetemp = folder / "tmp"  # type: ignore[attr-defined]
        said = os.open(folder / "said", os.O_WRONLY | os.O_CREAT)
        os.dup2(said, 1)
        os.dup2(said, 2)
        code = work()
        sys.stdout.flush()
    finally:
        os._exit(code)


def _waited(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _word(code: int) -> str:
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return "out of time"
    return {0: "lives", 1: "killed"}.get(code, "unclear")
