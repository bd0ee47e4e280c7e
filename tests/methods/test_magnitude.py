from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pruning_checks import CONTEXT, WEIGHTS, check_all, compressed, kept, masks, tiny
from torch import nn

from bench.errors import InputError
from bench.methods import METHODS, Context
from bench.methods.parts.pruning import drop_lowest, kept_count
from bench.models import BACKBONES
from bench.plan.knobs import check_call


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_holds_what_every_masking_method_holds(scope: str) -> None:
    if scope == "global":
        check_all("magnitude")
    network = compressed("magnitude", tiny(), {"density": 0.3, "scope": scope}).network
    if scope == "layer":
        assert kept(network) == {name: kept_count(0.3, weights) for name, weights in WEIGHTS.items()}


def test_keeps_the_largest() -> None:
    dense = tiny()
    pruned = compressed("magnitude", dense, {"density": 0.4}).network
    flat = torch.cat([dense.get_parameter(f"{n}.weight").abs().flatten() for n in WEIGHTS])
    mask = torch.cat([m.flatten() for m in masks(pruned).values()])
    assert flat[mask].min() > flat[~mask].max()


@given(
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=4),
    density=st.floats(0.001, 1),
    levels=st.integers(1, 1000),
)
@settings(deadline=None, derandomize=True, max_examples=15)
def test_the_number_kept_is_exact_even_with_ties(sizes: list[int], density: float, levels: int) -> None:
    torch.manual_seed(0)
    scores = [torch.randint(levels, (size,)).double() for size in sizes]
    alive = [torch.ones(size, dtype=torch.bool) for size in sizes]
    target = kept_count(density, sum(sizes))
    gone = drop_lowest(scores, alive, target)
    assert sum(int(mask.sum()) for mask in alive) == target
    assert sum(indices.numel() for indices in gone) == sum(sizes) - target
    stay = torch.cat([s[m] for s, m in zip(scores, alive, strict=True)])
    went = torch.cat([s[i] for s, i in zip(scores, gone, strict=True)])
    assert not went.numel() or stay.min() >= went.max()


def test_a_large_ranking_goes_through_the_sample_and_is_exact() -> None:
    torch.manual_seed(0)
    scores = torch.rand(300_000, dtype=torch.float64)
    alive = torch.ones(300_000, dtype=torch.bool)
    alive[::3] = False
    expected = (scores[alive].sort().values)[-50_000:]
    drop_lowest([scores], [alive], 50_000)
    assert torch.equal(scores[alive].sort().values, expected)


def test_closed_form_of_normal_weights_on_synflows_network() -> None:
    """Published: density = erfc(t/(σ√2)) with t = .038332 and σ² = 2/fan-in (methods.md, section 4)."""
    backbone = BACKBONES.get("vgg16_bn_synflow")
    network = backbone.network(100, 0)
    fan_in = {
        n: m.weight[0].numel() for n, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)
    }
    pruned = METHODS.get("magnitude").rewrite(network, Context(), {"density": 0.1}).network
    assert sum(kept(pruned).values()) == 1476167
    for name, mask in masks(pruned).items():
        expected = math.erfc(0.038332 / math.sqrt(2 / fan_in[name]) / math.sqrt(2))
        deviations = math.sqrt(expected * (1 - expected) / mask.numel())  # of a binomial share
        assert abs(float(mask.float().mean()) - expected) < 4 * deviations + 2e-4


def test_a_masked_network_keeps_its_masks_when_pruned_again() -> None:
    once = compressed("magnitude", tiny(), {"density": 0.3}).network
    again = compressed("random", once, {"density": 0.2}).network
    for name, mask in masks(again).items():
        assert not bool((mask & ~masks(once)[name]).any())
    assert sum(kept(again).values()) == 50


def test_skip_leaves_layers_dense() -> None:
    rewritten = compressed("magnitude", tiny(), {"density": 0.3, "skip": ("0", "7")})
    assert set(masks(rewritten.network)) == {"3"}
    assert [left.name for left in rewritten.left] == ["0"]


@pytest.mark.parametrize("name", ["magnitude", "random", "snip", "grasp", "synflow", "dnr", "precrop"])
@pytest.mark.parametrize("density", [0.0, -0.5, 1.5, float("nan")])
def test_bad_density_is_refused(name: str, density: float) -> None:
    with pytest.raises(InputError, match="share of weights to keep"):
        check_call(name, {"density": density})


@pytest.mark.parametrize("name", ["magnitude", "random", "snip", "grasp", "synflow"])
def test_unknown_scope_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="one threshold for all layers"):
        check_call(name, {"density": 0.5, "scope": "network"})


def test_nothing_to_prune_is_said() -> None:
    with pytest.raises(ValueError, match="nothing to replace"):
        METHODS.get("magnitude").rewrite(nn.Sequential(nn.ReLU()), CONTEXT, {"density": 0.5})


def test_scores_that_overflow_are_refused() -> None:
    with pytest.raises(ValueError, match="overflow"):
        drop_lowest([torch.tensor([1.0, math.inf])], [torch.tensor([True, True])], 1)


@given(
    name=st.sampled_from(["magnitude", "random", "snip", "grasp", "synflow", "dnr"]),
    density=st.floats(0.001, 1),
    scope=st.sampled_from(["global", "layer"]),
)
@settings(deadline=None, derandomize=True, max_examples=15)
def test_any_density_keeps_the_shape_and_the_exact_number(name: str, density: float, scope: str) -> None:
    knobs = {"density": density, **({"scope": scope} if name != "dnr" else {})}
    network = compressed(name, tiny(), {**knobs, **({"iterations": 2} if name == "synflow" else {})}).network
    found = kept(network)
    if scope == "global" or name == "dnr":
        assert sum(found.values()) == kept_count(density, sum(WEIGHTS.values()))
    else:
        assert found == {layer: kept_count(density, weights) for layer, weights in WEIGHTS.items()}
    with torch.no_grad():
        assert network(torch.randn(2, 3, 8, 8)).shape == (2, 5)
