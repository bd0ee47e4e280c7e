"""PENNI: every kernel of a layer from a few shared ones (Li et al., ICML 2020, arXiv 2005.07133)."""

from __future__ import annotations

import math
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from bench.counting.layer_count import LayerCount
from bench.methods.parts.low_rank import fill, like, spectrum
from bench.methods.parts.masking import masked
from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.per_layer import kernel_words, not_plain, pads, replace_each


class SharedBasis2d(nn.Module):
    """The same d kernels on every input channel: (B, Ci, H, W) -> (B, Ci·d, H', W').

    ``weight`` is (d, 1, kh, kw); output j·d + b is channel j under kernel b. With ``channels`` only
    those input channels are read. Channels are laid into the batch, so the d kernels are stored and
    read once. Parameters: d·kh·kw. MACs: H'·W'·Ci·d·kh·kw.
    """

    channels: Tensor | None

    def __init__(self, conv: nn.Conv2d, basis: Tensor, channels: Tensor | None) -> None:
        super().__init__()
        self.in_channels = conv.in_channels if channels is None else len(channels)
        self.stride = (conv.stride[0], conv.stride[1])
        self.padding = pads(conv)
        self.dilation = (conv.dilation[0], conv.dilation[1])
        self.weight = nn.Parameter(basis.to(conv.weight).reshape(-1, 1, *conv.kernel_size).clone())
        self.register_buffer("channels", channels, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.channels is not None:
            x = x[:, self.channels]
        batch, channels, height, width = x.shape
        y = F.conv2d(
            x.reshape(batch * channels, 1, height, width),
            self.weight,
            None,
            self.stride,
            self.padding,
            self.dilation,
        )
        return y.reshape(batch, -1, y.shape[2], y.shape[3])

    def closed_form(self, output_hw: tuple[int, int]) -> LayerCount:
        """Counts for an output map of that height and width."""
        params = self.weight.numel()
        return LayerCount.dense(params, math.prod(output_hw) * self.in_channels * params)

    def extra_repr(self) -> str:
        return f"{self.in_channels}, d={self.weight.shape[0]}"


class PenniConv2d(nn.Sequential):
    """W ≈ coefficients (Co·Ci, d) @ basis (d, k²): the basis on every input channel, then a 1×1.

    (B, Ci, H, W) -> (B, Ci·d, H', W') -> (B, Co, H', W'). The basis are the leading right singular
    vectors of the kernels as rows, not centred: there is no mean to keep or to drop, and d = k² is the
    dense layer. Coefficients whose magnitude is below ``prune`` standard deviations of the layer's
    coefficients are fixed to zero; an input channel without any other is not read, and its d maps are
    not computed (within the layer: channels of the layer before stay).

    Stored parameters: Co·Ci·d + d·k² (+ Co with bias), Ci being the channels that are read; logical
    ones have the kept coefficients alone. Executed MACs: H'·W'·(Ci·d·k² + Co·Ci·d), because the zeros
    run through a dense 1×1; logical ones: H'·W'·(Ci·d·k² + kept).
    """

    def __init__(self, conv: nn.Conv2d, d: int, prune: float) -> None:
        weight = conv.weight.detach()
        kernels = weight.flatten(2).flatten(0, 1).double()
        basis = spectrum(kernels.T)[1][:, :d].T
        coefficients = (kernels @ basis.T).view(conv.out_channels, conv.in_channels, d)
        kept = coefficients.abs() >= prune * coefficients.std(correction=0)
        read = kept.any(2).any(0)
        channels = None
        if not bool(read.all()):
            channels = read.nonzero()[:, 0]
            coefficients, kept = coefficients[:, channels], kept[:, channels]
        mix: nn.Conv2d = fill(
            like(conv, coefficients[0].numel(), conv.out_channels, kernel_size=1, bias=conv.bias is not None),
            coefficients,
            conv.bias,
        )
        if not bool(kept.all()):
            mix = masked(mix, kept.reshape(mix.weight.shape))  # type: ignore[assignment]
        super().__init__(SharedBasis2d(conv, basis, channels), mix)
        self.kept = float(kept.double().mean())

    def extra_repr(self) -> str:
        return f"coefficients kept {self.kept:.3f}"


def check(*, d: int, prune: float = 1.0, **_others: Any) -> None:
    """Raises ValueError for an empty basis and a negative threshold."""
    if d < 1:
        raise ValueError(f"d={d}: a basis has at least 1 kernel")
    if prune < 0:
        raise ValueError(f"prune={prune}: standard deviations, 0 or more; 0 keeps every coefficient")


@method("penni", check=check)
def penni(
    network: nn.Module, context: Context, *, d: int, prune: float = 1.0, skip: tuple[str, ...] = ()
) -> Rewritten:
    """PENNI: the layer's own kernels from ``d`` shared ones, with coefficients below ``prune`` σ zero.

    1×1, depthwise and grouped convolutions are left, and layers with fewer than ``d`` taps. Nothing is
    retrained in between. ``skip``: globs of layers to leave dense.
    """

    def build(_name: str, conv: nn.Conv2d) -> nn.Module | str:
        reason = not_plain(conv)
        if not reason and conv.kernel_size == (1, 1):
            reason = "1×1 kernel: one tap has no basis"
        if not reason and d > math.prod(conv.kernel_size):
            reason = (
                f"d={d} is above the {math.prod(conv.kernel_size)} taps of its {kernel_words(conv)} kernel"
            )
        try:
            return reason or PenniConv2d(conv, d, prune)
        except ValueError as error:  # a padding that is not the same on both sides
            return str(error)

    return replace_each(network, context, skip, build)
