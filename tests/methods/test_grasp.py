from __future__ import annotations

import torch
import torch.nn.functional as F
from pruning_checks import CONTEXT, check_all, tiny
from torch import nn

from bench.methods.parts.pruning import prunable
from bench.methods.parts.saliency import grasp_scores, random_batch


def test_holds_what_every_masking_method_holds() -> None:
    check_all("grasp")


def test_score_is_the_first_order_change_of_the_gradient_norm() -> None:
    """d(gᵀg)/dε at w(1-ε) is -2·w·(Hg); for one linear layer the Hessian is written out in full."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 4, bias=False)).eval()
    context = type(CONTEXT)(seed=1, input=(3, 2, 2))
    images, labels = random_batch(network, context)
    scores = grasp_scores(network, prunable(network), context)["1"]

    def loss(flat: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(images.flatten(1) @ flat.view(4, 12).T, labels)

    flat = network.get_parameter("1.weight").detach().flatten()
    gradient = torch.func.grad(loss)(flat)
    hessian = torch.func.hessian(loss)(flat)
    torch.testing.assert_close(scores.flatten(), flat * (hessian @ gradient), atol=1e-6, rtol=1e-4)


def test_removing_the_lowest_score_raises_the_gradient_norm() -> None:
    network = tiny()
    layers = prunable(network)
    images, labels = random_batch(network, CONTEXT)

    def norm() -> float:
        weights = [layer.weight for layer in layers.values()]
        gradients = torch.autograd.grad(F.cross_entropy(network(images), labels), weights)
        return float(sum((g**2).sum() for g in gradients))

    scores = grasp_scores(network, layers, CONTEXT)["7"]
    before, at = norm(), int(scores.argmin())
    assert scores.flatten()[at] < 0
    with torch.no_grad():
        layers["7"].weight.view(-1)[at] *= 0.9
    assert norm() > before
