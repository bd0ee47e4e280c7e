"""CSR-Conv as one operator: all T steps of a layer in one compiled kernel, chosen and packed once.

``csr_bench::csr_conv2d`` is what graphs and counters see. In plain eager calls the layer goes past torch's
dispatcher, which would cost as much as a small layer's arithmetic.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.counting.operators import count_in_traces, count_when_run
from bench.methods.parts.c_kernel import NoKernel, processor
from bench.methods.parts.compiled import (
    ByWeight,
    Gathering,
    Kernels,
    Launch,
    Ready,
    graphed,
    learns,
    library,
    obstacle,
    ready,
    version,
    watched,
)
from bench.methods.parts.fused_plan import Layout, Shape, layout


class Weights(NamedTuple):
    """The parameters of a layer, as ``CSRConv2d`` names them."""

    u: Tensor
    v: Tensor
    alpha: Tensor
    beta: Tensor
    bias_u: Tensor | None
    bias_v: Tensor | None


class Geometry(NamedTuple):
    """What the parameters' shapes do not say of a layer."""

    T: int
    out_channels: int
    stride: tuple[int, int]
    padding: tuple[int, int]
    depthwise: bool


def convolve(kernels: Kernels, x: Tensor, weights: Weights, geometry: Geometry) -> Tensor | None:
    """(B, Ci, H, W) -> (B, Co, H', W'); None where there is no kernel, and ``kernels.words`` says why.

    By the registered operator where somebody follows the call by its operators, otherwise at once.
    """
    if graphed(x) or watched() or learns(x, weights):
        return operator(x, weights, geometry)
    try:
        return _run(kernels, x, weights, geometry)
    except Gathering as later:
        return x.new_zeros(later.output)
    except NoKernel:
        return None


def _run(kernels: Kernels, x: Tensor, weights: Weights, geometry: Geometry) -> Tensor:
    written = version(weights)
    if by_triton(x):
        return kernels.launch(x, written, lambda: _on_device(x, weights, geometry, written))
    return kernels(x, written, lambda: _ready(x, weights, geometry, written))


def by_triton(x: Tensor) -> bool:
    """Whether the kernel for such an input is Triton's."""
    return x.is_cuda


def _ready(x: Tensor, weights: Weights, geometry: Geometry, written: tuple[int, ...]) -> Ready:
    reason = obstacle(x, weights)
    if reason:
        raise NoKernel(reason)
    shape = shape_of(x, weights, geometry)
    high, wide = shape.output
    plan = layout(shape, processor())
    output = (x.shape[0], geometry.out_channels, high, wide)
    found = library(plan.source(), output)
    return ready(found, written, (pack(plan, weights),), output, plan.shape.threads)


def shape_of(x: Tensor, weights: Weights, geometry: Geometry) -> Shape:
    """What the kernel for such an input is made for. Raises NoKernel where there is no output."""
    shape = Shape(
        in_channels=x.shape[1],
        out_channels=geometry.out_channels,
        kernel=weights.u.shape[2],
        T=geometry.T,
        stride=geometry.stride,
        padding=geometry.padding,
        depthwise=geometry.depthwise,
        height=x.shape[2],
        width=x.shape[3],
        bytes_of_real=x.element_size(),
        threads=torch.get_num_threads(),
    )
    if min(shape.output) < 1:
        raise NoKernel("the kernel is larger than the map")
    return shape


def _on_device(x: Tensor, weights: Weights, geometry: Geometry, written: tuple[int, ...]) -> Launch:
    try:
        from bench.methods.parts import triton_csr
    except ImportError as error:
        raise NoKernel(f"Triton cannot be imported: {error}") from error
    reason = obstacle(x, weights, x.device.type, triton_csr.REALS)
    if reason:
        raise NoKernel(reason)
    return Launch(triton_csr.ready(x, weights, shape_of(x, weights, geometry)), written)


def pack(plan: Layout, weights: Weights) -> Tensor:
    """What the kernel reads besides the input, in its order: alpha, 1 - beta, biases, U and V by blocks."""
    with torch.inference_mode(False), torch.no_grad():
        reals = weights.u.new_zeros(16)
        reals[0], reals[1] = weights.alpha, 1 - weights.beta
        biases = [_block_bias(plan, bias, weights.u) for bias in (weights.bias_u, weights.bias_v)]
        u = _blocks(plan, weights.u, *plan.shape.u_taps)
        v = _blocks(plan, weights.v, *plan.shape.v_taps)
        return torch.cat([reals, *biases, u, v])


def _block_bias(plan: Layout, bias: Tensor | None, like: Tensor) -> Tensor:
    padded = like.new_zeros(plan.padded)
    if bias is not None:
        padded[: len(bias)] = bias
    return padded


