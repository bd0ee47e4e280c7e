"""bn_scale: the channels of smallest BatchNorm scale go, the rest is a smaller dense network."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from bench.counting.count import count
from bench.errors import InputError
from bench.methods import METHODS, Context
from bench.methods.bn_scale import prepare
from bench.models import BACKBONES
from bench.plan.knobs import check_call

pytest.importorskip("torch_pruning", reason="torch-pruning is not installed")

CONTEXT = Context(input=(3, 6, 6))


def ranked() -> nn.Sequential:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(4)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, bias=False),
        norm,
        nn.ReLU(),
        nn.Conv2d(4, 6, 3, padding=1, bias=False),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 5),
    )
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.9, -0.1, -1.5, 0.2]))
    return network.eval()


def test_keeps_the_largest_scales_and_counts_by_hand() -> None:
    dense = ranked()
    rewritten = METHODS.get("bn_scale").rewrite(ranked(), CONTEXT, {"ratio": 0.5})
    first, norm, second = (rewritten.network.get_submodule(at) for at in "013")
    assert norm.get_parameter("weight").tolist() == pytest.approx([0.9, -1.5])
    assert torch.equal(first.get_parameter("weight"), dense.get_parameter("0.weight")[[0, 2]])
    assert torch.equal(second.get_parameter("weight"), dense.get_parameter("3.weight")[:, [0, 2]])
    counts = count(rewritten.network, CONTEXT.example_input())
    params = 2 * 3 * 9 + 2 * 2 + 6 * 2 * 9 + 5 * 6 + 5  # no BatchNorm follows the second: its 6 stay
    macs = 36 * (2 * 3 * 9 + 6 * 2 * 9) + 30
    assert counts.disagreements == ()
    assert (counts.params, counts.logical_params) == (params, params)
    assert (counts.macs, counts.executed_macs) == (macs, macs)


def test_removing_dead_channels_keeps_the_output() -> None:
    """A channel whose BatchNorm answers with a constant zero adds nothing: without it all stays the same."""
    network = ranked()
    with torch.no_grad():
        network.get_parameter("1.weight")[[1, 3]] = 0.0
        network.get_parameter("1.bias").zero_()
    x = torch.randn(2, 3, 6, 6)
    with torch.no_grad():
        expected = network(x)
    smaller = METHODS.get("bn_scale").rewrite(network, CONTEXT, {"ratio": 0.5}).network
    with torch.no_grad():
        torch.testing.assert_close(smaller(x), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["resnet20", "vgg16_bn"])
def test_on_a_backbone_through_its_recipe(name: str) -> None:
    backbone = BACKBONES.get(name)
    context = Context(input=backbone.input, fixed_width=backbone.fixed_width)
    recipe = json.loads(json.dumps(prepare(backbone.network(), context, ratio=0.5)))
    with_recipe = METHODS.get("bn_scale").rewrite(
        backbone.network(), replace(context, recipe=recipe), {"ratio": 0.5}
    )
    counts = count(with_recipe.network, context.example_input())
    assert counts.disagreements == ()
    assert counts.params < sum(p.numel() for p in backbone.network().parameters())
    without = METHODS.get("bn_scale").rewrite(backbone.network(), context, {"ratio": 0.5})
    for key, value in without.network.state_dict().items():
        assert torch.equal(with_recipe.network.state_dict()[key], value)
    x = context.example_input(2)
    with torch.no_grad():
        assert with_recipe.network(x).shape == (2, 10)


def test_without_batchnorm_there_is_nothing_to_rank() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(64, 2))
    with pytest.raises(ValueError, match="no BatchNorm whose scale"):
        METHODS.get("bn_scale").rewrite(network, CONTEXT, {"ratio": 0.5})


@pytest.mark.parametrize("name", ["bn_scale", "random_channels"])
@pytest.mark.parametrize("ratio", [0.0, 1.0, -0.1, 1.5])
def test_bad_ratio_is_refused(name: str, ratio: float) -> None:
    with pytest.raises(InputError, match="share of channels to remove"):
        check_call(name, {"ratio": ratio})
