"""What a runtime is, and the registry that finds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from bench.registry import Registry

Forward = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Runtime:
    """``prepare(network, example)`` returns what is called with a batch; it may compile or convert."""

    name: str
    prepare: Callable[[nn.Module, Tensor], Forward]
    summary: str


RUNTIMES: Registry[Runtime] = Registry("runtime", "bench.runtimes")


def runtime(name: str) -> Callable[[Callable[[nn.Module, Tensor], Forward]], Callable[..., Forward]]:
    """Registers ``prepare(network, example) -> forward`` under ``name``."""

    def register(prepare: Callable[[nn.Module, Tensor], Forward]) -> Callable[..., Forward]:
        summary = (prepare.__doc__ or "").strip().partition("\n")[0]
        RUNTIMES.add(name, Runtime(name, prepare, summary))
        return prepare

    return register
