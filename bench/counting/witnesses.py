"""Second and third witness: fvcore and torch's own counter, both run on the eager network in eval mode.

Both return executed MACs of convolution and linear layers by module name. fvcore counts one MAC as
one flop and adds normalisation and pooling; torch counts two flops per MAC.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bench.counting.operators import DISPATCHED, TRACED

FVCORE_MAC_OPERATORS = ("conv", "linear", "addmm")
TORCH_MAC_OPERATORS = ("convolution", "_convolution", "addmm", "mm")
TORCH_ACTIVATION_OPERATORS = ("bmm", "baddbmm")
"""Products of activations with activations, as in attention: no layer holds one of the factors."""

_NO_MACS = """
    abs abs_ adaptive_max_pool2d add add_ addcmul alpha_dropout argmax avg_pool2d cat ceil
    channel_shuffle chunk clamp clamp_ clone constant_pad_nd contiguous copy_ detach div div_ dropout
    dropout_ eq exp expand expand_as feature_dropout fill_ flatten floor gather ge gelu getitem glu gt
    hardsigmoid hardsigmoid_ hardswish hardswish_ hardtanh hardtanh_ index index_select le leaky_relu
    leaky_relu_ lt max max_pool2d mean mish mul mul_ ne neg new_zeros norm numel ones pad permute
    pixel_shuffle pow prelu relu relu6 relu6_ relu_ repeat reshape roll round round_ rsqrt rsub select
    sigmoid sigmoid_ silu silu_ size slice softmax softplus split split_with_sizes sqrt square squeeze
    stack sub sub_ sum tanh tensor_split to transpose type_as unbind unsqueeze upsample_bilinear2d
    upsample_nearest2d view where zeros zeros_like
"""
POINTWISE = frozenset(f"aten::{name}" for name in _NO_MACS.split())
"""Operators without multiply-accumulates of convolution or linear layers: the explicit allow-list."""


class FvcoreWitness:
    """fvcore's count of one forward pass; ``example`` is (1, C, H, W)."""

    def __init__(self, network: nn.Module, example: Tensor) -> None:
        from fvcore.nn import FlopCountAnalysis

        logging.getLogger("fvcore").setLevel(logging.ERROR)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # fvcore rests on TorchScript, which warns on every call
            analysis = FlopCountAnalysis(network, example)
            analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
            for operator, macs in TRACED.items():
                analysis.set_op_handle(operator, macs)
            by_module = analysis.by_module_and_operator()
            self.unsupported = sorted(set(analysis.unsupported_ops()) - POINTWISE)
            self.uncalled = sorted(_with_parameters(network, analysis.uncalled_modules()))
        operators = (*FVCORE_MAC_OPERATORS, *(name.partition("::")[2] for name in TRACED))
        self.by_module = {name: _macs(counts, operators) for name, counts in by_module.items()}
        self.macs = self.by_module[""]


class TorchWitness:
    """FlopCounterMode's count of one forward pass, halved into MACs; ``example`` is (1, C, H, W)."""

    def __init__(self, network: nn.Module, example: Tensor) -> None:
        # Not under inference mode: there aten::linear stays whole and is counted as nothing.
        counter = FlopCounterMode(display=False, depth=None, custom_mapping=DISPATCHED)  # type: ignore[arg-type]
        with torch.no_grad(), counter:
            network(example)
        counts = counter.get_flop_counts()
        root = type(network).__name__
        multiplying = (*TORCH_MAC_OPERATORS, *map(_name, DISPATCHED))
        self.by_module: dict[str, int] = {}
        for name, operators in counts.items():
            halved = {_name(op): flops // 2 for op, flops in operators.items()}
            path = "" if name in ("Global", root) else name.removeprefix(f"{root}.")
            self.by_module[path] = _macs(halved, multiplying)
        self.macs = self.by_module.get("", 0)
        everywhere = {_name(op): flops // 2 for op, flops in counts.get("Global", {}).items()}
        self.activation_macs = _macs(everywhere, TORCH_ACTIVATION_OPERATORS)


def _macs(counts: dict[str, int], operators: Iterable[str]) -> int:
    return int(sum(counts.get(operator, 0) for operator in operators))


def _name(operator: Any) -> str:
    return getattr(operator, "__name__", str(operator))


def _with_parameters(network: nn.Module, names: Iterable[str]) -> list[str]:
    """Those of the modules that hold weights: a module without weights may stay uncalled."""
    return [name for name in names if any(True for _ in network.get_submodule(name).parameters())]
