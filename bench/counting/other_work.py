"""Work that is no layer's multiply-accumulate: element-wise operations, pooling, copies, dynamic kernels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from bench.counting.observe import observe
from bench.counting.protocols import HasActivationMacs

_HIDDEN_VIEWS = ("_unsafe_view",)  # a view by another name: its schema declares no alias
_MACS = ("convolution", "addmm", "mm", "bmm", "baddbmm", "csr_conv2d", "tap_conv2d", "drawn_conv2d")


class _ElementCounter(TorchDispatchMode):
    """Adds up the output elements of all operators that compute or copy, except convolutions and products."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        is_view = any(r.alias_info is not None and not r.alias_info.is_write for r in func._schema.returns)
        if not is_view and func.overloadpacket.__name__ not in (*_MACS, *_HIDDEN_VIEWS):
            first = out[0] if isinstance(out, tuple | list) else out
            if isinstance(first, Tensor):
                self.elements += first.numel()
        return out


def other_elements(network: nn.Module, example: Tensor) -> int:
    """Output elements of all operators of one forward pass, except convolutions and matrix products.

    A BatchNorm of a (1, C, H, W) map counts C·H·W, a ReLU as much again, a concatenation as many as it
    copies; views count nothing.
    """
    counter = _ElementCounter()
    with torch.no_grad(), counter:
        network(example)
    return counter.elements


def announced_macs(network: nn.Module, example: Tensor) -> int:
    """Products of activations with activations that layers announce, in one forward pass of ``example``.

    Their elements are in ``other_elements`` as well: there as what element-wise operators write.
    """
    found = [0]

    def add(_name: str, module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(module, HasActivationMacs)
        found.append(module.activation_macs(tuple(output.shape)))

    layers = [(name, m) for name, m in network.named_modules() if _announces(m)]
    observe(network, example, layers, add)
    return sum(found)


def _announces(module: nn.Module) -> bool:
    return isinstance(module, HasActivationMacs)
