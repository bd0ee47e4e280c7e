"""pytest plugin of ``mutants.py``: one process collects the tests, and a fork of it judges each mutant.

All tests run once in a fork, which notes the functions that each of them calls, and what it costs. A mutant
is judged by the tests that call its function, the quickest first, until one fails. The environment's
``MUTANTS`` names the file with the mutants' keys; ``answers.json`` appears beside it.
"""

from __future__ import annotations

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
    calls = PLACE.with_name("calls.json")
    if _waited(_forked(session, "calls", lambda: _note_calls(session, calls))):
        raise pytest.UsageError(f"a test fails before anything is mutated: {PLACE.with_name('calls')}/said")
    tests_of, seconds = json.loads(calls.read_text(encoding="utf-8"))
    answers: dict[str, str] = {}
    waiting: list[tuple[str, list[int]]] = []
    for key in job["keys"]:
        tests = sorted(tests_of.get(key.partition("__mutmut_")[0], ()), key=seconds.__getitem__)
        if tests:
            waiting.append((key, tests))
        else:
            answers[key] = "no test"
    running: dict[int, tuple[str, str, float]] = {}
    slots = [f"slot{number}" for number in range(job["processes"])]
    while waiting or running:
        while waiting and slots:
            (key, tests), slot = waiting.pop(), slots.pop()
            limit = math.ceil(TIMES * sum(seconds[number] for number in tests)) + SPARE_SECONDS
            items = [session.items[number] for number in tests]
            pid = _forked(session, slot, lambda: _judge(session, key, items, limit))  # noqa: B023 - called here
            running[pid] = key, slot, time.monotonic() + PATIENCE * limit
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid in running:
            key, slot, _ = running.pop(pid)
            slots.append(slot)
            answers[key] = _word(os.waitstatus_to_exitcode(status))
            if len(answers) % 250 == 0:
                print(f"{len(answers)} of {len(job['keys'])} mutants", flush=True)
            continue
        for late in [pid for pid, (_, _, end) in running.items() if time.monotonic() > end]:
            os.kill(late, signal.SIGKILL)
        time.sleep(0.005)
    PLACE.with_name("answers.json").write_text(json.dumps(answers), encoding="utf-8")
    return True


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


def _judge(session: pytest.Session, key: str, tests: Sequence[pytest.Item], limit: int) -> int:
    """1 when a test notices the mutant."""
    used = math.ceil(time.process_time())
    resource.setrlimit(resource.RLIMIT_CPU, (used + limit, used + limit + 2))
    _switch(key)
    return int(not all(_passes(session, item) for item in tests))


def _switch(key: str) -> None:
    importlib.import_module("mutmut.mutation.trampoline").set_mutant_under_test(key)


def _passes(session: pytest.Session, item: pytest.Item) -> bool:
    before = session.testsfailed
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
    return session.testsfailed == before


def _forked(session: pytest.Session, name: str, work: Callable[[], int]) -> int:
    """The id of a child that does the work with a folder of its own for temporary files and what it says."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        folder = PLACE.with_name(name)
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "tmp").mkdir(parents=True)
        factory: Any = session.config._tmp_path_factory  # type: ignore[attr-defined]
        factory._basetemp = folder / "tmp"
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
