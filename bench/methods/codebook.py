"""Kernel codebooks: every k×k kernel of a layer is one of a few, times a scale. A form of our own.

Nearest to it is the clustering of kernels by Son et al. (ECCV 2018), which trains on afterwards and shares
products. JLCM (Yvinec et al. 2023) learns codebooks of single weights. The figures of neither belong to it.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.counting.layer_count import LayerCount
from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.per_layer import Built, not_plain, replace_each

MOST_KERNELS = 2**15
"""An index of two bytes names no more."""

_ROWS = 2**13
"""Kernels that are compared with the codebook at once: bounds the table of products to some megabytes."""

_PER_DIRECTION = 64
"""Kernels for each direction that k-means looks at: a wide layer has a quarter of a million, and every
process that measures it finds its codebook anew."""


def lines(kernels: Tensor, count: int, generator: torch.Generator, sweeps: int) -> tuple[Tensor, Tensor]:
    """``count`` directions (count, n) of length 1 for kernels (N, n), and the direction of each, (N,).

    k-means for lines through the origin: a kernel belongs to the direction along which it is longest,
    sign aside; a direction is the leading principal axis, not centred, of the kernels that belong to
    it. Either step can only lower the squared error of kernels ≈ scale·direction. The start are
    ``count`` kernels drawn without replacement; a direction to which none belongs stays as it was. The
    sweeps go over at most 64 drawn kernels for each direction, the last assignment over all.
    """
    drawn = torch.randperm(len(kernels), generator=generator)[: _PER_DIRECTION * count]
    seen = kernels[drawn.to(kernels.device)]
    directions = F.normalize(seen[:count], dim=1)
    for _ in range(sweeps):
        index = _nearest(seen, directions)
        members = torch.bincount(index, minlength=count) > 0
        axes = torch.linalg.eigh(_scatter(seen, index, count)).eigenvectors[:, :, -1]
        directions = torch.where(members[:, None], axes, directions)
    return directions, _nearest(kernels, directions)


def _nearest(kernels: Tensor, directions: Tensor) -> Tensor:
    """Number of the direction along which each kernel is longest: (N,). Compared in single precision."""
    across = directions.T.float()
    return torch.cat([(rows.float() @ across).abs_().argmax(1) for rows in kernels.split(_ROWS)])


def _scatter(kernels: Tensor, index: Tensor, count: int) -> Tensor:
    """Sum of the outer products of the kernels of each direction: (count, n, n)."""
    sums = kernels.new_zeros(count, kernels.shape[1], kernels.shape[1])
    for rows, numbers in zip(kernels.split(_ROWS), index.split(_ROWS), strict=True):
        sums.index_add_(0, numbers, rows[:, :, None] * rows[:, None, :])
    return sums


class CodebookConv2d(nn.Module):
    """W[o, i] = scale[o, i] · codebook[index[o, i]], expanded in every call, then a dense convolution.

    (B, Ci, H, W) -> (B, Co, H', W'). Stored parameters: K·kh·kw of the codebook, Co·Ci scales and Co·Ci
    indices (+ Co with bias); an index takes one byte up to K = 256 and two above, everything else four.
    MACs, executed and logical: those of the dense layer, H'·W'·Co·Ci·kh·kw, for nothing is zero and no
    product is shared.
    """

    def __init__(self, conv: nn.Conv2d, count: int, generator: torch.Generator, sweeps: int) -> None:
        super().__init__()
        weight = conv.weight.detach()
        kernels = weight.flatten(2).flatten(0, 1).double()
        directions, index = lines(kernels, count, generator, sweeps)
        scale = (kernels * directions[index]).sum(1)
        self.codebook = nn.Parameter(directions.to(weight).reshape(count, *conv.kernel_size))
        self.scale = nn.Parameter(scale.to(weight).reshape(weight.shape[:2]))
        stored = index.to(torch.uint8 if count <= 256 else torch.int16).reshape(weight.shape[:2])
        self.index = nn.Parameter(stored, requires_grad=False)
        self.bias = conv.bias
        self.stride, self.padding, self.dilation = conv.stride, conv.padding, conv.dilation
        lost, norm = (kernels - scale[:, None] * directions[index]).norm(), kernels.norm()
        self.error = float(lost / norm) if norm > 0 else 0.0

    def expanded(self) -> Tensor:
        """The weight (Co, Ci, kh, kw)."""
        return self.codebook[self.index.long()] * self.scale[:, :, None, None]

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.expanded(), self.bias, self.stride, self.padding, self.dilation)

    def closed_form(self, output_hw: tuple[int, int]) -> LayerCount:
        """Counts for an output map of that height and width."""
        params = sum(parameter.numel() for parameter in self.parameters())
        taps = math.prod(self.codebook.shape[1:])
        return LayerCount.dense(params, math.prod(output_hw) * self.index.numel() * taps)

    def extra_repr(self) -> str:
        return f"{len(self.codebook)} kernels, relative error {self.error:.3f}"


def check(*, kernels: int, sweeps: int = 10, **_others: Any) -> None:
    """Raises ValueError for an empty codebook, one that no index names, and a negative number of sweeps."""
    if not 1 <= kernels <= MOST_KERNELS:
        raise ValueError(f"kernels={kernels}: a codebook has 1 to {MOST_KERNELS} kernels")
    if sweeps < 0:
        raise ValueError(f"sweeps={sweeps}: 0 or more; 0 keeps the kernels that were drawn")


@method("codebook", check=check)
def codebook(
    network: nn.Module, context: Context, *, kernels: int, sweeps: int = 10, skip: tuple[str, ...] = ()
) -> Rewritten:
    """Kernel codebook: every k×k kernel is one of ``kernels`` shared ones, times a scale of its own.

    Found by seeded k-means (``sweeps`` rounds) over the layer's own kernels, each taken up to its scale
    (a wide layer's by a sample of them).
    It saves bytes and no arithmetic: the weight is expanded in every call and runs dense. 1×1, depthwise
    and grouped convolutions are left, and layers with fewer kernels than the codebook. ``skip``: globs
    of layers to leave dense.
    """
    generator = torch.Generator().manual_seed(context.seed)

    def build(_name: str, conv: nn.Conv2d) -> Built:
        reason = not_plain(conv)
        if not reason and conv.kernel_size == (1, 1):
            reason = "1×1 kernel: one tap and its scale are the weight itself"
        own = conv.out_channels * conv.in_channels
        if not reason and kernels > own:
            reason = f"a codebook of {kernels} is larger than its own {own} kernels"
        return reason or CodebookConv2d(conv, kernels, generator, sweeps)

    return replace_each(network, context, skip, build)
