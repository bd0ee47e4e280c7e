"""A convolution between two 1×1 convolutions: the layer of tucker2 and of what chooses its ranks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.methods.parts.low_rank import Decomposition, Ranks, enough, fill, like, spectrum


class TuckerConv2d(nn.Sequential):
    """W ≈ G ×₁ U_out ×₂ U_in: 1×1 (Ci -> r1), k×k (r1 -> r2, stride, padding), 1×1 (r2 -> Co, bias).

    U_in (Ci, r1) and U_out (Co, r2) are the leading left singular vectors of the weight's unfoldings,
    G (r2, r1, k, k) its projection on them (truncated HOSVD: at full ranks the weight itself).
    (B, Ci, H, W) -> (B, Co, H', W'). Parameters: Ci·r1 + k²·r1·r2 + r2·Co (+ Co with bias). MACs:
    H·W·Ci·r1 + H'·W'·(k²·r1·r2 + r2·Co).
    """

    def __init__(self, conv: nn.Conv2d, ranks: Ranks) -> None:
        weight = conv.weight.detach().double()
        r1, r2 = ranks
        inner = _basis(weight, 1, r1)
        outer = _basis(weight, 0, r2)
        core = torch.einsum("oihw,op,iq->pqhw", weight, outer, inner)
        middle = like(
            conv,
            r1,
            r2,
            kernel_size=conv.kernel_size,
            stride=conv.stride,
            padding=conv.padding,
            dilation=conv.dilation,
        )
        last = like(conv, r2, conv.out_channels, kernel_size=1, bias=conv.bias is not None)
        super().__init__(
            fill(like(conv, conv.in_channels, r1, kernel_size=1), inner.T),
            fill(middle, core),
            fill(last, outer, conv.bias),
        )
        self.ranks = (r1, r2)

    def extra_repr(self) -> str:
        return f"ranks={self.ranks[0]},{self.ranks[1]}"


def unfolding(weight: Tensor, mode: int) -> Tensor:
    """The weight (Co, Ci, k, k) as a matrix whose rows are mode 0 (outputs) or 1 (inputs)."""
    return weight.transpose(0, mode).flatten(1)


def _basis(weight: Tensor, mode: int, rank: int) -> Tensor:
    return spectrum(unfolding(weight, mode))[1][:, :rank]


def full_ranks(conv: nn.Conv2d) -> Ranks:
    """Ci and Co, or less where the other side of the unfolding is smaller."""
    taps = conv.kernel_size[0] * conv.kernel_size[1]
    ci, co = conv.in_channels, conv.out_channels
    return min(ci, co * taps), min(co, ci * taps)


def params(conv: nn.Conv2d, ranks: Ranks) -> int:
    """Weights of the three factors."""
    r1, r2 = ranks
    taps = conv.kernel_size[0] * conv.kernel_size[1]
    return conv.in_channels * r1 + taps * r1 * r2 + r2 * conv.out_channels


def _by_energy(conv: nn.Conv2d, energy: float) -> Ranks:
    r1, r2 = (enough(spectrum(unfolding(conv.weight, mode))[0], energy) for mode in (1, 0))
    return r1, r2


def unfit(conv: nn.Conv2d) -> str:
    """1×1 kernels have no middle to shrink: that is what the method svd is for."""
    return "1×1 kernel: svd is its low-rank form" if conv.kernel_size == (1, 1) else ""


TUCKER2 = Decomposition(full_ranks, params, _by_energy, TuckerConv2d, unfit)
