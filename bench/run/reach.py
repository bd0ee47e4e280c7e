"""Reaching targets: which of them answer, what they are, and what can be measured there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from bench.case import DENSE, Case
from bench.errors import InputError
from bench.plan.emulator import emulator
from bench.plan.targets import Target
from bench.run.launch import run_worker
from bench.worker.protocol import Facts, Job

MODULE = "bench.worker.facts"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Reached:
    """A target with its answer, and the seconds until it came."""

    target: Target
    facts: Facts
    seconds: float

    @property
    def why(self) -> str:
        """Why it does not answer, in one line; empty where it does."""
        return "" if self.facts.error is None else self.facts.error.first_line()

    @property
    def processor(self) -> str:
        """The device's name, and how its design is called."""
        host = self.facts.host or {}
        if host.get("gpu"):
            return str(host["gpu"])
        name, design = host.get("cpu", UNKNOWN), host.get("microarchitecture", UNKNOWN)
        return f"{name} ({design})" if design not in (UNKNOWN, name) else str(name)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "name": self.target.name,
            "reachable": not self.why,
            "why": self.why,
            "seconds": round(self.seconds, 2),
            "command": self.target.command(),
            "host": self.facts.host,
            "measurable": list(self.facts.measurable),
        }


def reach(target: Target, timeout: float, clock: Callable[[], float] = time.monotonic) -> Reached:
    """Asks a target what it is. What goes wrong is an answer too."""
    since = clock()
    job = Job(Case("resnet20", DENSE, threads=target.threads or 1), target.device)
    facts = run_worker(target, job, timeout, Facts, module=MODULE)
    return Reached(target, facts, clock() - since)


def require_targets(targets: Iterable[Target], timeout: float = 60.0) -> None:
    """Raises InputError, in one line, for targets on which nothing could be measured: none is begun then.

    Asked are those that start something or have a GPU; this host's processor is there. Of an emulated core it
    is only seen whether its files are there: starting it takes a minute.
    """
    wanted = list(targets)
    lost = [f"target {target.name}: {why}" for target in wanted if (why := _not_set_up(target))]
    asked = [t for t in wanted if not t.emulates and (t.starts_a_program or t.device != "cpu")]
    lost += [f"target {found.target.name}: {found.why}" for found in reach_all(asked, timeout) if found.why]
    if lost:
        raise InputError(
            f"{'; '.join(lost)}: nothing was measured; `bench targets` shows what can be reached"
        )


def _not_set_up(target: Target) -> str:
    lacking = emulator().lacks() if target.emulates else ""
    return lacking and f"not set up, {lacking} not there; `bench provision {target.name}` sets it up"


def reach_all(targets: list[Target], timeout: float) -> list[Reached]:
    """All of them at the same time: one that does not answer keeps nobody waiting."""
    with ThreadPoolExecutor(max(1, len(targets))) as pool:
        return list(pool.map(lambda target: reach(target, timeout), targets))
