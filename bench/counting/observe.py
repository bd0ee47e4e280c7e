"""Watching modules while a network runs: one place that sets hooks and always takes them off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

Named = Iterable[tuple[str, nn.Module]]

Seen = Callable[[str, nn.Module, tuple[Tensor, ...], Tensor], None]
"""Gets the name, the module, its inputs (positional ones first, then those by keyword) and its output."""


@contextmanager
def observed(modules: Named, seen: Seen, begins: Callable[[str], None] | None = None) -> Iterator[None]:
    """Calls ``seen`` after every call of one of the modules, until the context ends, however it ends.

    ``begins`` is called with the module's name just before the module runs.
    """
    handles = []
    try:
        for name, module in modules:

            def after(
                module: nn.Module,
                inputs: tuple[Tensor, ...],
                named: dict[str, Tensor],
                output: Tensor,
                name: str = name,
            ) -> None:
                seen(name, module, (*inputs, *named.values()), output)

            handles.append(module.register_forward_hook(after, with_kwargs=True))
            if begins is not None:

                def before(_module: nn.Module, _inputs: object, name: str = name) -> None:
                    begins(name)

                handles.append(module.register_forward_pre_hook(before))
        yield
    finally:
        for handle in handles:
            handle.remove()


def observe(network: nn.Module, example: Tensor, modules: Named, seen: Seen) -> None:
    """Runs the network once on ``example`` (B, C, H, W), without gradients; each call goes to ``seen``."""
    with observed(modules, seen), torch.no_grad():
        network(example)
