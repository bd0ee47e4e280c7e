from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from pruning_checks import CONTEXT, WEIGHTS, check_all, compressed, kept, masks, tiny

from bench.methods.parts.pruning import kept_count


@pytest.mark.parametrize("density", [0.3, 0.05])
def test_holds_what_every_masking_method_holds(density: float) -> None:
    check_all("random", density)


def test_layer_scope_keeps_the_same_share_everywhere() -> None:
    network = compressed("random", tiny(), {"density": 0.3, "scope": "layer"}).network
    assert kept(network) == {name: kept_count(0.3, weights) for name, weights in WEIGHTS.items()}


def test_the_draw_depends_on_the_seed_and_not_on_the_weights() -> None:
    first = masks(compressed("random", tiny(seed=0), {"density": 0.5}).network)
    same = masks(compressed("random", tiny(seed=1), {"density": 0.5}).network)
    other = masks(compressed("random", tiny(seed=0), {"density": 0.5}, replace(CONTEXT, seed=4)).network)
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)
