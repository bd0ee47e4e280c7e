"""The façade for commits that have none: the same functions, from the places where they were then.

A checkout's benchmarks measure every commit of the history with that commit's own package. Commits from
before ``bench.api`` keep its parts in modules at the package's root.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any


def _then(module: str) -> Any:
    return importlib.import_module(f"bench.{module}")


def load_suite(path: Path) -> Any:
    """As ``bench.api.load_suite``."""
    return _then("suite").load_suite(path)


def make_plan(suite: Any) -> Any:
    """As ``bench.api.make_plan``."""
    return _then("plan").make_plan(suite)


def run(plan: Any, folder: Path) -> Any:
    """As ``bench.api.run``."""

    class Silent:
        def counting(self, done: int, total: int) -> None: ...

        def trial(self, done: int, total: int, trial: Any) -> None: ...

    with _then("lock").HostLock(wait=True):
        file, start = _then("run").begin(plan, folder, seed=None)
        if _then("run").execute(plan, file, start, Silent()).interrupted:
            raise KeyboardInterrupt
    return _then("store").read_results(file)


def make_frame(results: Any) -> Any:
    """As ``bench.api.make_frame``."""
    return _then("frame").make_frame(results)
