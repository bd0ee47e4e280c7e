"""Live tensors: bytes of the storages that a call's operators made, seen where torch dispatches them."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class OutOfSight(Exception):  # noqa: N818 - no error: the number does not exist
    """Tensors whose memory cannot be seen from here; the message says which."""


class LiveTensors(TorchDispatchMode):
    """While it is entered: ``peak``, the highest sum of bytes of storages alive that operators made.

    Storages that operators are given and did not make are the input, weights and constants: they do not
    count, nor do views of them or what is written into them. A storage leaves the sum when its last tensor
    goes. What a kernel allocates for itself is never an operator's result, so it is not seen.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak: int = 0
        self.hidden = ""
        self._alive = 0
        self._made: dict[int, tuple[int, weakref.ref[torch.UntypedStorage]]] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: torch need not keep its compiler away from here, for which it would import it.

        That takes half a second and 800 modules, at the first operator of a process, and what the import
        leaves behind held that operator's arguments: 131,072 bytes of MobileNetV2 lived on for a whole call.
        """
        return False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        given = {tensor.untyped_storage()._cdata for tensor in _tensors((args, kwargs)) if _seen(tensor)}
        result = func(*args, **kwargs)
        for tensor in _tensors(result):
            if _seen(tensor):
                self._note(tensor.untyped_storage(), given)
            else:
                self.hidden = f"{func} gave a tensor of layout {tensor.layout}"
        self.peak = max(self.peak, self._alive)
        return result

    def _note(self, storage: torch.UntypedStorage, given: set[int]) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._made:
            before, reference = self._made[key]  # a view, or written in place; it may have been resized
            self._alive += size - before
            self._made[key] = size, reference
        elif key not in given:
            self._alive += size
            self._made[key] = size, weakref.ref(storage, partial(self._gone, key))

    def _gone(self, key: int, _reference: object) -> None:
        self._alive -= self._made.pop(key)[0]


def live_peak(call: Callable[[], object]) -> int:
    """Peak of bytes of tensors alive during one call; the same integer on every processor.

    Operators count as they are dispatched in inference mode: tensors that one operator makes for another
    inside it are its scratch. Raises OutOfSight where a tensor's memory cannot be seen.
    """
    collecting = gc.isenabled()
    gc.disable()  # a cycle that is collected earlier or later would make another number
    try:
        with torch.inference_mode(), LiveTensors() as live:
            call()
    finally:
        if collecting:
            gc.enable()
    if live.hidden:
        raise OutOfSight(live.hidden)
    peak: int = live.peak
    return peak


def _tensors(value: Any) -> Iterator[Tensor]:
    """Every tensor of an operator's arguments or results."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _tensors(inner)
    elif isinstance(value, dict):
        yield from _tensors(tuple(value.values()))


def _seen(tensor: Tensor) -> bool:
    """Whether the tensor's bytes are those of a storage: oneDNN's own and sparse layouts have none."""
    return tensor.layout is torch.strided
