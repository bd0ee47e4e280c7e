"""What a method is, and the registry that finds it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from bench.models.backbone import Shape
from bench.registry import Registry

Knobs = Mapping[str, Any]


@dataclass(frozen=True)
class Context:
    """What a method may know besides the network: all of it comes from the case.

    ``recipe`` is what the method's ``prepare`` returned (JSON-able), or None where it has none.
    """

    seed: int = 0
    input: Shape = (3, 32, 32)
    keep_first: bool = True
    fixed_width: tuple[str, ...] = ()
    recipe: Any = None

    def example_input(self, batch: int = 1) -> torch.Tensor:
        """Normal random images of shape (batch, C, H, W), drawn from the seed."""
        generator = torch.Generator().manual_seed(self.seed)
        return torch.randn(batch, *self.input, generator=generator)


@dataclass(frozen=True)
class Replaced:
    """One layer that the method changed, in words."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class Left:
    """One convolution that the method left as it was, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Rewritten:
    """The compressed network with the account of what was done to it."""

    network: nn.Module
    replaced: tuple[Replaced, ...] = ()
    left: tuple[Left, ...] = ()


@dataclass(frozen=True)
class Method:
    """A method by its name.

    ``apply(network, context, **knobs)`` may change the network in place. It runs in the measuring
    process and imports torch only. ``prepare(network, context, **knobs)`` runs before, outside that
    process, may import anything, and returns the JSON-able recipe that ``apply`` finds in its context.
    ``check(**knobs)`` raises ValueError for values that can never work. ``times``: ``prepare`` measures
    time itself, so nothing else may run beside it.
    """

    name: str
    apply: Callable[..., Rewritten]
    prepare: Callable[..., Any] | None
    check: Callable[..., None] | None
    summary: str
    knobs: Mapping[str, inspect.Parameter] = field(repr=False)
    times: bool = False

    def rewrite(self, network: nn.Module, context: Context, knobs: Knobs) -> Rewritten:
        """Applies the method with random numbers that depend on the context's seed alone.

        Raises ValueError when no layer was replaced, because the result would be dense under a false name.
        """
        rng_state = torch.get_rng_state()
        try:
            torch.manual_seed(context.seed)
            rewritten = self.apply(network, context, **knobs)
        finally:
            torch.set_rng_state(rng_state)
        rewritten.network.eval()
        if not rewritten.replaced and self.name != "dense":
            reasons = sorted({left.reason for left in rewritten.left})
            detail = f" ({'; '.join(reasons)})" if reasons else ""
            raise ValueError(f"{self.name}: nothing to replace{detail}")
        return rewritten


METHODS: Registry[Method] = Registry("method", "bench.methods", group="bench.methods")


def method(
    name: str,
    *,
    prepare: Callable[..., Any] | None = None,
    check: Callable[..., None] | None = None,
    times: bool = False,
) -> Callable[[Callable[..., Rewritten]], Callable[..., Rewritten]]:
    """Registers ``apply(network, context, *, knob: type = default, …) -> Rewritten`` under ``name``.

    The keyword-only parameters are the knobs: their annotations are what a suite is checked against.
    """

    def register(apply: Callable[..., Rewritten]) -> Callable[..., Rewritten]:
        parameters = inspect.signature(apply, eval_str=True).parameters
        knobs = {n: p for n, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
        summary = (apply.__doc__ or "").strip().partition("\n")[0]
        METHODS.add(name, Method(name, apply, prepare, check, summary, knobs, times))
        return apply

    return register
