"""CSR-Conv as one operator: all T steps of a layer in one compiled kernel, chosen and packed once.

``csr_bench::csr_conv2d`` is what graphs and counters see. In plain eager calls the layer goes past torch's
dispatcher, which would cost as much as a small layer's arithmetic.
"""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.counting.operators import count_in_traces, count_when_run
from bench.methods.parts.c_kernel import NoKernel, Source, build, load, processor
from bench.methods.parts.fused_plan import Layout, Shape, layout

SHAPES = 16
"""Shapes of the input for which a layer compiles kernels; for the next one it goes on without."""

REALS = {torch.float32: 4, torch.float64: 8}


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


class Kernel(NamedTuple):
    """A kernel that is ready for inputs of one shape; ``version``: of the weights that were packed."""

    run: Callable[..., None]
    version: tuple[int, ...]
    packed: Tensor
    address: int
    output: tuple[int, ...]
    scratch: int
    batch: int
    threads: int


class Kernels:
    """The kernels of one layer by the inputs it was called with. A copy begins anew: it has weights of its own.

    ``words``: what the last call did, ``fused`` or why it could not be.
    """

    def __init__(self) -> None:
        self._ready: dict[Any, Kernel | str] = {}
        self.words = ""

    def __deepcopy__(self, _memo: object) -> Kernels:
        return Kernels()

    def __reduce__(self) -> tuple[type[Kernels], tuple[()]]:
        return Kernels, ()

    def __call__(self, x: Tensor, weights: Weights, geometry: Geometry) -> Tensor:
        """(B, Ci, H, W) -> (B, Co, H', W'). Raises NoKernel where the layer has to run in another order."""
        key = x.shape, x.dtype, torch.get_num_threads()
        kernel = self._ready.get(key)
        if kernel.__class__ is not Kernel or kernel.version != version(weights):  # type: ignore[union-attr]
            kernel = self._prepared(key, kernel, x, weights, geometry)
        self.words = "fused"
        run, _, _, packed, output, scratch, batch, threads = kernel  # type: ignore[misc]
        if not x.is_contiguous():
            x = x.contiguous()
        out = torch.empty(output, dtype=x.dtype)
        room = torch.empty(scratch, dtype=x.dtype)
        run(x.data_ptr(), out.data_ptr(), packed, room.data_ptr(), batch, threads)
        return out

    def _prepared(
        self, key: Any, known: Kernel | str | None, x: Tensor, weights: Weights, geometry: Geometry
    ) -> Kernel:
        """The kernel for ``x``, its weights packed as they are now. Raises NoKernel, each time for the same."""
        try:
            if isinstance(known, str):
                raise NoKernel(known)
            plan = self._plan(x, weights, geometry, known is None)
            if plan is None:
                raise NoKernel("")
            kernel = _made(plan, x, weights, geometry)
        except NoKernel as why:
            if str(why):
                self._ready[key] = str(why)
            self.words = f"batched: {why}"
            raise
        self._ready[key] = kernel
        return kernel

    def _plan(self, x: Tensor, weights: Weights, geometry: Geometry, new: bool) -> Layout | None:
        obstacle = _obstacle(x, weights)
        if new and len(self._ready) >= SHAPES:
            obstacle = f"more than {SHAPES} shapes of input"
        if obstacle:
            raise NoKernel(obstacle)
        plan = layout(shape_of(x, weights, geometry), processor())
        if _gathered is not None:
            _gathered.append(plan.source())
            return None
        return plan


_gathered: list[Source] | None = None


@contextmanager
def gathering() -> Iterator[list[Source]]:
    """Until the context ends, layers note the kernels that they need, and run in the batched order."""
    global _gathered
    _gathered = found = []
    try:
        yield found
    finally:
        _gathered = None


def compile_kernels(network: torch.nn.Module, example: Tensor) -> None:
    """Compiles what the network's fused layers need for such an input, side by side; nothing is timed yet."""
    with gathering() as sources, torch.no_grad():
        network(example)
    build(sources)


def version(weights: Weights) -> tuple[int, ...]:
    """Changes whenever a weight does: where each lies, and how often it was written."""
    u, v, alpha, beta, bias_u, bias_v = weights
    found = (
        u.data_ptr(), u._version, v.data_ptr(), v._version,
        alpha.data_ptr(), alpha._version, beta.data_ptr(), beta._version,
    )  # fmt: skip
    if bias_u is None or bias_v is None:
        return found
    return (*found, bias_u.data_ptr(), bias_u._version, bias_v.data_ptr(), bias_v._version)


def shape_of(x: Tensor, weights: Weights, geometry: Geometry) -> Shape:
    """What the kernel for such an input is made for."""
    return Shape(
        in_channels=x.shape[1],
        out_channels=geometry.out_channels,
        kernel=weights.u.shape[2],
        T=geometry.T,
        stride=geometry.stride,
        padding=geometry.padding,
        depthwise=geometry.depthwise,
        height=x.shape[2],
        width=x.shape[3],
        bytes_of_real=REALS[x.dtype],
        threads=torch.get_num_threads(),
    )


