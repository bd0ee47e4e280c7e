"""What a layer or a network may say about itself, so that nothing outside has to know it by name.

It offers what it has by plain methods and attributes; it inherits nothing. Whoever counts, measures
memory or profiles asks with ``isinstance`` and leaves alone what says nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol, runtime_checkable

from torch import Tensor, nn

from bench.counting.layer_count import LayerCount


@runtime_checkable
class HasClosedForm(Protocol):
    """A layer that knows its counts: every method's own layers do."""

    def closed_form(self, output_hw: tuple[int, int]) -> LayerCount:
        """Counts for an output map of that height and width."""
        ...


@runtime_checkable
class HasActivationMacs(Protocol):
    """A layer that multiplies activations by activations where no witness sees a product.

    Dynamic kernels do: they are put together of element-wise operators. Products that torch has an operator
    for, as attention's, are counted by its own counter and need no word from the layer.
    """

    def activation_macs(self, output_shape: tuple[int, ...]) -> int:
        """Multiply-accumulates for an output of that shape, the batch included."""
        ...


@runtime_checkable
class HasOrders(Protocol):
    """A layer that can do its steps in several orders, with equal results and other peaks of memory.

    ``ORDERS`` names them; ``order`` is the one in use and may be set to any of them.
    """

    ORDERS: ClassVar[tuple[str, ...]]
    order: str


@runtime_checkable
class SaysOrder(Protocol):
    """A layer that may run in another order than it was asked for.

    ``compiles``: whether it was asked to run as a compiled kernel, which may not be possible.
    ``executed_order``: what its last call did, and why, where that is not what was asked for; empty before
    the first. ``exported_order``: what a graph of it does that is made for another program.
    """

    @property
    def compiles(self) -> bool:
        """Whether a compiled kernel was asked for."""
        ...

    @property
    def executed_order(self) -> str:
        """The order of the last call in words."""
        ...

    @property
    def exported_order(self) -> str:
        """The order in an exported graph."""
        ...


@runtime_checkable
class HasExits(Protocol):
    """A network that an input may leave before its end, so that its latency depends on the input.

    ``exits`` names where it may be left, in order, the end included. ``left``: how many of the seeded inputs
    (``Context.varied_inputs``) leave at each. One input at a time: a batch leaves at no single place.
    """

    exits: tuple[str, ...]
    left: tuple[int, ...]

    def left_at(self, x: Tensor) -> int:
        """The exit, from 0, at which one input (1, C, H, W) leaves."""
        ...

    def way(self, exit: int) -> nn.Module:
        """All that runs for an input that leaves at this exit, as a network that shares the weights.

        It takes any batch, whatever the inputs are, and gives the answers (B, classes) of all exits up to
        this one. Its modules have the names that they have here; the last way has every weight.
        """
        ...


Span = Callable[[str], AbstractContextManager[Any]]
"""Makes the context in which work counts as that of the part named, e.g. a profiler's."""


@runtime_checkable
class HasSpans(Protocol):
    """A layer of several convolutions that a profile shall tell apart.

    ``SPANS`` names them. While the context of ``spans(span)`` lasts, the layer runs each of them inside
    ``span(name)``; outside of it, calls are what they always are and cost nothing more.
    """

    SPANS: ClassVar[tuple[str, ...]]

    def spans(self, span: Span) -> AbstractContextManager[None]:
        """The context in which the layer's calls open their spans."""
        ...
