"""A convolution that computes in int8: weights per channel, activations per tensor, sums in int32."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.counting.layer_count import LayerCount
from bench.counting.observe import observe
from bench.counting.operators import count_in_traces, count_when_run
from bench.methods.parts.per_layer import pads

Packed = tuple[Tensor, Tensor]
"""The weight in the layout that oneDNN wants, and its zero points."""

_LEVELS = 127
"""Activations take 0..127, seven bits: without VNNI instructions two products of eight-bit numbers are
added in sixteen, which would overflow in silence."""


class _Call(NamedTuple):
    """What the kernel is told beside tensors: the input's scale and zero point, and the geometry."""

    step: float
    zero: int
    stride: list[int]
    padding: list[int]
    dilation: list[int]
    groups: int


class Int8Conv2d(nn.Module):
    """y = s_w·s_x·(q_w * (q_x - z)) + b: (B, Ci, H, W) floats -> (B, Co, H', W') floats.

    q_w int8 (Co, Ci/groups, k, k) with one scale s_w per output channel; q_x = round(x/s_x) + z in 0..127
    from the calibrated range of the input. The sums are int32, by oneDNN's kernel; quantising the input
    is part of every call. Parameters and MACs are those of the dense layer; the bytes are one per
    weight, four per scale and bias, and the input's scale and zero point.
    """

    weight_scale: Tensor
    input_scale: Tensor
    input_zero: Tensor
    float32_only = True  # the kernel's output, and the ranges that it quantises by

    def __init__(
        self, conv: nn.Conv2d, stored: Tensor, scale: Tensor, low: float, high: float, kept: int
    ) -> None:
        super().__init__()
        self.stride, self.padding = list(conv.stride), list(pads(conv))
        self.dilation, self.groups = list(conv.dilation), conv.groups
        self.kept = kept
        self.weight = nn.Parameter(stored.contiguous(), requires_grad=False)
        self.bias = None if conv.bias is None else nn.Parameter(conv.bias.detach().clone(), False)
        self.register_buffer("weight_scale", scale.flatten().clone())
        low, high = min(low, 0.0), max(high, 0.0)
        step = (high - low) / _LEVELS or 1.0
        self.register_buffer("input_scale", torch.tensor(step, dtype=torch.float32))
        self.register_buffer("input_zero", torch.tensor(round(-low / step), dtype=torch.int32))
        self._read_scale()

    def _read_scale(self) -> None:
        """The input's scale and zero point as numbers, which the kernel asks for."""
        self.step, self.zero = float(self.input_scale), int(self.input_zero)
        self._call = _Call(self.step, self.zero, self.stride, self.padding, self.dilation, self.groups)
        self._packed: Packed | None = None

    def forward(self, x: Tensor) -> Tensor:
        if torch.compiler.is_exporting() or torch._C._get_tracing_state() is not None:
            y: Tensor = int8_conv2d(x, self.weight, self.weight_scale, self.bias, *self._call)
            return y
        if torch.compiler.is_compiling():
            # Only here: this name alone imports the compiler, a second that every trial would pay.
            uncompiled: Tensor = torch.compiler.disable(self._run)(x)
            return uncompiled
        return self._run(x)

    def _run(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            raise RuntimeError(f"int8 convolutions run on CPUs only, not on {x.device.type}: oneDNN's kernel")
        if self._packed is None:
            self._packed = _pack(self.weight, self.weight_scale, self._call)
        return _convolve(x, self._packed, self.weight_scale, self.bias, self._call)

    def closed_form(self, output_hw: tuple[int, int]) -> LayerCount:
        """Counts for an output map of that height and width."""
        weights, positions = self.weight.numel(), output_hw[0] * output_hw[1]
        bias = 0 if self.bias is None else self.bias.numel()
        return LayerCount(weights + bias, self.kept + bias, weights * positions, self.kept * positions)

    def _apply(self, *args: Any, **kwargs: Any) -> Any:
        self._packed = None
        return super()._apply(*args, **kwargs)  # type: ignore[no-untyped-call]

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._read_scale()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_packed": None}

    def extra_repr(self) -> str:
        return f"{tuple(self.weight.shape)}, stride={self.stride}, groups={self.groups}"


def _pack(weight: Tensor, weight_scale: Tensor, call: _Call) -> Packed:
    """Made once, never stored."""
    packed: Tensor = torch.ops.onednn.qconv_prepack(weight, weight_scale, *call, None)
    return packed, torch.zeros(len(weight), dtype=torch.int64)


def _convolve(x: Tensor, packed: Packed, weight_scale: Tensor, bias: Tensor | None, call: _Call) -> Tensor:
    """Quantises the input, convolves, and gives floats."""
    step, zero, *geometry = call
    q = (x * (1 / step)).round_().add_(zero).clamp_(0, _LEVELS).to(torch.uint8)
    weight, zeros = packed
    inputs = q, step, zero, weight, weight_scale, zeros, bias
    y: Tensor = torch.ops.onednn.qconv2d_pointwise(*inputs, *geometry, 1.0, 0, torch.float32, "none", [], "")
    return y


@torch.library.custom_op("csr_bench::int8_conv2d", mutates_args=())
def int8_conv2d(
    x: Tensor,
    weight: Tensor,
    weight_scale: Tensor,
    bias: Tensor | None,
    step: float,
    zero: int,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
) -> Tensor:
    """The same as one operator with plain tensors, for graphs: they cannot hold oneDNN's own layout."""
    call = _Call(step, zero, stride, padding, dilation, groups)
    return _convolve(x, _pack(weight, weight_scale, call), weight_scale, bias, call).contiguous()


@int8_conv2d.register_fake
def _int8_conv2d_shape(
    x: Tensor,
    weight: Tensor,
    _weight_scale: Tensor,
    _bias: Tensor | None,
    _step: float,
    _zero: int,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
) -> Tensor:
    return F.conv2d(x, weight.to(x.dtype), None, stride, padding, dilation, groups)


def _traced_macs(inputs: list[Any], outputs: list[Any]) -> int:
    """MACs from the shapes of weight and output in fvcore's trace."""
    weight, output = inputs[1].type().sizes(), outputs[0].type().sizes()
    return int(math.prod(weight[1:]) * math.prod(output))


def _flops(x: Any, _scale: Any, _zero: Any, weight: Any, *_rest: Any, out_shape: Any, **_options: Any) -> int:
    """torch's formula of a convolution, for oneDNN's int8 one."""
    from torch.utils.flop_counter import conv_flop_count  # here, because only a counting process needs it

    return conv_flop_count(x, weight, out_shape)


count_in_traces("csr_bench::int8_conv2d", _traced_macs)
if hasattr(torch.ops.onednn, "qconv2d_pointwise"):
    count_when_run(torch.ops.onednn.qconv2d_pointwise, _flops)


def calibrated(network: nn.Module, layers: Iterable[str], example: Tensor) -> dict[str, list[float]]:
    """Smallest and largest input of each layer (by name) in one forward pass of ``example``."""
    ranges: dict[str, list[float]] = {}

    def note(name: str, _module: nn.Module, inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        low, high = (float(v) for v in inputs[0].aminmax())
        known = ranges.get(name, [low, high])
        ranges[name] = [min(low, known[0]), max(high, known[1])]

    observe(network, example, [(name, network.get_submodule(name)) for name in layers], note)
    return ranges


def available() -> bool:
    """Whether this build of torch has the kernel."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.onednn, "qconv2d_pointwise")
