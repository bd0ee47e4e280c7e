from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from method_checks import TINY, alone, counts, left, prepared, rewrite, single, sound, tiny
from torch import Tensor, nn

from bench.case import Case, MethodCall
from bench.errors import InputError
from bench.methods import Context, haloc
from bench.methods.parts.tucker import TuckerConv2d
from bench.models import BACKBONES
from bench.models.layer import SingleLayer
from bench.network import backbone_network, compress, prepare
from bench.plan.knobs import check_call

TINY_KNOBS: dict[str, Any] = {"budget_of": "macs", "step": 2}


def slow_when_narrow(layer: nn.Module, example: Tensor) -> float:
    """A made-up processor: a dense layer takes 1 s per channel, a factored one 3 s and its rank."""
    if isinstance(layer, SingleLayer):
        layer = layer.conv
    if isinstance(layer, nn.Conv2d):
        return float(layer.out_channels)
    if isinstance(layer, TuckerConv2d):
        return 3.0 + layer.ranks[0]
    return 100.0


CLOCKED = Context(input=TINY, seconds_of=slow_when_narrow)


@pytest.mark.parametrize("budget", [0.278, 0.5, 0.8])
def test_macs_stay_in_the_budget(budget: float) -> None:
    dense = BACKBONES.get("resnet20").network()
    rewritten = rewrite(dense, "haloc", Context(), budget=budget, budget_of="macs")
    before, found = counts(dense, (3, 32, 32)), counts(rewritten.network, (3, 32, 32))
    assert before.macs == 40_551_040
    assert 0.9 * budget < found.macs / before.macs <= budget
    assert found.macs == found.executed_macs
    for entry in rewritten.replaced:
        layer = rewritten.network.get_submodule(entry.name)
        assert isinstance(layer, TuckerConv2d)
        r1, r2 = layer.ranks
        assert r1 == r2
        assert r1 % 8 == 0


