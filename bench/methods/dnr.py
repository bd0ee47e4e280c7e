"""Magnitude at momentum-proportional layer densities, after DNR (arXiv 2011.03083).

DNR (Kundu et al. 2020) trains: it prunes by magnitude and lets weights grow again where the momentum
is large. What stands here is magnitude at initialisation with layer densities proportional to the
momentum, a rule of ours after that idea: not a network trained with DNR, and no figure of its paper
applies.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.pruning import (
    already_kept,
    check_density,
    drop_lowest,
    kept_count,
    prunable,
    prune,
)
from bench.methods.parts.saliency import loss_gradients, magnitude_scores, random_batch

BATCHES = 4
"""Random batches whose gradients make up the momentum."""

DECAY = 0.9
"""What a step of SGD keeps of the momentum: the usual coefficient."""


def check(*, density: float, **_others: Any) -> None:
    """Raises ValueError for a density outside (0, 1]."""
    check_density(density)


def prepare(
    network: nn.Module, context: Context, *, density: float, skip: tuple[str, ...] = ()
) -> dict[str, int]:
    """How many weights every layer keeps."""
    layers = prunable(network, skip)
    momentum: dict[str, Tensor] = {}
    for number in range(BATCHES):
        gradients = loss_gradients(network, layers, *random_batch(network, context, number))
        momentum = {n: g + DECAY * momentum[n] if n in momentum else g for n, g in gradients.items()}
    sizes = {name: layer.weight.numel() for name, layer in layers.items()}
    means = {name: float(m.abs().double().mean()) for name, m in momentum.items()}
    return proportional_counts(sizes, means, kept_count(density, sum(sizes.values())))


def proportional_counts(sizes: dict[str, int], means: dict[str, float], total: int) -> dict[str, int]:
    """Counts kept_l with densities min(1, c·means_l), c such that all counts add up to ``total``.

    What rounding leaves over goes to the layers with the largest fractions. Raises ValueError when
    all means are zero.
    """
    if not any(means.values()):
        raise ValueError("the momentum is zero in every layer: there is nothing to be proportional to")
    exact = dict.fromkeys(sizes, 0.0)
    open_layers, rest = set(sizes), float(total)
    while open_layers and (top := max(means[name] for name in open_layers)) > 0:
        relative = {name: means[name] / top for name in open_layers}
        factor = rest / sum(sizes[name] * relative[name] for name in open_layers)
        full = {name for name in open_layers if factor * relative[name] > 1}
        if not full:
            exact |= {name: factor * relative[name] * sizes[name] for name in open_layers}
            break
        exact |= {name: float(sizes[name]) for name in full}
        rest -= sum(sizes[name] for name in full)
        open_layers -= full
    counts = {name: int(share) for name, share in exact.items()}
    by_fraction = sorted(sizes, key=lambda name: counts[name] - exact[name])
    while (short := total - sum(counts.values())) > 0:
        room = [name for name in by_fraction if counts[name] < sizes[name]]
        for name in room[:short]:
            counts[name] += 1
    return counts


@method("dnr", prepare=prepare, check=check)
def dnr(network: nn.Module, context: Context, *, density: float, skip: tuple[str, ...] = ()) -> Rewritten:
    """Magnitude at momentum-proportional layer densities: after DNR, without its training.

    Layer l keeps its largest |w| at density min(1, c·μ_l): μ_l is the mean absolute momentum of its
    weights, c makes the whole network's density ``density``. The momentum is that of SGD (0.9) over
    four batches of 32 random images with random labels, weights held still, because the package
    carries no data. ``skip``: globs of layers to leave dense. The recipe is one number per layer.
    """
    del density  # it is in the recipe
    counts: dict[str, int] = context.recipe
    layers = prunable(network, skip)
    masks = already_kept(layers)
    for name, score in magnitude_scores(layers).items():
        drop_lowest([score], [masks[name]], counts[name])
    return prune(network, masks)
