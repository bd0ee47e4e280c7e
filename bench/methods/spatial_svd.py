"""Spatial SVD: a k×k convolution as k×1 and 1×k (Jaderberg et al., BMVC 2014, arXiv 1405.3866)."""

from __future__ import annotations

from torch import Tensor, nn

from bench.methods.parts.low_rank import (
    Decomposition,
    RankRule,
    Ranks,
    along,
    check,
    enough,
    fill,
    split,
    squared_singular_values,
)
from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.per_layer import kernel_words, uneven_padding


class SpatialSvdConv2d(nn.Sequential):
    """k×1 (Ci -> r, vertical stride and padding), then 1×k (r -> Co, horizontal ones, bias).

    The weight (Co, Ci, kh, kw) as a matrix (Co·kw, Ci·kh) is cut at r singular values.
    (B, Ci, H, W) -> (B, Co, H', W'). Parameters: r·(kh·Ci + kw·Co) (+ Co with bias). MACs:
    H'·W·kh·Ci·r + H'·W'·kw·r·Co.
    """

    def __init__(self, conv: nn.Conv2d, ranks: Ranks) -> None:
        (rank,) = ranks
        ci, co, kw = conv.in_channels, conv.out_channels, conv.kernel_size[1]
        outer, inner = split(_matrix(conv), rank)
        horizontal = along(conv, 1, rank, co, bias=conv.bias is not None)
        super().__init__(
            fill(along(conv, 0, ci, rank), inner),
            fill(horizontal, outer.unflatten(0, (co, kw)).transpose(1, 2), conv.bias),
        )
        self.rank = rank

    def extra_repr(self) -> str:
        return f"rank={self.rank}"


def _matrix(conv: nn.Conv2d) -> Tensor:
    """(Co·kw, Ci·kh)."""
    return conv.weight.detach().permute(0, 3, 1, 2).flatten(2).flatten(0, 1)


def _full(conv: nn.Conv2d) -> Ranks:
    return (min(conv.in_channels * conv.kernel_size[0], conv.out_channels * conv.kernel_size[1]),)


def _params(conv: nn.Conv2d, ranks: Ranks) -> int:
    kh, kw = conv.kernel_size
    return ranks[0] * (kh * conv.in_channels + kw * conv.out_channels)


def _by_energy(conv: nn.Conv2d, energy: float) -> Ranks:
    return (enough(squared_singular_values(_matrix(conv)), energy),)


def _unfit(conv: nn.Conv2d) -> str:
    if min(conv.kernel_size) == 1:
        return f"{kernel_words(conv)} kernel: there is nothing to separate"
    return uneven_padding(conv)


SPATIAL_SVD = Decomposition(_full, _params, _by_energy, SpatialSvdConv2d, _unfit)


@method("spatial_svd", prepare=SPATIAL_SVD.prepare, check=check)
def spatial_svd(
    network: nn.Module,
    context: Context,
    *,
    rank: int | None = None,
    ratio: float | None = None,
    energy: float | None = None,
    skip: tuple[str, ...] = (),
) -> Rewritten:
    """Spatial SVD: a k×k convolution becomes k×1 and 1×k with r channels between them.

    Exactly one of: ``rank``, ``ratio`` (share of min(k·Ci, k·Co)), ``energy`` (share of the weight's
    squared norm to keep). A layer whose full rank is below ``rank`` is left dense and listed; so is one
    that ``energy`` would make larger. ``skip``: globs of layers to leave dense.
    """
    return SPATIAL_SVD.apply(network, context, RankRule(rank, ratio, energy), skip)
