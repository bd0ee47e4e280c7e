"""bn_scale: the channels of smallest BatchNorm scale go, the rest is a smaller dense network."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from bench.counting.count import count
from bench.errors import InputError
from bench.methods import METHODS, Context
from bench.methods.bn_scale import prepare
from bench.methods.parts.structured import below_one_threshold
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


def scales(network: nn.Module) -> dict[str, list[float]]:
    """|γ| of every BatchNorm by name."""
    norms = {n: m for n, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)}
    return {name: [abs(v) for v in norm.weight.tolist()] for name, norm in norms.items()}


def of_vgg(
    ratio: float, weaker: str = "", **knobs: Any
) -> tuple[dict[str, list[float]], dict[str, list[int]]]:
    """|γ| of VGG-16's BatchNorms, those of one made smaller; and the channels that stay behind each."""
    network = BACKBONES.get("vgg16_bn").network()
    if weaker:
        with torch.no_grad():
            network.get_parameter(f"{weaker}.weight").mul_(0.05)
    recipe = prepare(network, Context(), ratio=ratio, **knobs)
    found = scales(network)
    return found, {
        name: recipe.get(name, {"out": list(range(len(own)))})["out"] for name, own in found.items()
    }


@pytest.mark.parametrize("ratio", [0.3, 0.7])
def test_bug_one_threshold_over_all_layers(ratio: float) -> None:
    """Network Slimming's percentile of all γ, sorted by hand; each layer lost the same share before."""
    found, kept = of_vgg(ratio)
    together = sorted(scale for own in found.values() for scale in own)
    threshold = together[int(ratio * len(together)) - 1]
    for name, own in found.items():
        assert kept[name] == [at for at, scale in enumerate(own) if scale > threshold], name
    assert sum(map(len, kept.values())) == len(together) - int(ratio * len(together))


def test_bug_a_weak_layer_loses_all_but_its_strongest_channel() -> None:
    """A layer whose γ are a twentieth kept 70 % of its channels; now one, or the network falls apart."""
    found, kept = of_vgg(0.3, weaker="features.25")
    own = found["features.25"]
    assert kept["features.25"] == [own.index(max(own))]
    share = min(len(kept[name]) / len(found[name]) for name in found if name != "features.25")
    assert share > 0.7


def test_scope_layer_takes_the_same_share_everywhere() -> None:
    found, kept = of_vgg(0.25, weaker="features.25", scope="layer")
    for name, own in found.items():
        order = sorted(range(len(own)), key=lambda at: own[at])
        assert kept[name] == sorted(order[len(own) // 4 :])


def test_tied_channels_count_once_by_the_mean_of_their_scales() -> None:
    backbone = BACKBONES.get("resnet18")
    recipe = prepare(backbone.network(), Context(), ratio=0.5)
    found = scales(backbone.network())
    tied = [found["layer2.0.bn2"], found["layer2.0.downsample.1"], found["layer2.1.bn2"]]
    means = [sum(three) / 3 for three in zip(*tied, strict=True)]
    kept = recipe["layer2.0.conv2"]["out"]
    gone = [at for at in range(128) if at not in kept]
    assert min(means[at] for at in kept) > max(means[at] for at in gone)
    assert recipe["layer2.0.downsample.0"]["out"] == recipe["layer2.1.conv2"]["out"] == kept


def test_equal_scales_mean_nothing_and_are_refused() -> None:
    network = BACKBONES.get("vgg16_bn_synflow").network()  # BatchNorm in its initial state
    for scope in ("global", "layer"):
        with pytest.raises(ValueError, match=r"every scale γ is equal \(1\): a ranking by it means nothing"):
            METHODS.get("bn_scale").rewrite(network, Context(), {"ratio": 0.5, "scope": scope})


def test_a_ratio_of_less_than_one_channel_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ratio=0.01 of the 4 channels .* less than one: 0.25 or more"):
        METHODS.get("bn_scale").rewrite(ranked(), CONTEXT, {"ratio": 0.01})


def test_an_unknown_scope_is_refused() -> None:
    with pytest.raises(InputError, match="scope 'all' is not known"):
        check_call("bn_scale", {"ratio": 0.5, "scope": "all"})


def test_one_threshold_by_hand() -> None:
    layers = [torch.tensor([0.1, 0.9, 0.4]), torch.tensor([0.2, 0.3])]
    assert below_one_threshold(layers, 0.6) == [[0], [0]]  # 0.1, 0.2 and 0.3 go, but 0.3 is its layer's last
    assert below_one_threshold(layers, 0.2) == [[0], []]
    assert below_one_threshold([], 0.5) == []
