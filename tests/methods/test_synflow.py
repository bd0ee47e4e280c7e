from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pruning_checks import CONTEXT, check_all, compressed, kept, masks, tiny
from torch import nn

from bench.errors import InputError
from bench.methods import METHODS, Context
from bench.methods.parts.packed_mask import pack, unpack
from bench.methods.parts.pruning import densities, kept_count, prunable
from bench.methods.parts.saliency import SynFlow
from bench.models import BACKBONES
from bench.plan.knobs import check_call

# Densities at compression 1, 13 convolutions and the classifier (methods.md, section 4).
PUBLISHED = (
    0.9965, 0.8966, 0.8050, 0.6437, 0.4354, 0.2477, 0.2351, 0.1219, 0.0598, 0.0604, 0.0564, 0.0540, 0.0602,
    0.8572,
)  # fmt: skip


def test_holds_what_every_masking_method_holds() -> None:
    check_all("synflow", iterations=5)


@given(
    widths=st.lists(st.integers(1, 7), min_size=1, max_size=3),
    kernel=st.sampled_from([1, 3]),
    stride=st.sampled_from([1, 2]),
    groups=st.booleans(),
    seed=st.integers(0, 100),
)
@settings(deadline=None, derandomize=True, max_examples=15)
def test_the_scores_of_every_layer_sum_up_to_r(
    widths: list[int], kernel: int, stride: int, groups: bool, seed: int
) -> None:
    """Conservation network-wise (Tanaka et al. 2020): every layer cuts the flow of a chain without biases."""
    torch.manual_seed(seed)
    network = nn.Sequential()
    channels = 2
    for width in widths:
        network.append(nn.Conv2d(channels, width * channels, kernel, stride, kernel // 2, bias=False))
        network.append(nn.BatchNorm2d(width * channels))
        network.append(nn.ReLU6())
        if groups:
            network.append(
                nn.Conv2d(
                    width * channels, width * channels, 3, padding=1, groups=width * channels, bias=False
                )
            )
        channels *= width
    network.append(nn.MaxPool2d(2, ceil_mode=True))
    network.append(nn.AdaptiveAvgPool2d(1))
    network.append(nn.Flatten())
    network.append(nn.Linear(channels, 3, bias=False))
    total, scores = SynFlow(network.eval(), prunable(network), Context(input=(2, 9, 9))).scores()
    assert total > 0
    for score in scores.values():
        assert abs(float(score.sum()) / total - 1) < 1e-9


def test_conservation_on_the_network_of_the_stored_results() -> None:
    backbone = BACKBONES.get("vgg16_bn_synflow")
    network = backbone.network()
    flow = SynFlow(network, prunable(network), Context(input=backbone.input))
    total, scores = flow.scores()
    assert 1e23 < total < 1e24  # "about 3e23"
    for score in scores.values():
        assert abs(float(score.sum()) / total - 1) < 1e-9


@pytest.mark.parametrize(("compression", "published"), [(0.5, 4668049), (1.0, 1476167), (2.0, 147617)])
def test_published_kept_weights(compression: float, published: int) -> None:
    """The number depends on the 14,761,664 weights and the rounding alone, not on the iterations."""
    network = BACKBONES.get("vgg16_bn_synflow").network()
    weights = sum(layer.weight.numel() for layer in prunable(network).values())
    assert weights == 14_761_664
    assert kept_count(10**-compression, weights) == published


@pytest.mark.slow
def test_published_layer_densities() -> None:
    network = BACKBONES.get("vgg16_bn_synflow").network()
    masks_found = SynFlow(network, prunable(network), Context()).masks(0.1, 100, "global")
    assert sum(int(mask.sum()) for mask in masks_found.values()) == 1476167
    for density, published in zip(densities(masks_found).values(), PUBLISHED, strict=True):
        assert abs(density - published) < 0.007


def test_masked_weights_stay_masked() -> None:
    network = tiny()
    flow = SynFlow(network, prunable(network), CONTEXT)
    first = {name: mask.clone() for name, mask in flow.masks(0.5, 3, "global").items()}
    for name, mask in flow.masks(0.2, 3, "global").items():
        assert not bool((mask & ~first[name]).any())


def test_layer_scope_keeps_the_same_share_everywhere() -> None:
    network = compressed("synflow", tiny(), {"density": 0.5, "iterations": 3, "scope": "layer"}).network
    assert kept(network) == {"0": 81, "3": 24, "7": 20}


def test_the_recipe_is_small_and_exact() -> None:
    torch.manual_seed(0)
    layers: dict[str, nn.Conv2d | nn.Linear] = {"a": nn.Conv2d(64, 128, 3), "b": nn.Linear(13, 7)}
    found = {name: torch.rand(layer.weight.shape) < 0.1 for name, layer in layers.items()}
    packed = pack(found)
    assert sum(map(len, packed.values())) < 0.1 * sum(mask.numel() for mask in found.values())
    for name, mask in unpack(packed, layers).items():
        assert torch.equal(mask, found[name])


def test_a_recipe_of_another_network_is_refused() -> None:
    packed = pack({"a": torch.ones(3, 3, dtype=torch.bool)})
    with pytest.raises(ValueError, match="does not have"):
        unpack(packed, {"b": nn.Linear(3, 3)})
    with pytest.raises(ValueError, match="does not fit"):
        unpack(packed, {"a": nn.Linear(30, 3)})


def test_bounded_activations_do_not_stop_the_flow() -> None:
    backbone = BACKBONES.get("mobilenet_v2")
    rewritten = METHODS.get("synflow").rewrite(
        backbone.network(), Context(), {"density": 0.3, "iterations": 2}
    )
    assert min(float(mask.float().mean()) for mask in masks(rewritten.network).values()) > 0


def test_a_network_without_flow_is_refused() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 3), nn.Threshold(1e300, 0.0))
    with pytest.raises(ValueError, match="no gradient flows"):
        SynFlow(network, prunable(network), Context(input=(3, 2, 2))).scores()


def test_no_iteration_is_refused() -> None:
    with pytest.raises(InputError, match="iterations=0"):
        check_call("synflow", {"density": 0.5, "iterations": 0})
