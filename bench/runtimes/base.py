"""What a runtime is, and the registry that finds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.registry import Registry
from bench.runtimes.packages import absent

Forward = Callable[[Tensor], Tensor]

Export = Callable[[nn.Module, Tensor, Path], None]
"""Writes a network, for batches like the example, into an empty folder."""

REFERENCE = "eager"
"""The runtime that every other one's answer is compared with."""


class NotInstalled(RuntimeError):  # noqa: N818 - a record names it as it is
    """A runtime's package is not installed; ``str(error)`` says what installs it."""


class Untakeable(RuntimeError):  # noqa: N818 - as above
    """A runtime cannot take a network, or not in this setting; ``str(error)`` says why."""


@dataclass(frozen=True)
class Runtime:
    """``prepare(network, example)`` returns what is called with a batch; it may compile.

    ``export``: the runtime runs files and not networks. It writes them once, and ``prepare(folder, example)``
    loads them, in any process of the same host. ``needs``: the packages that both import when they are
    called, which ``csr-bench[extra]`` installs. ``data_dependent``: it runs networks whose course depends on
    their input (``HasExits``).
    """

    name: str
    prepare: Callable[[Any, Tensor], Forward]
    summary: str
    data_dependent: bool = False
    export: Export | None = None
    needs: tuple[str, ...] = ()
    extra: str = ""

    @property
    def absent(self) -> str:
        """What is not installed here, and what installs it; empty where nothing is missing."""
        return absent(self.name, self.needs, self.extra)

    def require(self) -> None:
        """Raises NotInstalled where a package is missing."""
        if self.absent:
            raise NotInstalled(self.absent)


RUNTIMES: Registry[Runtime] = Registry("runtime", "bench.runtimes")

Prepare = Callable[[Any, Tensor], Forward]


def runtime(
    name: str,
    *,
    data_dependent: bool = False,
    export: Export | None = None,
    needs: tuple[str, ...] = (),
    extra: str = "",
) -> Callable[[Prepare], Prepare]:
    """Registers ``prepare`` under ``name``; see ``Runtime``."""

    def register(prepare: Prepare) -> Prepare:
        summary = (prepare.__doc__ or "").strip().partition("\n")[0]
        RUNTIMES.add(name, Runtime(name, prepare, summary, data_dependent, export, needs, extra))
        return prepare

    return register


def captured(network: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    """The network's graph of aten operators, from which files are made. Raises what torch.export raises."""
    with torch.inference_mode(False), torch.no_grad():
        return torch.export.export(network, (example.clone(),))


def plain_on_cpu(runtime: str, example: Tensor) -> None:
    """Raises Untakeable for a batch (B, C, H, W) elsewhere, in another layout, or of another type."""
    if example.device.type != "cpu":
        raise Untakeable(
            f"runtime {runtime} runs on the CPU here, not on {example.device.type}; compile works"
        )
    if not example.is_contiguous():
        raise Untakeable(
            f"runtime {runtime} chooses its own memory layout: memory_format contiguous is the one to ask for"
        )
    if example.dtype is not torch.float32:
        kind = str(example.dtype).removeprefix("torch.")
        raise Untakeable(f"runtime {runtime} computes in float32 here, not in {kind}; eager and compile do")
