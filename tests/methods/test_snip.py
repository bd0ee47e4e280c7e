from __future__ import annotations

import copy

import torch
from pruning_checks import CONTEXT, check_all, compressed, masks, tiny

from bench.methods.parts.pruning import prunable
from bench.methods.parts.saliency import random_batch, snip_scores


def test_holds_what_every_masking_method_holds() -> None:
    check_all("snip")


def test_score_is_the_derivative_by_a_gate_on_the_weight() -> None:
    """|∂L/∂c| at c = 1 where the weight is c·w (Lee et al. 2019, section 4), by central differences."""
    network = tiny()
    images, labels = random_batch(network, CONTEXT)
    scores = snip_scores(network, prunable(network), CONTEXT)
    precise = copy.deepcopy(network).double()  # in float32 the differences would drown in rounding

    def loss() -> float:
        logits = precise(images.double())
        chosen = logits[torch.arange(len(labels)), labels]
        return float((logits.logsumexp(1) - chosen).mean())  # the cross-entropy, written out

    step = 1e-6
    with torch.no_grad():
        for name, score in scores.items():
            weights = precise.get_parameter(f"{name}.weight").view(-1)
            slopes = []
            for at in range(0, weights.numel(), 7):
                weight = weights[at].item()
                losses = []
                for gate in (1 + step, 1 - step):
                    weights[at] = gate * weight
                    losses.append(loss())
                weights[at] = weight
                slopes.append(abs(losses[0] - losses[1]) / (2 * step))
            found = score.flatten()[::7].double()
            assert found.max() > 1e-4
            torch.testing.assert_close(found, torch.tensor(slopes).double(), atol=1e-6, rtol=1e-3)


def test_highest_scores_stay_and_the_network_is_not_touched() -> None:
    dense = tiny()
    before = {k: v.clone() for k, v in dense.state_dict().items()}
    scores = snip_scores(dense, prunable(dense), CONTEXT)
    assert all(torch.equal(v, before[k]) for k, v in dense.state_dict().items())
    pruned = masks(compressed("snip", dense, {"density": 0.5}).network)
    flat = torch.cat([scores[name].flatten() for name in pruned])
    mask = torch.cat([m.flatten() for m in pruned.values()])
    assert flat[mask].min() >= flat[~mask].max()
