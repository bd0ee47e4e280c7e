"""filter_l1: the cropped network against torch-pruning's own, tensor by tensor."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.counting.count import count
from bench.methods import METHODS, Context, Rewritten
from bench.methods.filter_l1 import prepare
from bench.methods.parts.masking import MaskedConv2d
from bench.methods.parts.structured import crop, fixed_layers, last_layer
from bench.models import BACKBONES

torch_pruning = pytest.importorskip("torch_pruning", reason="torch-pruning is not installed")

CLASSIFIER = {"efficientnet_b0": "classifier.1"}
FIXED = {"resnet56": ("conv1", "*.conv2"), "resnet20": ("conv1", "*.conv2")}


def prune_directly(network: nn.Module, ignored: list[nn.Module], ratio: float, size: int = 32) -> nn.Module:
    """torch-pruning alone: nothing of the package takes part."""
    example = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    pruner = torch_pruning.pruner.BasePruner(
        network,
        example,
        importance=torch_pruning.pruner.importance.MagnitudeImportance(p=1),
        pruning_ratio=ratio,
        ignored_layers=ignored,
    )
    pruner.step()
    return network


def on_backbone(name: str, ratio: float) -> tuple[Rewritten, Context]:
    backbone = BACKBONES.get(name)
    context = Context(0, backbone.input, backbone.keep_first, backbone.fixed_width)
    return METHODS.get("filter_l1").rewrite(backbone.network(), context, {"ratio": ratio}), context


class Small(nn.Module):
    """Convolutions in a row, the middle one grouped; a loose weight on the channels if asked for."""

    def __init__(self, groups: int = 1, scaled: bool = False) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, padding=1)
        self.b = nn.Conv2d(8, 8, 3, padding=1, groups=groups)
        self.bn = nn.BatchNorm2d(8)
        self.c = nn.Conv2d(8, 8, 3, padding=1)
        self.gamma = nn.Parameter(torch.ones(8, 1, 1)) if scaled else None
        self.fc = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.c(torch.relu(self.bn(self.b(self.a(x)))))
        if self.gamma is not None:
            x = x * self.gamma
        out: Tensor = self.fc(x.mean((2, 3)))
        return out


def small(**options: Any) -> Small:
    torch.manual_seed(0)
    return Small(**options).eval()


@pytest.mark.parametrize(
    "name", ["resnet56", "resnet18", "vgg16_bn", "mobilenet_v2", "densenet40_k12", "efficientnet_b0"]
)
def test_the_cropped_network_is_torch_prunings_own(name: str) -> None:
    ratio = 0.4
    network = BACKBONES.get(name).network()
    fixed = [
        module
        for n, module in network.named_modules()
        if isinstance(module, nn.Conv2d) and any(fnmatchcase(n, glob) for glob in FIXED.get(name, ()))
    ]
    expected = prune_directly(network, [network.get_submodule(CLASSIFIER.get(name, "fc")), *fixed], ratio)

    cropped = on_backbone(name, ratio)[0].network

    theirs, ours = expected.state_dict(), cropped.state_dict()
    assert list(ours) == list(theirs)
    for tensor_name, tensor in theirs.items():
        assert torch.equal(ours[tensor_name], tensor), tensor_name
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        y = cropped(x)
        assert torch.equal(y, expected.eval()(x))
    assert y.shape == (2, 10)
    assert sum(p.numel() for p in cropped.parameters()) < 0.9 * sum(
        p.numel() for p in BACKBONES.get(name).network().parameters()
    )


@pytest.mark.parametrize("groups", [1, 2, 4, 8])
def test_bug_grouped_convolutions_are_cropped_as_torch_pruning_does(groups: int) -> None:
    direct = small(groups=groups)
    prune_directly(direct, [direct.fc], 0.5, size=8)
    cropped = (
        METHODS.get("filter_l1")
        .rewrite(small(groups=groups), Context(input=(3, 8, 8)), {"ratio": 0.5})
        .network
    )
    theirs, ours = direct.state_dict(), cropped.state_dict()
    assert all(torch.equal(ours[n], theirs[n]) for n in theirs)
    assert str(cropped) == str(direct)
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(cropped(x), direct.eval()(x))
    assert count(cropped, x[:1]).disagreements == ()


@pytest.mark.filterwarnings("ignore:Unwrapped parameters")
def test_bug_a_loose_weight_on_the_channels_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"channels of gamma \(Parameter\) cannot be removed one by one"):
        METHODS.get("filter_l1").rewrite(small(scaled=True), Context(input=(3, 8, 8)), {"ratio": 0.5})


def test_a_norm_over_channels_is_refused_by_name() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.GroupNorm(1, 8), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(128, 4)
    )
    with pytest.raises(ValueError, match=r"channels of 1 \(GroupNorm\) cannot be removed one by one"):
        METHODS.get("filter_l1").rewrite(network, Context(input=(3, 8, 8)), {"ratio": 0.5})


def test_bug_the_mask_of_a_sparse_layer_is_cropped_with_its_weight() -> None:
    context = Context(input=(3, 8, 8))
    sparse = METHODS.get("psconv").rewrite(small(), context, {"variant": "pSC4"}).network
    network = METHODS.get("filter_l1").rewrite(sparse, context, {"ratio": 0.5}).network
    layer = network.get_submodule("c")
    assert isinstance(layer, MaskedConv2d)
    assert layer.weight.shape == layer.mask.shape == (4, 4, 3, 3)
    assert (layer.weight[~layer.mask] == 0).all()
    assert (layer.weight[layer.mask] != 0).all()
    network(torch.randn(2, 3, 8, 8)).sum().backward()
    counts = count(network, torch.randn(1, 3, 8, 8))
    assert counts.params - counts.logical_params == 2 * 4 * 4 * 5
    assert counts.disagreements == ()


@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v2", "densenet40_k12"])
def test_the_recipe_survives_json_and_needs_no_second_walk(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = BACKBONES.get(name)
    context = Context(0, backbone.input, backbone.keep_first, backbone.fixed_width)
    recipe = prepare(backbone.network(), context, ratio=0.3)
    carried = json.loads(json.dumps(recipe))
    assert carried == recipe
    expected = crop(backbone.network(), recipe).network.state_dict()

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("the graph was walked although the recipe was there")

    monkeypatch.setattr(torch_pruning.pruner, "BasePruner", refuse)
    given = Context(0, backbone.input, backbone.keep_first, backbone.fixed_width, carried)
    applied = METHODS.get("filter_l1").rewrite(backbone.network(), given, {"ratio": 0.3}).network
    assert all(torch.equal(tensor, expected[n]) for n, tensor in applied.state_dict().items())


def test_finding_the_recipe_leaves_the_network_alone() -> None:
    network = BACKBONES.get("resnet20").network()
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    before = {n: t.clone() for n, t in network.state_dict().items()}
    prepare(network, Context(fixed_width=("conv1", "*.conv2")), ratio=0.5)
    assert all(torch.equal(t, before[n]) for n, t in network.state_dict().items())
    assert not any(p.requires_grad for p in network.parameters())
    assert not any(m._forward_hooks for m in network.modules())


@pytest.mark.parametrize("ratio", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_a_ratio_outside_0_and_1_is_refused(ratio: float) -> None:
    check = METHODS.get("filter_l1").check
    assert check is not None
    with pytest.raises(ValueError, match="lies between 0 and 1, both excluded"):
        check(ratio=ratio)


def test_a_network_whose_every_width_is_fixed_is_an_error() -> None:
    context = Context(input=(3, 8, 8), fixed_width=("*",))
    with pytest.raises(ValueError, match=r"filter_l1: nothing to replace \(its channels are tied"):
        METHODS.get("filter_l1").rewrite(small(), context, {"ratio": 0.5})


@pytest.mark.parametrize("name", ["resnet20", "resnet56"])
def test_option_a_keeps_the_width_of_the_residual_stream(name: str) -> None:
    network = on_backbone(name, 0.5)[0].network
    for module_name, module in network.named_modules():
        if not isinstance(module, nn.Conv2d) or module_name == "conv1":
            continue
        stage = {"layer1": 16, "layer2": 32, "layer3": 64}[module_name.partition(".")[0]]
        if module_name.endswith("conv2"):
            assert (module.in_channels, module.out_channels) == (stage // 2, stage)
        else:
            assert module.out_channels == stage // 2


def test_the_filters_with_the_smallest_norm_go() -> None:
    conv, classifier = nn.Conv2d(1, 4, 1, bias=False), nn.Linear(4, 2)
    network = nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), nn.Flatten(), classifier)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([3.0, -1.0, 0.5, -4.0]).view(4, 1, 1, 1))
        classifier.weight.fill_(1)
    recipe = prepare(network, Context(input=(1, 4, 4)), ratio=0.5)
    assert recipe["0"] == {"in": [0], "out": [0, 3]}
    assert recipe["3"]["in"] == [0, 3]


def test_the_account_names_what_became_smaller() -> None:
    rewritten, _ = on_backbone("resnet20", 0.5)
    replaced = {r.name: (r.before, r.after) for r in rewritten.replaced}
    assert replaced["layer1.0.conv1"] == ("Conv2d 16→16 3×3", "Conv2d 16→8 3×3")
    assert replaced["layer2.0.conv1"] == ("Conv2d 16→32 3×3 /2", "Conv2d 16→16 3×3 /2")
    assert [left.name for left in rewritten.left] == ["conv1"]


def test_the_counts_of_the_smaller_network_agree() -> None:
    counts = count(on_backbone("mobilenet_v2", 0.5)[0].network, torch.randn(1, 3, 32, 32))
    assert counts.disagreements == ()
    assert counts.macs == counts.executed_macs


def test_the_layer_that_runs_last_is_the_classifier() -> None:
    for name, classifier in (("resnet20", "fc"), ("efficientnet_b0", "classifier.1")):
        network = BACKBONES.get(name).network()
        assert last_layer(network, Context()) is network.get_submodule(classifier)
        assert not any(m._forward_hooks for m in network.modules())
    with pytest.raises(ValueError, match="neither a convolution nor a linear layer"):
        last_layer(nn.Sequential(nn.ReLU()), Context())


def test_fixed_layers_are_convolutions_that_fit_a_glob() -> None:
    network = BACKBONES.get("resnet20").network()
    found = fixed_layers(network, Context(fixed_width=("conv1", "*.conv2")))
    assert len(found) == 1 + 9
    assert fixed_layers(network, Context()) == []