def _obstacle(x: Tensor, weights: Weights) -> str:
    """Why there can be no kernel for such an input; empty where there can."""
    if x.device.type != "cpu":
        return f"no kernel for {x.device.type}"
    if x.dtype not in REALS:
        return f"no kernel in {str(x.dtype).removeprefix('torch.')}"
    if any(w is not None and (w.dtype != x.dtype or w.device != x.device) for w in weights):
        return "weights and input differ in type or device"
    if any(w is not None and w.is_inference() for w in weights):
        return "weights are inference tensors, whose changes nobody counts"
    if x.dim() != 4 or x.numel() == 0:
        return f"no kernel for an input {'×'.join(map(str, x.shape))}"
    return ""


def _made(plan: Layout, x: Tensor, weights: Weights, geometry: Geometry) -> Kernel:
    high, wide = plan.shape.output
    if high < 1 or wide < 1:
        raise NoKernel("the kernel is larger than the map")
    library = load(plan.source())
    library.scratch_reals.restype = ctypes.c_long
    run = library.run
    run.restype = None
    run.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_long] * 2
    packed = pack(plan, weights)
    output = (x.shape[0], geometry.out_channels, high, wide)
    threads = plan.shape.threads
    return Kernel(
        run, version(weights), packed, packed.data_ptr(), output, library.scratch_reals(), x.shape[0], threads
    )


def pack(plan: Layout, weights: Weights) -> Tensor:
    """All that the kernel reads besides the input, in its order: alpha, 1 - beta, biases, U and V by blocks."""
    with torch.inference_mode(False), torch.no_grad():
        reals = weights.u.new_zeros(16)
        reals[0], reals[1] = weights.alpha, 1 - weights.beta
        biases = [_block_bias(plan, bias, weights.u) for bias in (weights.bias_u, weights.bias_v)]
        u = _blocks(plan, weights.u, *plan.shape.u_taps())
        v = _blocks(plan, weights.v, *plan.shape.v_taps())
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


def convolve(kernels: Kernels, x: Tensor, weights: Weights, geometry: Geometry) -> Tensor | None:
    """(B, Ci, H, W) -> (B, Co, H', W'); None where there is no kernel, and ``kernels.words`` says why.

    By the registered operator where somebody follows the call by its operators, otherwise at once.
    """
    if torch.compiler.is_compiling() or watched(x) or _learns(x, weights):
        return operator(x, weights, geometry)
    try:
        return kernels(x, weights, geometry)
    except NoKernel:
        return None


def is_exporting() -> bool:
    """Whether a graph is made for another program, which knows torch's own operators alone."""
    if torch.compiler.is_exporting():
        return True
    onnx = sys.modules.get("torch.onnx")
    return onnx is not None and torch._C._get_tracing_state() is not None and onnx.is_in_onnx_export()


def _learns(x: Tensor, weights: Weights) -> bool:
    return torch.is_grad_enabled() and (
        x.requires_grad or any(w is not None and w.requires_grad for w in weights)
    )


def watched(x: Tensor) -> bool:
    """Whether somebody follows the call by its operators: a compiler, a tracer, a counter, autograd."""
    return (
        torch._C._get_tracing_state() is not None
        or torch._C._len_torch_dispatch_stack() > 0
        or torch._C._are_functorch_transforms_active()
        or torch.autograd._profiler_enabled()
        or x.__class__ is not Tensor
    )


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
_OF_GRAPHS = Kernels()


def operator(x: Tensor, weights: Weights, geometry: Geometry) -> Tensor:
    """The registered operator."""
    found: Tensor = torch.ops.csr_bench.csr_conv2d(x, *weights, *geometry)
    return found


def _split(args: tuple[Any, ...]) -> tuple[Tensor, Weights, Geometry]:
    T, out_channels, stride, padding, depthwise = args[7:]
    return args[0], Weights(*args[1:7]), Geometry(T, out_channels, (*stride,), (*padding,), depthwise)


def _on_cpu(*args: Any) -> Tensor:
    x, weights, geometry = _split(args)
    try:
        return _kernels_of(weights.u)(x, weights, geometry)
    except NoKernel:
        return in_steps(x, weights, geometry)


def _anywhere(*args: Any) -> Tensor:
    return in_steps(*_split(args))


_states: Any = None


def _kernels_of(u: Tensor) -> Kernels:
    """The kernels of a layer that is known by its weight alone, as in a compiled graph."""
    global _states
    if _states is None:
        from torch.utils.weak import WeakTensorKeyDictionary

        _states = WeakTensorKeyDictionary()
    found: Kernels = _states.setdefault(u, Kernels())
    return found


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
    tensors = [None if t is None else t.detach().requires_grad_(n) for t, n in zip(ctx.saved_tensors, ctx.needs_input_grad, strict=False)]
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


_LIBRARY.impl("csr_conv2d", _on_cpu, "CPU")
_LIBRARY.impl("csr_conv2d", _anywhere, "CompositeExplicitAutograd")
torch.library.register_fake("csr_bench::csr_conv2d", _shape_alone, lib=_LIBRARY)
torch.library.register_autograd("csr_bench::csr_conv2d", _backward, setup_context=_keep, lib=_LIBRARY)
count_in_traces("csr_bench::csr_conv2d", _traced_macs)
count_when_run(torch.ops.csr_bench.csr_conv2d, _flops)