def test_planned_is_achieved_and_the_recipe_survives_json() -> None:
    dense = BACKBONES.get("resnet20").network()
    knobs: dict[str, Any] = {"budget": 0.4, "budget_of": "macs"}
    recipe = prepared("haloc", dense, Context(), **knobs)
    with_recipe = rewrite(dense, "haloc", Context(recipe=recipe), **knobs)
    without = rewrite(dense, "haloc", Context(), **knobs)
    assert with_recipe.replaced == without.replaced
    assert with_recipe.left == without.left
    for one, other in zip(with_recipe.network.parameters(), without.network.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    macs = counts(with_recipe.network, (3, 32, 32)).macs
    assert macs == pytest.approx(recipe["planned_share"] * recipe["dense_cost"])


def test_kept_energy_is_that_of_the_layers() -> None:
    conv = nn.Conv2d(8, 12, 3, padding=1, bias=False).requires_grad_(False)
    found = haloc.kept_energy(conv.weight)
    assert len(found) == 8
    for rank in (2, 5, 8):
        layer: Any = TuckerConv2d(conv, (rank, rank)).requires_grad_(False)
        made = torch.einsum(
            "op,pqhw,qi->oihw", layer[2].weight[..., 0, 0], layer[1].weight, layer[0].weight[..., 0, 0]
        )
        lost = float((conv.weight - made).square().sum() / conv.weight.square().sum())
        assert float(found[rank - 1]) == pytest.approx(1 - lost, abs=1e-5)
    assert bool((haloc.kept_energy(torch.zeros(4, 4, 3, 3)) == 1).all())


def test_measured_times_decide() -> None:
    recipe = haloc.prepare(tiny(), CLOCKED, budget=0.9, step=2)
    # 8 and 16 s for the two layers, 100 s in all: ten must go, and only the wide one has them to give.
    assert recipe["costs"]["same"] == {"0": 8.0, "2": 5.0, "4": 7.0, "6": 9.0}
    assert recipe["costs"]["wide"] == {"0": 16.0, "2": 5.0, "4": 7.0, "6": 9.0}
    assert recipe["dense_cost"] == 100.0
    assert recipe["planned_share"] <= 0.9
    assert recipe["ranks"]["wide"] in (2, 4)
    rewritten = rewrite(tiny(), "haloc", Context(input=TINY, recipe=recipe), budget=0.9, step=2)
    assert {e.name for e in rewritten.replaced} == set(recipe["ranks"])


def test_a_rank_that_is_slower_than_dense_is_never_taken() -> None:
    for budget in (0.95, 0.9, 0.87):
        recipe = haloc.prepare(tiny(), CLOCKED, budget=budget, step=2)
        assert recipe["ranks"].get("same") != 6


def test_equal_layers_are_measured_once() -> None:
    calls: list[tuple[int, ...]] = []

    def count_calls(layer: nn.Module, example: Tensor) -> float:
        calls.append(tuple(example.shape))
        return slow_when_narrow(layer, example)

    network = BACKBONES.get("resnet20").network()
    # Whole network; 16→16, 16→32, 32→32, 32→64, 64→64, each dense and at the multiples of 8 below its width.
    haloc.prepare(network, Context(seconds_of=count_calls), budget=0.98)
    assert len(calls) == 1 + (1 + 1) + (1 + 1) + (1 + 3) + (1 + 3) + (1 + 7)


def test_nothing_is_remembered_from_one_search_to_the_next() -> None:
    """The same layers on a clock of half the speed: every cost is doubled."""
    first = haloc.prepare(tiny(), CLOCKED, budget=0.9, step=2)
    slower = replace(CLOCKED, seconds_of=lambda layer, x: 2 * slow_when_narrow(layer, x))
    second = haloc.prepare(tiny(), slower, budget=0.9, step=2)
    assert second["dense_cost"] == 2 * first["dense_cost"]
    assert second["ranks"] == first["ranks"]


def test_a_budget_of_latency_without_a_clock_is_refused() -> None:
    with pytest.raises(ValueError, match="a budget of latency needs measured times"):
        rewrite(tiny(), "haloc", budget=0.9, step=2)


def test_a_case_is_prepared_by_the_clock_that_is_handed_in() -> None:
    case = Case("layer/32-32-k3", (MethodCall("haloc", {"budget": 0.9}),), input=(32, 8, 8))
    with pytest.raises(ValueError, match="measured times"):
        prepare(case)
    rewritten, (recipe,) = prepare(case, slow_when_narrow)
    # One layer, 32 s dense; 3 s and its rank with factors. Rank 24 keeps most and takes 27 of 28.8 s.
    assert recipe["ranks"] == {"conv": 24}
    assert [layer.name for layer in rewritten.replaced] == ["conv"]
    assert compress(backbone_network(case), case, [recipe]).replaced == rewritten.replaced


def test_tiny_network_by_hand() -> None:
    rewritten = rewrite(tiny(), "haloc", budget=0.7, **TINY_KNOBS)
    layers: dict[str, Any] = {e.name: rewritten.network.get_submodule(e.name) for e in rewritten.replaced}
    ranks = {name: int(layer.ranks[0]) for name, layer in layers.items()}
    params, macs = 216 + 192 + 65, 64 * 216 + 16 * 192 + 60
    for name, ci, co, inputs, outputs in (("same", 8, 8, 64, 64), ("wide", 8, 16, 64, 16)):
        r = ranks.get(name, 0)
        params += ci * r + 9 * r * r + r * co if r else 9 * ci * co
        macs += inputs * ci * r + outputs * (9 * r * r + r * co) if r else outputs * 9 * ci * co
    found = counts(rewritten.network)
    assert found.params == found.logical_params == params
    assert found.macs == found.executed_macs == macs <= 0.7 * counts(tiny()).macs
    assert found.weight_bytes == 4 * params


def test_sound() -> None:
    sound(rewrite(tiny(bias=True), "haloc", budget=0.6, **TINY_KNOBS).network)


def test_what_is_left() -> None:
    reasons = left(rewrite(tiny(), "haloc", budget=0.9, budget_of="macs", step=4))
    assert reasons["stem"] == "the network's first convolution"
    assert reasons["point"] == "1×1 kernel: svd is its low-rank form"
    assert "dense is the better use of the budget" in reasons.values()
    with pytest.raises(ValueError, match=r"nothing to replace .no multiple of 8 is below its full rank 8"):
        rewrite(single(8, 8, 3), "haloc", alone(8, recipe={"ranks": {}}), budget=0.9)


def test_a_budget_that_cannot_be_met_says_how_low_it_goes() -> None:
    with pytest.raises(ValueError, match=r"budget=0.01 of the macs cannot be met: .* is at 0\.\d+"):
        rewrite(tiny(), "haloc", budget=0.01, **TINY_KNOBS)


def test_nothing_to_replace() -> None:
    with pytest.raises(ValueError, match=r"haloc: nothing to replace .1×1 kernel"):
        rewrite(single(8, 8, 1), "haloc", alone(8), budget=0.5, budget_of="macs")


def test_at_most_sixteen_ranks_are_tried() -> None:
    wide = nn.Conv2d(512, 512, 3)
    ranks = haloc._ranks(wide, 8)
    assert len(ranks) <= 16
    assert ranks[0] == 8
    assert all(rank % 8 == 0 and rank < 512 for rank in ranks)


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({}, "needs the knob budget"),
        ({"budget": 1.0}, "between 0 and 1, both excluded"),
        ({"budget": 0.5, "budget_of": "latancy"}, "did you mean 'latency'"),
        ({"budget": 0.5, "step": 0}, "at least 1"),
    ],
)
def test_bad_knobs(knobs: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_call("haloc", knobs)
