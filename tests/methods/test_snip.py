from __future__ import annotations

import torch
import torch.nn.functional as F
from pruning_checks import CONTEXT, check_all, compressed, masks, tiny

from bench.methods.parts.pruning import prunable
from bench.methods.parts.saliency import random_batch, snip_scores


def test_holds_what_every_masking_method_holds() -> None:
    check_all("snip")


def test_score_is_the_derivative_by_a_gate_on_the_weight() -> None:
    """|g·w| = |∂L/∂c| at c = 1 where the weight is c·w (Lee et al. 2019)."""
    network = tiny().double()
    images, labels = random_batch(tiny(), CONTEXT)
    scores = snip_scores_double(network, images.double(), labels)
    layer = network.get_submodule("3")
    gate = 1e-6
    with torch.no_grad():
        for i, j in [(0, 0), (5, 2)]:
            weight = layer.weight[i, j, 0, 0].item()
            losses = []
            for factor in (1 + gate, 1 - gate):
                layer.weight[i, j, 0, 0] = weight * factor
                losses.append(float(F.cross_entropy(network(images.double()), labels)))
            layer.weight[i, j, 0, 0] = weight
            slope = abs(losses[0] - losses[1]) / (2 * gate)
            torch.testing.assert_close(float(scores["3"][i, j, 0, 0]), slope, atol=1e-7, rtol=1e-4)


def snip_scores_double(network, images, labels):
    from bench.methods.parts.saliency import loss_gradients

    layers = prunable(network)
    gradients = loss_gradients(network, layers, images, labels)
    return {name: (g * layers[name].weight).detach().abs() for name, g in gradients.items()}


def test_highest_scores_stay_and_the_network_is_not_touched() -> None:
    dense = tiny()
    before = {k: v.clone() for k, v in dense.state_dict().items()}
    scores = snip_scores(dense, prunable(dense), CONTEXT)
    assert all(torch.equal(v, before[k]) for k, v in dense.state_dict().items())
    pruned = masks(compressed("snip", dense, {"density": 0.5}).network)
    flat = torch.cat([scores[name].flatten() for name in pruned])
    mask = torch.cat([m.flatten() for m in pruned.values()])
    assert flat[mask].min() >= flat[~mask].max()
