"""What a runtime is, and the registry that finds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from bench.registry import Registry

Forward = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Runtime:
    """``prepare(network, example)`` returns what is called with a batch; it may compile or convert.

    ``data_dependent``: it runs networks whose course depends on their input (``HasExits``).
    """

    name: str
    prepare: Callable[[nn.Module, Tensor], Forward]
    summary: str
    data_dependent: bool = False


RUNTIMES: Registry[Runtime] = Registry("runtime", "bench.runtimes")


def runtime(
    name: str, *, data_dependent: bool = False
) -> Callable[[Callable[[nn.Module, Tensor], Forward]], Callable[..., Forward]]:
    """Registers ``prepare(network, example) -> forward`` under ``name``."""

    def register(prepare: Callable[[nn.Module, Tensor], Forward]) -> Callable[..., Forward]:
        summary = (prepare.__doc__ or "").strip().partition("\n")[0]
        RUNTIMES.add(name, Runtime(name, prepare, summary, data_dependent))
        return prepare

    return register
