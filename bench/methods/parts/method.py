"""What a method is, and the registry that finds it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from bench.account import Left as Left
from bench.account import Replaced as Replaced
from bench.case import VARIED, Shape
from bench.registry import Registry

Knobs = Mapping[str, Any]

SecondsOf = Callable[[nn.Module, Tensor], float]
"""Median seconds of one call of a layer on an example (B, C, H, W)."""


Times = bool | Callable[..., bool]
"""Whether a method's recipe comes from timings of its own: always, never, or by its knobs."""


@dataclass(frozen=True)
class Context:
    """What a method may know besides the network: all of it comes from the case.

    ``recipe`` is what the method's ``prepare`` returned (JSON-able). ``seconds_of(layer, example)`` is
    the clock of whoever prepares: median seconds of one call; None where nothing may be timed. ``head``:
    globs of the convolutions that make the output, in the place of a linear classifier.
    """

    seed: int = 0
    input: Shape = (3, 32, 32)
    keep_first: bool = True
    fixed_width: tuple[str, ...] = ()
    recipe: Any = None
    seconds_of: SecondsOf | None = None
    head: tuple[str, ...] = ()

    def example_input(self, batch: int = 1) -> Tensor:
        """Normal random images of shape (batch, C, H, W), drawn from the seed."""
        generator = torch.Generator().manual_seed(self.seed)
        return torch.randn(batch, *self.input, generator=generator)

    def varied_inputs(self) -> Tensor:
        """The inputs (VARIED, C, H, W) over which a network that depends on its input is averaged."""
        return self.example_input(VARIED)


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
    process, may import anything, leaves the network as it is, and returns the JSON-able recipe that
    ``apply`` finds in its context. ``check(**knobs)`` raises ValueError for values that can never work.
    ``times``: ``prepare`` asks the context's clock, so nothing else may run beside it; where that depends on
    the knobs, ``times(**knobs)`` says it. ``varies``: how far the network runs depends on its input.
    """

    name: str
    apply: Callable[..., Rewritten]
    prepare: Callable[..., Any] | None
    check: Callable[..., None] | None
    summary: str
    knobs: Mapping[str, inspect.Parameter] = field(repr=False)
    times: Times = False
    varies: bool = False

    def recipe(self, network: nn.Module, context: Context, knobs: Knobs) -> Any:
        """What ``prepare`` finds, with random numbers from the seed alone; None for a method without it."""
        if self.prepare is None:
            return None
        with _seeded(context.seed):
            return self.prepare(network, context, **knobs)

    def rewrite(self, network: nn.Module, context: Context, knobs: Knobs) -> Rewritten:
        """Applies the method with random numbers that depend on the context's seed alone.

        A context without a recipe gets the one that ``prepare`` finds, so ``apply`` always has it. Raises
        ValueError when no layer was replaced, because the result would be dense under a false name.
        """
        if context.recipe is None:
            context = replace(context, recipe=self.recipe(network, context, knobs))
        with _seeded(context.seed):
            rewritten = self.apply(network, context, **knobs)
        rewritten.network.eval()
        if not rewritten.replaced and self.name != "dense":
            reasons = sorted({left.reason for left in rewritten.left})
            detail = f" ({'; '.join(reasons)})" if reasons else ""
            raise ValueError(f"{self.name}: nothing to replace{detail}")
        return rewritten


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Random numbers from the seed while it lasts; afterwards they go on as if nothing had been drawn."""
    rng_state = torch.get_rng_state()
    try:
        torch.manual_seed(seed)
        yield
    finally:
        torch.set_rng_state(rng_state)


METHODS: Registry[Method] = Registry("method", "bench.methods", group="bench.methods")


def method(
    name: str,
    *,
    prepare: Callable[..., Any] | None = None,
    check: Callable[..., None] | None = None,
    times: Times = False,
    varies: bool = False,
) -> Callable[[Callable[..., Rewritten]], Callable[..., Rewritten]]:
    """Registers ``apply(network, context, *, knob: type = default, …) -> Rewritten`` under ``name``.

    The keyword-only parameters are the knobs: their annotations are what a suite is checked against.
    """

    def register(apply: Callable[..., Rewritten]) -> Callable[..., Rewritten]:
        parameters = inspect.signature(apply, eval_str=True).parameters
        knobs = {n: p for n, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
        summary = (apply.__doc__ or "").strip().partition("\n")[0]
        METHODS.add(name, Method(name, apply, prepare, check, summary, knobs, times, varies))
        return apply

    return register
