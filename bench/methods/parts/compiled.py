"""What a layer keeps of its compiled kernels: which is ready for which input, and why there is none."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from bench.methods.parts.c_kernel import NoKernel, Source, build, load

SHAPES = 16
"""Shapes of the input for which a layer compiles kernels; for the next one it goes on without."""

REALS = {torch.float32: 4, torch.float64: 8}
"""Bytes of the numbers that kernels compute in."""

NAMES = {4: "float", 8: "double"}
"""Their types in C."""


KERNEL = "csr_bench::kernel"
"""What a kernel's call is named in a profile, apart from the operator around it, which is Python."""


class Ready(NamedTuple):
    """A kernel that is ready for inputs of one shape.

    ``version``: of the weights that were packed into ``kept``, whose addresses the kernel gets. ``output``:
    the shape of what it makes; ``scratch``: how many numbers it needs besides.
    """

    run: Callable[..., None]
    version: tuple[int, ...]
    kept: tuple[Tensor, ...]
    addresses: tuple[int, ...]
    output: tuple[int, ...]
    scratch: int
    batch: int
    threads: int


class Launch(NamedTuple):
    """A kernel that is ready on a device of its own; ``run``: (B, Ci, H, W) -> (B, Co, H', W')."""

    run: Callable[[Tensor], Tensor]
    version: tuple[int, ...]


_Made = TypeVar("_Made", Ready, Launch)


class Kernels:
    """The kernels of one layer by the inputs it was called with.

    A copy begins anew: it has weights of its own.
    ``words``: what the last call did, ``fused`` or why it could not be.
    """

    def __init__(self, otherwise: str) -> None:
        self._ready: dict[Any, Ready | Launch | str] = {}
        self._otherwise = otherwise
        self.words = ""

    def __deepcopy__(self, _memo: object) -> Kernels:
        return Kernels(self._otherwise)

    def __reduce__(self) -> tuple[type[Kernels], tuple[str]]:
        return Kernels, (self._otherwise,)

    def __call__(self, x: Tensor, version: tuple[int, ...], make: Callable[[], Ready]) -> Tensor:
        """(B, Ci, H, W) -> (B, Co, H', W'). Raises NoKernel where the layer has to run in another way.

        ``make`` finds the kernel for such an input and packs the weights, again when these change.
        """
        key = x.shape, x.dtype, torch.get_num_threads()
        ready = self._ready.get(key)
        if ready.__class__ is not Ready or ready.version != version:
            ready = self._made(key, ready, make)
        self.words = "fused"
        run, _, _, addresses, output, scratch, batch, threads = ready
        if not x.is_contiguous():
            x = x.contiguous()
        out = torch.empty(output, dtype=x.dtype)
        room = torch.empty(scratch, dtype=x.dtype)
        if torch._C._autograd._profiler_enabled():
            with torch.autograd.profiler.record_function(KERNEL):
                run(x.data_ptr(), out.data_ptr(), *addresses, room.data_ptr(), batch, threads)
        else:
            run(x.data_ptr(), out.data_ptr(), *addresses, room.data_ptr(), batch, threads)
        return out

    def launch(self, x: Tensor, version: tuple[int, ...], make: Callable[[], Launch]) -> Tensor:
        """The same on another device than this processor."""
        key = x.shape, x.stride(), x.dtype, x.device
        ready = self._ready.get(key)
        if ready.__class__ is not Launch or ready.version != version:
            ready = self._made(key, ready, make)
        self.words = "fused"
        return ready.run(x)

    def _made(self, key: Any, known: Ready | Launch | str | None, make: Callable[[], _Made]) -> _Made:
        """The kernel, from now on ready. Raises NoKernel, each time for the same reason."""
        try:
            if isinstance(known, str):
                raise NoKernel(known)
            if known is None and len(self._ready) >= SHAPES:
                raise NoKernel(f"more than {SHAPES} shapes of input")
            ready = make()
        except Gathering:
            self.words = "its kernel is being compiled"
            raise
        except NoKernel as why:
            self._ready[key] = str(why)
            self.words = f"{self._otherwise}: {why}"
            raise
        self._ready[key] = ready
        return ready


class Gathering(NoKernel):
    """Kernels are being gathered, to be compiled together: see ``compile_kernels``.

    ``output``: the shape of what the layer would have made, which is all that the next layer's kernel needs.
    """

    def __init__(self, output: tuple[int, ...]) -> None:
        super().__init__("its kernel is being compiled")
        self.output = output