def _blocks(plan: Layout, weight: Tensor, down: range, across: range) -> Tensor:
    """(go, C, k, k) -> blocks of outputs, in each: by channel, by tap, the block's outputs side by side."""
    taps = weight[:, :, down.start : down.stop, across.start : across.stop].flatten(2)
    padded = taps.new_zeros(plan.padded, *taps.shape[1:])
    padded[: len(taps)] = taps
    return padded.view(-1, plan.outputs, *taps.shape[1:]).permute(0, 2, 3, 1).flatten()


def in_steps(x: Tensor, weights: Weights, geometry: Geometry) -> Tensor:
    """The same by torch's own operators, all U convolutions in one call."""
    T, out_channels, stride, padding, depthwise = geometry
    gi = math.ceil(x.shape[1] / T)
    go, kernel = weights.u.shape[0], weights.u.shape[2]
    if gi * T > x.shape[1]:
        x = torch.cat([x, x[:, : gi * T - x.shape[1]]], 1)
    flat = x.reshape(x.shape[0] * T, gi, *x.shape[2:])
    u = F.conv2d(flat, weights.u, weights.bias_u, stride, padding, 1, gi if depthwise else 1)
    u = u.reshape(x.shape[0], T, go, *u.shape[2:])
    h = [u[:, 0]]
    for t in range(1, T):
        v = F.conv2d(h[-1], weights.v, weights.bias_v, 1, (kernel - 1) // 2, 1, go if depthwise else 1)
        h.append(weights.alpha * torch.relu(u[:, t] + v) + (1 - weights.beta) * v)
    return torch.cat(h, 1)[:, :out_channels].contiguous()


_LIBRARY = torch.library.Library("csr_bench", "FRAGMENT")
_LIBRARY.define(
    "csr_conv2d(Tensor x, Tensor u, Tensor v, Tensor alpha, Tensor beta, Tensor? bias_u, Tensor? bias_v, "
    "int T, int out_channels, int[] stride, int[] padding, bool depthwise) -> Tensor"
)
_KNOWN = ByWeight("batched")


def operator(x: Tensor, weights: Weights, geometry: Geometry) -> Tensor:
    """The registered operator."""
    found: Tensor = torch.ops.csr_bench.csr_conv2d(x, *weights, *geometry)
    return found


def _split(args: tuple[Any, ...]) -> tuple[Tensor, Weights, Geometry]:
    T, out_channels, stride, padding, depthwise = args[7:]
    return args[0], Weights(*args[1:7]), Geometry(T, out_channels, (*stride,), (*padding,), depthwise)


def _by_kernel(*args: Any) -> Tensor:
    x, weights, geometry = _split(args)
    try:
        return _run(_KNOWN.of(weights.u), x, weights, geometry)
    except NoKernel:
        return in_steps(x, weights, geometry)


def _anywhere(*args: Any) -> Tensor:
    return in_steps(*_split(args))


def _shape_alone(*args: Any) -> Tensor:
    x, weights, geometry = _split(args)
    kernel = weights.u.shape[2]
    high, wide = (
        (size + 2 * padding - kernel) // stride + 1
        for size, padding, stride in zip(x.shape[2:], geometry.padding, geometry.stride, strict=True)
    )
    return x.new_empty((x.shape[0], geometry.out_channels, high, wide))


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    del output
    ctx.save_for_backward(*inputs[:7])
    ctx.geometry = inputs[7:]


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    """Gradients through the batched order, computed again."""
    tensors = [
        None if t is None else t.detach().requires_grad_(n)
        for t, n in zip(ctx.saved_tensors, ctx.needs_input_grad, strict=False)
    ]
    with torch.enable_grad():
        y = in_steps(*_split((*tensors, *ctx.geometry)))
    wanted = [t for t in tensors if t is not None and t.requires_grad]
    found = iter(torch.autograd.grad(y, wanted, gradient, allow_unused=True))
    return (*(next(found) if t is not None and t.requires_grad else None for t in tensors), *[None] * 5)


def _macs(u: list[int], v: list[int], T: int, output: list[int]) -> int:
    per_pixel = math.prod(u) * T + math.prod(v) * (T - 1)
    return int(output[0] * output[2] * output[3] * per_pixel)


def _traced_macs(inputs: list[Any], outputs: list[Any]) -> int:
    u, v = (value.type().sizes() for value in inputs[1:3])
    return _macs(u, v, inputs[7].toIValue(), outputs[0].type().sizes())


def _flops(_x: Any, u: Any, v: Any, *rest: Any, out_shape: Any, **_options: Any) -> int:
    return 2 * _macs(u, v, rest[4], out_shape)


for _device in ("CPU", "CUDA"):
    _LIBRARY.impl("csr_conv2d", _by_kernel, _device)
_LIBRARY.impl("csr_conv2d", _anywhere, "CompositeExplicitAutograd")
torch.library.register_fake("csr_bench::csr_conv2d", _shape_alone, lib=_LIBRARY)
torch.library.register_autograd("csr_bench::csr_conv2d", _backward, setup_context=_keep, lib=_LIBRARY)
count_in_traces("csr_bench::csr_conv2d", _traced_macs)
count_when_run(torch.ops.csr_bench.csr_conv2d, _flops)
