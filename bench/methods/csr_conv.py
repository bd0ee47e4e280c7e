"""CSR-Conv: Channel-Split Recurrent Convolution (WACV 2023, DOI 10.1109/WACV56688.2023.00385)."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.counting.layer_count import LayerCount
from bench.counting.protocols import Span
from bench.methods.parts.compiled import Kernels, compile_kernels, is_exporting
from bench.methods.parts.fused_csr import Geometry, Weights, convolve
from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.order_choice import fastest_orders
from bench.methods.parts.per_layer import Built, replace_each
from bench.methods.parts.selection import blocks as blocks_of
from bench.methods.parts.selection import roles

ORDERS = ("batched", "literal")
FUSED, AUTO = "fused", "auto"


class CSRConv2d(nn.Module):
    """A convolution that visits T groups of its input channels one after the other.

    With gi = ceil(Ci/T) and go = ceil(Co/T), ``u`` is (go, gi, k, k) and ``v`` is (go, go, k, k);
    the input, its tail filled up with its own first channels, is split into x_1 … x_T of gi channels:

        h_1 = U x_1                    h_t = alpha·relu(U x_t + V h_{t-1}) + (1 - beta)·V h_{t-1}

    and the output is the concatenation of all h_t, cut to Co channels: (B, Ci, H, W) -> (B, Co, H', W').
    ``order="literal"`` computes step by step; ``"batched"`` does all U convolutions in one call and
    gives the same numbers; ``"fused"`` does all steps in one compiled kernel, equal up to rounding, or where
    it cannot work the batched ones: see ``executed_order``. The depthwise form convolves with groups = gi
    and groups = go instead.

    Parameters: k²·go·(gi+go) + 2, and 2·go more with bias. MACs: H'·W'·k²·(T·go·gi + (T-1)·go²).

    Raises ValueError for what the operator does not define: T outside 1 … in_channels, an even or
    rectangular kernel, and in the depthwise form a go that gi does not divide.
    """

    ORDERS: ClassVar[tuple[str, ...]] = ORDERS
    SPANS: ClassVar[tuple[str, ...]] = ("U", "V")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        T: int,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        bias: bool = False,
        depthwise: bool = False,
        order: str = "batched",
        *,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        reason = undefined(in_channels, kernel_size, T, dilation, groups)
        if reason:
            raise ValueError(reason)
        if order not in (*ORDERS, FUSED):
            raise ValueError(f"order must be 'batched', 'literal' or 'fused', not '{order}'")
        kernel = kernel_size if isinstance(kernel_size, int) else kernel_size[0]
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel
        self.T = T
        self.stride = stride
        self.padding = padding
        self.depthwise = depthwise
        self.order = order
        self._kernels = Kernels("batched")
        self.gi = math.ceil(in_channels / T)
        self.go = math.ceil(out_channels / T)
        indivisible = _indivisible(in_channels, out_channels, T) if depthwise else ""
        if indivisible:
            raise ValueError(indivisible)
        u_in, v_in = (1, 1) if depthwise else (self.gi, self.go)
        self.u = nn.Parameter(torch.empty(self.go, u_in, kernel, kernel, device=device, dtype=dtype))
        self.v = nn.Parameter(torch.empty(self.go, v_in, kernel, kernel, device=device, dtype=dtype))
        self.alpha = nn.Parameter(torch.empty((), device=device, dtype=dtype))
        self.beta = nn.Parameter(torch.empty((), device=device, dtype=dtype))
        if bias:
            self.bias_u = nn.Parameter(torch.empty(self.go, device=device, dtype=dtype))
            self.bias_v = nn.Parameter(torch.empty(self.go, device=device, dtype=dtype))
        else:
            self.register_parameter("bias_u", None)
            self.register_parameter("bias_v", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """U, V and the biases as PyTorch draws those of a convolution; alpha = beta = 0.5."""
        for weight, bias in ((self.u, self.bias_u), (self.v, self.bias_v)):
            nn.init.kaiming_uniform_(weight, a=math.sqrt(5))
            if bias is not None:
                bound = 1 / math.sqrt(weight[0].numel())
                nn.init.uniform_(bias, -bound, bound)
        nn.init.constant_(self.alpha, 0.5)
        nn.init.constant_(self.beta, 0.5)

    def forward(self, x: Tensor) -> Tensor:
        exporting = self.order == FUSED and is_exporting()
        if self.order == FUSED and not exporting:
            fused = self._fused(x)
            if fused is not None:
                return fused
        missing = self.gi * self.T - self.in_channels
        if missing:
            x = torch.cat([x, x[:, :missing]], 1)
        h = self._literal(x) if self.order == "literal" or exporting else self._batched(x)
        y = torch.cat(h, 1) if len(h) > 1 else h[0]
        surplus = self.go * self.T - self.out_channels
        return y[:, : self.out_channels] if surplus else y

    @property
    def executed_order(self) -> str:
        """What the last call did: the order that was asked for, or another one and why."""
        return self._kernels.words if self.order == FUSED else self.order

    @property
    def compiles(self) -> bool:
        """Whether a compiled kernel was asked for."""
        return self.order == FUSED

    @property
    def exported_order(self) -> str:
        """The order in a graph for another program, to which a kernel of ours would mean nothing."""
        return "literal" if self.order == FUSED else self.order

    def _fused(self, x: Tensor) -> Tensor | None:
        """The layer in one operator; None where there is no kernel for it."""
        # Past the module's own look-up, which takes as long as a small kernel for six of them.
        known: dict[str, Any] = self._parameters
        weights = Weights(
            known["u"], known["v"], known["alpha"], known["beta"], known["bias_u"], known["bias_v"]
        )
        return convolve(self._kernels, x, weights, self._geometry())

    def _geometry(self) -> Geometry:
        stride, padding = self.stride, self.padding
        down_right = (stride, stride) if isinstance(stride, int) else stride
        top_left = (padding, padding) if isinstance(padding, int) else padding
        return Geometry(self.T, self.out_channels, down_right, top_left, self.depthwise)

    def _literal(self, x: Tensor) -> list[Tensor]:
        steps = torch.split(x, self.gi, 1)
        h = [self._conv_u(steps[0])]
        for step in steps[1:]:
            h.append(self._step(self._conv_u(step), h[-1]))
        return h

    def _batched(self, x: Tensor) -> list[Tensor]:
        u = self._conv_u(x.reshape(x.shape[0] * self.T, self.gi, x.shape[2], x.shape[3]))
        u = u.reshape(x.shape[0], self.T, self.go, u.shape[2], u.shape[3])
        h = [u[:, 0]]
        for t in range(1, self.T):
            h.append(self._step(u[:, t], h[-1]))
        return h

    def _step(self, u: Tensor, previous: Tensor) -> Tensor:
        v = F.conv2d(
            previous, self.v, self.bias_v, 1, (self.kernel_size - 1) // 2, 1, self.go if self.depthwise else 1
        )
        return self.alpha * torch.relu(u + v) + (1 - self.beta) * v

    def _conv_u(self, x: Tensor) -> Tensor:
        return F.conv2d(
            x, self.u, self.bias_u, self.stride, self.padding, 1, self.gi if self.depthwise else 1
        )

    @contextmanager
    def spans(self, span: Span) -> Iterator[None]:
        """Until the context ends, U convolutions run in ``span("U")`` and the steps with V in ``span("V")``.

        The two methods are shadowed on this one layer, so that a call without spans costs no question.
        """
        conv_u, step = self._conv_u, self._step

        def named_conv_u(x: Tensor) -> Tensor:
            with span("U"):
                return conv_u(x)

        def named_step(u: Tensor, previous: Tensor) -> Tensor:
            with span("V"):
                return step(u, previous)

        self.__dict__.update(_conv_u=named_conv_u, _step=named_step)
        try:
            yield
        finally:
            del self.__dict__["_conv_u"], self.__dict__["_step"]

    def closed_form(self, output_hw: tuple[int, int]) -> LayerCount:
        """Parameters and MACs for an output map of that height and width, by the formula above."""
        kernel = self.kernel_size**2
        u_in, v_in = (1, 1) if self.depthwise else (self.gi, self.go)
        params = kernel * self.go * (u_in + v_in) + 2 + (2 * self.go if self.bias_u is not None else 0)
        per_pixel = kernel * self.go * (self.T * u_in + (self.T - 1) * v_in)
        return LayerCount.dense(params, output_hw[0] * output_hw[1] * per_pixel)

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, T={self.T}, "
            f"stride={self.stride}, padding={self.padding}, bias={self.bias_u is not None}, "
            f"depthwise={self.depthwise}, order={self.order!r}"
        )


def undefined(
    in_channels: int,
    kernel_size: int | tuple[int, ...],
    T: int,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
) -> str:
    """Why CSR-Conv is not defined for such a layer and what would work; empty where it is defined."""
    kernel = (kernel_size,) * 2 if isinstance(kernel_size, int) else tuple(kernel_size)
    dilated = dilation if isinstance(dilation, int) else max(dilation)
    if T < 1:
        return f"T={T}: the number of steps must be at least 1"
    if in_channels < T:
        return f"T={T} is more than the {in_channels} input channels: T from 1 to {in_channels} works"
    if len(set(kernel)) != 1:
        return f"kernel {'×'.join(map(str, kernel))} is rectangular: a square one works"
    if kernel[0] < 1 or kernel[0] % 2 == 0:
        return f"kernel {kernel[0]}×{kernel[0]} is even, V would shrink the map: an odd one works"
    if dilated != 1:
        return f"dilation {dilated} is not defined for CSR-Conv: dilation 1 works"
    if groups != 1:
        return f"{groups} groups are not defined for CSR-Conv: groups=1, or depthwise=True, works"
    return ""


def check(
    *,
    T: int | dict[str, int],
    blocks: str = "",
    order: str = "batched",
    depthwise: bool = False,
    **_others: Any,
) -> None:
    """Raises ValueError for knob values that fit no network."""
    if order not in (*ORDERS, FUSED, AUTO):
        raise ValueError(f"order must be 'batched', 'literal', 'fused' or 'auto', not '{order}'")
    if isinstance(T, dict):
        unknown = set(T) - {"expand", "project"}
        if unknown or not T:
            raise ValueError(f"T takes a number or {{expand: …, project: …}}, not {T}")
    for value in T.values() if isinstance(T, dict) else (T,):
        if value < 1:
            raise ValueError(f"T={value}: the number of steps must be at least 1")
    if blocks:
        _block_range(blocks)
    if depthwise and isinstance(T, dict):
        raise ValueError(
            "depthwise=True takes one number T: {expand: …, project: …} names no depthwise layer"
        )


def times(*, order: str = "batched", **_others: Any) -> bool:
    """Whether the recipe comes from measured times."""
    return order == AUTO


def prepare(network: nn.Module, context: Context, *, order: str = "batched", **knobs: Any) -> Any:
    """For ``order: auto`` the fastest order of every layer, with the times; None for a fixed order.

    Raises ValueError where nothing is timed.
    """
    if order != AUTO:
        return None
    if context.seconds_of is None:
        raise ValueError(
            "order 'auto' needs measured times, and nothing is timed here: batched, literal or fused work"
        )
    trial = copy.deepcopy(network)
    rewritten = csr_conv(trial, context, **knobs)
    names = [layer.name for layer in rewritten.replaced]
    return fastest_orders(trial.eval(), names, (*ORDERS, FUSED), context.example_input(), context.seconds_of)


@method("csr_conv", check=check, prepare=prepare, times=times)
def csr_conv(
    network: nn.Module,
    context: Context,
    *,
    T: int | dict[str, int],
    skip: tuple[str, ...] = (),
    blocks: str = "",
    order: str = "batched",
    depthwise: bool = False,
) -> Rewritten:
    """CSR-Conv with T steps: parameters fall as 1/T², MACs as about 2/T, the steps are serial.

    ``T`` is one number for every layer, or ``{expand: 3, project: 4}`` for the 1×1 convolutions of
    inverted residuals alone. ``skip``: globs of layers to leave dense. ``blocks``: ``5-16`` rewrites
    those blocks alone (numbered from 0).

    ``order``: ``batched``, ``literal`` or ``fused`` (see CSRConv2d), or ``auto``: every layer takes what was
    fastest for its shape on the processor that counts, with one thread at batch 1; the times are in the
    recipe.

    ``depthwise``: depthwise convolutions are replaced too, in addition to the others, by the operator's
    depthwise form (U and V of one input channel, groups = gi and go). That saves parameters as 2/T only
    and costs MACs: (2T-1)/T times the dense layer's. It needs a go that gi divides, which layers with
    as many outputs as inputs have; the authors' notebook leaves all of them dense. Raises ValueError
    where no depthwise convolution can be replaced: the result would be another case's.
    """
    chosen = _chosen_blocks(network, blocks)
    role_of = roles(network) if isinstance(T, dict) else {}
    order_of: dict[str, str] = context.recipe["orders"] if order == AUTO else {}

    def build(name: str, conv: nn.Conv2d) -> Built:
        steps = T.get(role_of.get(name, ""), 0) if isinstance(T, dict) else T
        if chosen is not None and not name.startswith(chosen):
            return f"outside the blocks {blocks}"
        if steps == 0:
            return "T names only expand and project layers of inverted residuals"
        words = f"CSRConv2d T={steps}" + (" depthwise" if _is_depthwise(conv) else "")
        chosen_order = order_of.get(name, "batched") if order == AUTO else order
        return _obstacle(conv, steps, depthwise) or (from_dense(conv, steps, chosen_order, depthwise), words)

    rewritten = replace_each(network, context, skip, build)
    layers = (network.get_submodule(layer.name) for layer in rewritten.replaced)
    if depthwise and not any(isinstance(layer, CSRConv2d) and layer.depthwise for layer in layers):
        raise ValueError(_no_depthwise(rewritten))
    if order == FUSED or FUSED in order_of.values():
        compile_kernels(network, context.example_input())
    return rewritten


def from_dense(conv: nn.Conv2d, T: int, order: str = "batched", depthwise: bool = False) -> CSRConv2d:
    """A CSR-Conv of the same shape with fresh weights. Raises ValueError where it is not defined.

    ``depthwise``: a depthwise convolution is replaced too, by the depthwise form.
    """
    obstacle = _obstacle(conv, T, depthwise)
    if obstacle:
        raise ValueError(obstacle)
    padding = conv.padding
    if isinstance(padding, str):
        padding = (conv.kernel_size[0] // 2,) * 2 if padding == "same" else (0, 0)
    return CSRConv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size[0],
        T,
        (conv.stride[0], conv.stride[1]),
        (padding[0], padding[1]),
        conv.bias is not None,
        _is_depthwise(conv),
        order,
        device=conv.weight.device,
        dtype=conv.weight.dtype,
    )


def _is_depthwise(conv: nn.Conv2d) -> bool:
    return conv.groups == conv.in_channels and conv.groups > 1


def _obstacle(conv: nn.Conv2d, T: int, depthwise: bool = False) -> str:
    alone = _is_depthwise(conv)
    if alone and not depthwise:
        return "depthwise convolution"
    if conv.padding_mode != "zeros":
        return f"padding mode {conv.padding_mode}"
    reason = undefined(conv.in_channels, conv.kernel_size, T, conv.dilation, 1 if alone else conv.groups)
    return reason or (_indivisible(conv.in_channels, conv.out_channels, T) if alone else "")


def _indivisible(in_channels: int, out_channels: int, T: int) -> str:
    """Why the depthwise form is not defined for such widths; empty where it is."""
    gi, go = math.ceil(in_channels / T), math.ceil(out_channels / T)
    if go % gi == 0:
        return ""
    return (
        f"depthwise CSR-Conv: {gi} = ceil(Ci/T) does not divide {go} = ceil(Co/T): "
        f"out_channels a multiple of {gi * T} works"
    )


def _no_depthwise(rewritten: Rewritten) -> str:
    """Why ``depthwise`` replaced nothing, with the reasons of the depthwise convolutions that stayed."""
    network = rewritten.network
    stayed = [(left, network.get_submodule(left.name)) for left in rewritten.left]
    reasons = sorted(
        {left.reason for left, conv in stayed if isinstance(conv, nn.Conv2d) and _is_depthwise(conv)}
    )
    return f"depthwise=True: nothing to replace ({'; '.join(reasons) or 'no depthwise convolution'})"


def _block_range(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not first.isdigit() or (dash and not last.isdigit()):
        raise ValueError(f"blocks='{text}' is no range: '5-16' or '3' works")
    return int(first), int(last if dash else first)


def _chosen_blocks(network: nn.Module, text: str) -> tuple[str, ...] | None:
    if not text:
        return None
    first, last = _block_range(text)
    names = blocks_of(network)
    if not first <= last < len(names):
        raise ValueError(f"blocks='{text}': the network has {len(names)} blocks, numbered from 0")
    return tuple(f"{name}." for name in names[first : last + 1])


__all__ = ["CSRConv2d", "csr_conv", "from_dense", "undefined"]
