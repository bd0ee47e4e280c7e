"""Targets: where a case runs. A device, and what starts the worker there."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.errors import InputError, nearest, quoted
from bench.plan.emulator import CORES, emulator

REMOTE_PACKAGE = "~/.csr-bench"
"""Where `bench provision` puts the package on another host."""


EMULATED = "a core that qemu emulates: counts, outputs, instructions, no latency"


@dataclass(frozen=True)
class Target:
    """``device`` is torch's; ``prefix`` starts the worker elsewhere or under something (taskset, ssh, srun).

    ``python`` is the interpreter there; None means the one that runs the harness. ``threads`` stands instead
    of the suite's; ``cores`` is the cluster that the worker is bound to: ``big``, ``little`` or a list like
    ``4-7``. ``emulates`` is the core that qemu stands in for.
    """

    name: str
    device: str
    prefix: tuple[str, ...] = ()
    python: str | None = None
    summary: str = ""
    threads: int | None = None
    cores: str = ""
    emulates: str | None = None

    @property
    def starts_a_program(self) -> bool:
        """Whether it starts something else than the harness's own interpreter."""
        return bool(self.prefix) or self.python is not None

    @property
    def is_remote(self) -> bool:
        """Whether another host's shell reads the command: environment and quoting have to travel in it."""
        return bool(self.prefix) and Path(self.prefix[0]).name == "ssh"

    def command(
        self, module: str = "bench.worker", environment: Mapping[str, str] | None = None
    ) -> list[str]:
        """The argv that starts a module of the harness there, with these variables where they must travel."""
        python = self.python or ("python3" if self.is_remote else sys.executable)
        if self.emulates is not None:
            return emulator().command(self.emulates, module)
        if not self.is_remote:
            return [*self.prefix, python, "-m", module]
        variables = {**(environment or {}), "PYTHONPATH": REMOTE_PACKAGE}
        words = [f"{name}={_for_shell(value)}" for name, value in variables.items()]
        return [*self.prefix, " ".join([*words, "exec", _for_shell(python), "-m", module])]


class Targets:
    """Targets by name; the name of a core that qemu emulates is one too, and is listed by nobody."""

    def __init__(self, targets: tuple[Target, ...]) -> None:
        self._targets = {target.name: target for target in targets}

    def get(self, name: str) -> Target:
        """The target of that name. Raises InputError with the nearest valid word."""
        if name not in self:
            raise InputError(f"unknown target {quoted(name)}{nearest(name, [*self._targets, *CORES])}")
        return self._targets.get(name) or Target(name, "cpu", summary=EMULATED, emulates=name)

    def __contains__(self, name: str) -> bool:
        return name in self._targets or name in CORES

    def all(self) -> list[Target]:
        """All of them, in order."""
        return list(self._targets.values())

    def joined(self, others: Mapping[str, Target]) -> Targets:
        """These and others; one of the same name is the other one."""
        return Targets(tuple({**self._targets, **others}.values()))


TARGETS = Targets(
    (
        Target("cpu", "cpu", summary="this host's processor"),
        Target("gpu", "cuda", summary="this host's first CUDA device (events, synchronised)"),
        Target("cuda", "cuda", summary="another name of gpu, as earlier suites have it"),
    )
)
"""The targets that need no description."""


def default_targets(gpu: Callable[[], bool] | None = None) -> list[str]:
    """What a suite that names no target runs on: ``cpu``, and ``gpu`` too where one is present."""
    return ["cpu", "gpu"] if (gpu or gpu_is_present)() else ["cpu"]


def gpu_is_present(root: Path = Path("/")) -> bool:
    """Whether this host has an NVIDIA device and a torch that was built for one; torch is not imported."""
    if not list((root / "dev").glob("nvidia[0-9]*")):
        return False
    torch = importlib.util.find_spec("torch")
    if torch is None or torch.origin is None:
        return False
    try:
        text = (Path(torch.origin).parent / "version.py").read_text(encoding="utf-8")
    except OSError:
        return False
    return re.search(r"^cuda\b[^=]*= *['\"]", text, re.MULTILINE) is not None


def split_launch(launch: str | list[str]) -> tuple[str, ...]:
    """The words of a launcher. Raises InputError for a text whose quotes do not close."""
    try:
        words = shlex.split(launch) if isinstance(launch, str) else launch
    except ValueError as error:
        raise InputError(f"launch {quoted(launch)}: {error}") from None
    return tuple(words)


def _for_shell(word: str) -> str:
    """Quoted for a shell, which still expands a leading ``~/``."""
    return f"~/{shlex.quote(word[2:])}" if word.startswith("~/") else shlex.quote(word)
