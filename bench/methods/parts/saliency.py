"""Scores of single weights at initialisation: magnitude, random, SNIP, GraSP, SynFlow.

Sources: Tanaka et al. 2020 (arXiv 2006.05467), which compares them all; Lee et al., ICLR 2019 (SNIP,
arXiv 1810.02340); Wang et al., ICLR 2020 (GraSP, arXiv 2002.07376).

SNIP and GraSP need a loss on data. This package carries no data: images are normal random numbers and
labels are uniform random classes, a map's for every pixel, both drawn from the context's seed. Layer
densities depend on that.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from bench.methods.parts.method import Context
from bench.methods.parts.pruning import Masks, Scores, already_kept, drop_lowest, kept_count

BATCH = 32
"""Random images in the batch of SNIP, GraSP and the momentum of DNR."""

Layers = Mapping[str, nn.Conv2d | nn.Linear]


def magnitude_scores(layers: Layers) -> Scores:
    """|w|."""
    return {name: layer.weight.detach().abs() for name, layer in layers.items()}


def random_scores(layers: Layers, seed: int) -> Scores:
    """Uniform random numbers, drawn from the seed layer by layer."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.rand(layer.weight.shape, generator=generator) for name, layer in layers.items()}


def snip_scores(network: nn.Module, layers: Layers, context: Context) -> Scores:
    """|g·w|: how much the loss changes, to first order, when the weight goes."""
    gradients = loss_gradients(network, layers, *random_batch(network, context))
    return {name: (g * layers[name].weight).detach().abs() for name, g in gradients.items()}


def grasp_scores(network: nn.Module, layers: Layers, context: Context) -> Scores:
    """w·(Hg): the negative of GraSP's score S = -(Hg)·w.

    To first order, taking w away changes the squared gradient norm gᵀg by 2·S. GraSP removes the
    weights of highest S, whose absence raises the gradient flow, and keeps the lowest. Here high
    scores stay, hence the sign.
    """
    gradients = loss_gradients(network, layers, *random_batch(network, context), differentiable=True)
    weights = [layers[name].weight for name in gradients]
    # The gradient of gᵀ·(g held fixed) is Hg.
    product = sum((g * g.detach()).sum() for g in gradients.values())
    assert isinstance(product, Tensor)
    hessian_gradient = torch.autograd.grad(product, weights, allow_unused=True)
    return {
        name: (w * (torch.zeros_like(w) if hg is None else hg)).detach()
        for name, w, hg in zip(gradients, weights, hessian_gradient, strict=True)
    }


def loss_gradients(
    network: nn.Module, layers: Layers, images: Tensor, labels: Tensor, differentiable: bool = False
) -> Scores:
    """Gradient of the cross-entropy by layer weight, in eval mode: BatchNorm uses its own statistics.

    ``labels`` are those of ``random_batch``. A map's cross-entropy is the mean over its pixels.
    """
    network.eval()
    weights = [layer.weight for layer in layers.values()]
    with torch.enable_grad():
        loss = _cross_entropy(network(images), labels)
        found = torch.autograd.grad(loss, weights, create_graph=differentiable, allow_unused=True)
    return {
        name: torch.zeros_like(weight) if gradient is None else gradient
        for name, weight, gradient in zip(layers, weights, found, strict=True)
    }


def random_batch(network: nn.Module, context: Context, number: int = 0) -> tuple[Tensor, Tensor]:
    """Normal random images (BATCH, C, H, W) and uniform random labels from the context's seed.

    Labels are (BATCH,) for a network that answers (B, classes), and (BATCH, H', W') for a map (B, classes,
    H', W'), one per pixel. A single logit has two classes: there, or not.
    """
    generator = torch.Generator().manual_seed(context.seed + number)
    images = torch.randn(BATCH, *context.input, generator=generator)
    with torch.no_grad():
        _, classes, *pixels = network(images[:1]).shape
    return images, torch.randint(max(2, classes), (BATCH, *pixels), generator=generator)


def _cross_entropy(answer: Tensor, labels: Tensor) -> Tensor:
    """Of (B, classes) or (B, classes, H, W); with one class alone it would be 0, so that is a yes or no."""
    if answer.shape[1] == 1:
        return F.binary_cross_entropy_with_logits(answer[:, 0], labels.to(answer.dtype))
    return F.cross_entropy(answer, labels)


class SynFlow:
    """SynFlow's objective on one network, its gradient, and the iterations (Tanaka et al., algorithm 1).

    Works on a float64 copy in which every parameter and statistic is replaced by its absolute value:
    R, the sum of the output for an image of ones (of the logits, or of a whole map), was near 3e23 for
    VGG-16. ReLU6 and hardtanh lose
    their ceiling there (our rule): such sums would put every unit above it, where no gradient flows.
    """

    def __init__(self, network: nn.Module, layers: Layers, context: Context) -> None:
        self._network = copy.deepcopy(network).double().eval()
        with torch.no_grad():
            for tensor in (*self._network.parameters(), *self._network.buffers()):
                if tensor.is_floating_point():
                    tensor.abs_()
        self._network.requires_grad_(False)
        self._weights = {name: _weight(self._network.get_submodule(name)) for name in layers}
        for weight in self._weights.values():
            weight.requires_grad_(True)
        self._alive = {name: mask.clone() for name, mask in already_kept(layers).items()}
        self._ones = torch.ones(1, *context.input, dtype=torch.float64)

    def scores(self) -> tuple[float, Scores]:
        """R and |∂R/∂|w||·|w| by layer. Without biases every layer's scores sum up to R.

        Raises ValueError where no gradient flows, which leaves nothing to rank.
        """
        weights = list(self._weights.values())
        with torch.enable_grad(), _NoCeiling():
            total = self._network(self._ones).sum()
            gradients = torch.autograd.grad(total, weights, allow_unused=True)
        found = {
            name: torch.zeros_like(w) if g is None else g.mul_(w.detach()).abs_()
            for (name, w), g in zip(self._weights.items(), gradients, strict=True)
        }
        if not any(bool(score.any()) for score in found.values()):
            raise ValueError("no gradient flows through this network: SynFlow has nothing to rank")
        return total.item(), found

    def masks(self, density: float, iterations: int, scope: str) -> Masks:
        """Masks after ``iterations`` rounds; round e keeps the share density^(e/iterations)."""
        for iteration in range(1, iterations + 1):
            _, scores = self.scores()
            share = density ** (iteration / iterations)
            for names in [list(scores)] if scope == "global" else [[name] for name in scores]:
                part = [scores[name] for name in names]
                target = kept_count(share, sum(score.numel() for score in part))
                gone = drop_lowest(part, [self._alive[name] for name in names], target)
                for name, indices in zip(names, gone, strict=True):
                    self._weights[name].detach().view(-1)[indices] = 0.0
        return self._alive


class _NoCeiling(TorchFunctionMode):
    """Runs relu6 and hardtanh as relu."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (F.relu6, F.hardtanh):
            return torch.relu(args[0] if args else (kwargs or {})["input"])
        return func(*args, **(kwargs or {}))


def _weight(module: nn.Module) -> Tensor:
    assert isinstance(module, nn.Conv2d | nn.Linear)
    return module.weight
