"""What the low-rank methods share: how a rank is asked for, and orthonormal bases of what to keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bench.methods.parts.method import Context, Rewritten
from bench.methods.parts.per_layer import not_plain, pads, replace_each
from bench.methods.parts.selection import candidates

Ranks = tuple[int, ...]
Recipe = dict[str, list[int]]
"""Layer -> its ranks. They are found once, before anything is measured: another machine, which rounds the
last digit differently, could choose another rank by energy than the one that was counted."""


@dataclass(frozen=True)
class RankRule:
    """How many ranks a layer keeps; exactly one of the three is given.

    ``rank``: that many. ``ratio``: that share of the layer's full ranks, rounded, at least 1.
    ``energy``: as few as keep that share of the weight's squared Frobenius norm.
    """

    rank: int | None = None
    ratio: float | None = None
    energy: float | None = None

    def __post_init__(self) -> None:
        given = [n for n in ("rank", "ratio", "energy") if getattr(self, n) is not None]
        if len(given) != 1:
            which = " and ".join(given) if given else "none"
            raise ValueError(f"exactly one of rank, ratio and energy is needed, not {which}")
        if self.rank is not None and self.rank < 1:
            raise ValueError(f"rank={self.rank}: a rank is at least 1")
        for name in ("ratio", "energy"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                raise ValueError(f"{name}={value}: a share above 0 and at most 1 works")

    def share_of(self, full: int) -> int:
        """``ratio`` of a full rank."""
        assert self.ratio is not None
        return max(1, round(self.ratio * full))


@dataclass(frozen=True)
class Decomposition:
    """One way to write a convolution as a product of smaller ones.

    ``full`` gives a layer's full ranks, ``params`` the weights that factors of some ranks hold,
    ``by_energy`` the ranks that keep a share of the energy, ``build`` the layer, and ``unfit`` the
    reason a layer cannot be decomposed (empty if it can be).
    """

    full: Callable[[nn.Conv2d], Ranks]
    params: Callable[[nn.Conv2d, Ranks], int]
    by_energy: Callable[[nn.Conv2d, float], Ranks]
    build: Callable[[nn.Conv2d, Ranks], nn.Module]
    unfit: Callable[[nn.Conv2d], str]

    def obstacle(self, conv: nn.Conv2d) -> str:
        """Reason this layer cannot be decomposed; empty if it can be."""
        return not_plain(conv) or self.unfit(conv)

    def ranks(self, conv: nn.Conv2d, rule: RankRule) -> Ranks | str:
        """The ranks of a layer that can be decomposed, or the reason to leave it as it is."""
        full = self.full(conv)
        if rule.ratio is not None:
            return tuple(rule.share_of(f) for f in full)
        if rule.rank is not None:
            least = min(full)
            return (
                f"rank {rule.rank} is above its full rank {least}"
                if rule.rank > least
                else (rule.rank,) * len(full)
            )
        assert rule.energy is not None
        ranks = self.by_energy(conv, rule.energy)
        held = self.params(conv, ranks)
        if held >= conv.weight.numel():
            return f"factors that keep {rule.energy:g} of its energy hold no fewer weights than the layer"
        return ranks

    def prepare(
        self,
        network: nn.Module,
        context: Context,
        *,
        rank: int | None = None,
        ratio: float | None = None,
        energy: float | None = None,
        skip: tuple[str, ...] = (),
    ) -> Recipe:
        """The ranks of every layer that is to be decomposed."""
        rule = RankRule(rank, ratio, energy)
        recipe: Recipe = {}
        for candidate in candidates(network, context.keep_first, skip, context.head):
            if candidate.kept or self.obstacle(candidate.conv):
                continue
            ranks = self.ranks(candidate.conv, rule)
            if not isinstance(ranks, str):
                recipe[candidate.name] = list(ranks)
        return recipe

    def apply(self, network: nn.Module, context: Context, rule: RankRule, skip: tuple[str, ...]) -> Rewritten:
        """The network with the layers decomposed that the context's recipe names."""
        recipe: Recipe = context.recipe

        def build(name: str, conv: nn.Conv2d) -> nn.Module | str:
            reason = self.obstacle(conv)
            if reason:
                return reason
            if name in recipe:
                return self.build(conv, tuple(recipe[name]))
            ranks = self.ranks(conv, rule)
            return ranks if isinstance(ranks, str) else "the recipe does not name it"

        return replace_each(network, context, skip, build)


def check(
    *, rank: int | None = None, ratio: float | None = None, energy: float | None = None, **_others: Any
) -> None:
    """Raises ValueError unless exactly one of the three is given and possible."""
    RankRule(rank, ratio, energy)


def spectrum(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Squared singular values (falling) and left singular vectors of a matrix (m, n) -> (m,), (m, m).

    From the symmetric m×m product in float64: one eigendecomposition of the small side, which is all
    that a truncation needs.
    """
    wide = matrix.detach().to(torch.float64)
    values, vectors = torch.linalg.eigh(wide @ wide.T)
    return values.flip(0).clamp_min(0), vectors.flip(1)


def squared_singular_values(matrix: Tensor) -> Tensor:
    """Squared singular values (min(m, n),) of a matrix (m, n), falling."""
    return spectrum(matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T)[0]


def split(matrix: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """The best product (m, r) @ (r, n) for a matrix (m, n), in float64."""
    wide = matrix.detach().double()
    if wide.shape[0] <= wide.shape[1]:
        basis = spectrum(wide)[1][:, :rank]
        return basis, basis.T @ wide
    basis = spectrum(wide.T)[1][:, :rank]
    return wide @ basis, basis.T


def enough(squares: Tensor, energy: float) -> int:
    """How many of the leading values it takes to sum to that share of all of them: at least 1.

    The share is met within rounding, so that energy 1 asks for the true rank and not for the noise.
    """
    total = float(squares.sum())
    kept = squares.cumsum(0) >= total * energy * (1 - 1e-12)
    return int(kept.to(torch.int8).argmax()) + 1 if total > 0 else 1


def fill(layer: nn.Conv2d, weight: Tensor, bias: Tensor | None = None) -> nn.Conv2d:
    """The layer with that weight (any shape of as many elements) and bias."""
    with torch.no_grad():
        layer.weight.copy_(weight.reshape(layer.weight.shape))
        if bias is not None and layer.bias is not None:
            layer.bias.copy_(bias)
    return layer


def along(conv: nn.Conv2d, axis: int, in_channels: int, out_channels: int, **arguments: object) -> nn.Conv2d:
    """``like`` with the layer's kernel, stride, padding and dilation along one axis: 0 is down, 1 across.

    Along the other axis it is a 1×1 convolution.
    """

    def only(pair: tuple[int, ...], other: int) -> tuple[int, int]:
        return (pair[0], other) if axis == 0 else (other, pair[1])

    return like(
        conv,
        in_channels,
        out_channels,
        kernel_size=only(conv.kernel_size, 1),
        stride=only(conv.stride, 1),
        padding=only(pads(conv), 0),
        dilation=only(conv.dilation, 1),
        **arguments,
    )


def like(conv: nn.Conv2d, in_channels: int, out_channels: int, **arguments: object) -> nn.Conv2d:
    """A convolution on the device and in the precision of another; no bias unless asked for."""
    options: dict[str, object] = {"bias": False, **arguments}
    return nn.Conv2d(
        in_channels,
        out_channels,
        device=conv.weight.device,
        dtype=conv.weight.dtype,
        **options,  # type: ignore[arg-type]
    )
