"""What a layer may say about itself, so that nothing outside has to know it by name.

A layer offers what it has by plain methods and attributes; it inherits nothing. Whoever counts, measures
memory or profiles asks with ``isinstance`` and leaves alone what says nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol, runtime_checkable

from bench.counting.layer_count import LayerCount


@runtime_checkable
class HasClosedForm(Protocol):
    """A layer that knows its counts: every method's own layers do."""

    def closed_form(self, output_hw: tuple[int, int]) -> LayerCount:
        """Counts for an output map of that height and width."""
        ...


@runtime_checkable
class HasOrders(Protocol):
    """A layer that can do its steps in several orders, with equal results and other peaks of memory.

    ``ORDERS`` names them; ``order`` is the one in use and may be set to any of them.
    """

    ORDERS: ClassVar[tuple[str, ...]]
    order: str


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
