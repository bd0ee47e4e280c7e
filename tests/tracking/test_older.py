"""The façade for commits without one calls that commit's modules, and keeps nothing of half a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.tracking import cases, older


class Then:
    """A commit from before the rooms: its modules, and what was asked of them."""

    def __init__(self, interrupted: bool) -> None:
        self.asked: list[str] = []
        file = Path("r.jsonl")
        outcome = SimpleNamespace(interrupted=interrupted)
        self.modules = {
            "suite": SimpleNamespace(load_suite=self._answers("load_suite", "suite")),
            "plan": SimpleNamespace(make_plan=self._answers("make_plan", "plan")),
            "lock": SimpleNamespace(HostLock=self._lock),
            "run": SimpleNamespace(
                begin=self._answers("begin", (file, "start")), execute=self._answers("execute", outcome)
            ),
            "store": SimpleNamespace(read_results=self._answers("read_results", "results")),
            "frame": SimpleNamespace(make_frame=self._answers("make_frame", "frame")),
        }

    def _answers(self, name: str, answer: Any) -> Any:
        def call(*_: Any, **__: Any) -> Any:
            self.asked.append(name)
            return answer

        return call

    @contextmanager
    def _lock(self, wait: bool) -> Iterator[None]:
        assert wait
        self.asked.append("lock")
        yield
        self.asked.append("unlock")


def test_a_commit_without_the_face_is_measured_by_its_own_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    then = Then(interrupted=False)
    monkeypatch.setattr(older, "_then", then.modules.__getitem__)
    plan = older.make_plan(older.load_suite(cases.SUITE))
    assert older.make_frame([older.run(plan, Path("folder"))]) == "frame"
    asked = ["load_suite", "make_plan", "lock", "begin", "execute", "unlock", "read_results", "make_frame"]
    assert then.asked == asked


def test_an_interrupted_run_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    then = Then(interrupted=True)
    monkeypatch.setattr(older, "_then", then.modules.__getitem__)
    with pytest.raises(KeyboardInterrupt):
        older.run("plan", Path("folder"))
    assert "read_results" not in then.asked
