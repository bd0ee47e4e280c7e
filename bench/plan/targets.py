"""Targets: where a case runs. A device, and an argv prefix in front of the worker."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from bench.errors import InputError, nearest, quoted


@dataclass(frozen=True)
class Target:
    """``device`` is torch's; ``prefix`` starts the worker elsewhere or under something (taskset, ssh, srun).

    ``python`` is the interpreter there; None means the one that runs the harness.
    """

    name: str
    device: str
    prefix: tuple[str, ...] = ()
    python: str | None = None
    summary: str = ""

    @property
    def starts_a_program(self) -> bool:
        """Whether it starts something else than the harness's own interpreter."""
        return bool(self.prefix) or self.python is not None

    def command(self, module: str = "bench.worker") -> list[str]:
        """The argv that starts a module of the harness there."""
        return [*self.prefix, self.python or sys.executable, "-m", module]


class Targets:
    """The targets that need no description in a suite."""

    def __init__(self, targets: tuple[Target, ...]) -> None:
        self._targets = {target.name: target for target in targets}

    def get(self, name: str) -> Target:
        """The target of that name. Raises InputError with the nearest valid word."""
        if name not in self._targets:
            raise InputError(f"unknown target {quoted(name)}{nearest(name, self._targets)}")
        return self._targets[name]

    def all(self) -> list[Target]:
        """All of them, in order."""
        return list(self._targets.values())


TARGETS = Targets(
    (
        Target("cpu", "cpu", summary="this host's processor"),
        Target("cuda", "cuda", summary="this host's first CUDA device (events, synchronised)"),
    )
)
