"""group_l1: the cropped network against torch-pruning's own, tensor by tensor."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
import torch
from small_network import small
from torch import nn

from bench.counting.count import count
from bench.methods import METHODS, Context
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

    backbone = BACKBONES.get(name)
    context = Context(0, backbone.input, backbone.keep_first, backbone.fixed_width)
    cropped = METHODS.get("group_l1").rewrite(backbone.network(), context, {"ratio": ratio}).network

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
        METHODS.get("group_l1")
        .rewrite(small(groups=groups), Context(input=(3, 8, 8)), {"ratio": 0.5})
        .network
    )
    theirs, ours = direct.state_dict(), cropped.state_dict()
    assert all(torch.equal(ours[n], theirs[n]) for n in theirs)
    assert str(cropped) == str(direct)
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(cropped(x), direct.eval()(x))
    assert count(cropped, x[:1]).disagreements == ()


def test_the_next_layer_counts_too() -> None:
    """Two filters of equal norm: the one whose channel the classifier reads more strongly stays."""
    conv, classifier = nn.Conv2d(1, 2, 1, bias=False), nn.Linear(2, 3)
    network = nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), nn.Flatten(), classifier)
    with torch.no_grad():
        conv.weight.fill_(1)
        classifier.weight.copy_(torch.tensor([[1.0, 5.0]] * 3))
    kept = METHODS.get("group_l1").rewrite(network, Context(input=(1, 4, 4)), {"ratio": 0.5}).network
    assert kept.get_parameter("3.weight").tolist() == [[5.0]] * 3