_gathered: list[Source] | None = None


@contextmanager
def gathering() -> Iterator[list[Source]]:
    """Until the context ends, layers note the kernels that they need, and answer with zeros."""
    global _gathered
    found: list[Source] = []
    _gathered = found
    try:
        yield found
    finally:
        _gathered = None


def compile_kernels(network: nn.Module, example: Tensor) -> None:
    """Compiles what the network's layers need for such an input, side by side; nothing is timed yet."""
    with gathering() as sources, torch.no_grad():
        network(example)
    build(sources)


def library(source: Source, output: tuple[int, ...]) -> ctypes.CDLL:
    """The kernel, loaded; ``output`` is the shape of what it makes. Raises NoKernel."""
    if _gathered is not None:
        _gathered.append(source)
        raise Gathering(output)
    found = load(source)
    found.scratch_reals.restype = ctypes.c_long
    found.run.restype = None
    return found


def ready(
    found: ctypes.CDLL,
    version: tuple[int, ...],
    kept: tuple[Tensor, ...],
    output: tuple[int, ...],
    threads: int,
) -> Ready:
    """The kernel of a library with all that it is called with; ``output`` is (B, Co, H', W')."""
    run = found.run
    run.argtypes = [ctypes.c_void_p] * (3 + len(kept)) + [ctypes.c_long] * 2
    addresses = tuple(tensor.data_ptr() for tensor in kept)
    return Ready(run, version, kept, addresses, output, found.scratch_reals(), output[0], threads)


def obstacle(
    x: Tensor,
    weights: tuple[Tensor | None, ...],
    device: str = "cpu",
    reals: Collection[torch.dtype] = tuple(REALS),
) -> str:
    """Why there can be no kernel for such an input and such weights; empty where there can.

    ``device``, ``reals``: what there are kernels for.
    """
    if x.device.type != device:
        return f"no kernel for {x.device.type}"
    if x.dtype not in reals:
        return f"no kernel in {str(x.dtype).removeprefix('torch.')}"
    if any(w is not None and (w.dtype != x.dtype or w.device != x.device) for w in weights):
        return "weights and input differ in type or device"
    if any(w is not None and w.is_inference() for w in weights):
        return "weights are inference tensors, whose changes nobody counts"
    if x.dim() != 4 or x.numel() == 0:
        return f"no kernel for an input {'×'.join(map(str, x.shape))}"
    return ""


def version(weights: tuple[Tensor | None, ...]) -> tuple[int, ...]:
    """Changes whenever a weight does: where each lies, and how often it was written.

    Empty where that is not counted, as for inference tensors: see ``obstacle``.
    """
    try:
        return tuple([n for w in weights if w is not None for n in (w.data_ptr(), w._version)])
    except RuntimeError:
        return ()


def graphed(x: Tensor) -> bool:
    """Whether the call is made for a graph of its operators, by a compiler or a tracer."""
    return (
        torch.compiler.is_compiling()
        or torch._C._get_tracing_state() is not None
        or torch._C._are_functorch_transforms_active()
        or x.__class__ is not Tensor
    )


def watched() -> bool:
    """Whether somebody follows the call by its operators: a counter, a profiler."""
    return torch._C._len_torch_dispatch_stack() > 0 or torch._C._autograd._profiler_enabled()


def learns(x: Tensor, weights: tuple[Tensor | None, ...]) -> bool:
    """Whether autograd wants to know how the result came about."""
    if not torch.is_grad_enabled():
        return False
    return x.requires_grad or any(w is not None and w.requires_grad for w in weights)


class ByWeight:
    """Kernels of layers that are known by a weight alone, as operators know them."""

    def __init__(self, otherwise: str) -> None:
        self._otherwise = otherwise
        self._known: Any = None

    def of(self, weight: Tensor) -> Kernels:
        """The kernels of the layer with that weight; they go when it does."""
        if self._known is None:
            from torch.utils.weak import WeakTensorKeyDictionary

            self._known = WeakTensorKeyDictionary()
        found: Kernels = self._known.setdefault(weight, Kernels(self._otherwise))
        return found


def is_exporting() -> bool:
    """Whether a graph is made for another program, which knows torch's own operators alone."""
    if torch.compiler.is_exporting():
        return True
    onnx = sys.modules.get("torch.onnx")
    return onnx is not None and torch._C._get_tracing_state() is not None and onnx.is_in_onnx_export()
