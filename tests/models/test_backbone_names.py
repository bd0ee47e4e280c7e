"""Names of backbones: families, globs, and the nearest word for what is misspelled."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench.errors import InputError
from bench.models import BACKBONES


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("resnet_56", "unknown backbone 'resnet_56'; did you mean 'resnet56'?"),
        ("VGG16_BN", "did you mean 'vgg16_bn'?"),
        ("torchvision/resnet81", "did you mean 'torchvision/resnet18'?"),
        ("timm/ghostnetv2-100", "did you mean 'timm/ghostnetv2_100'?"),
        ("layer/64-64", "did you mean 'layer/64-64-k3'?"),
        ("layr/64-64-k3", "unknown backbone 'layr/64-64-k3'; did you mean 'layer/…'?"),
    ],
)
def test_an_unknown_name_gets_the_nearest_one(wrong: str, words: str) -> None:
    with pytest.raises(InputError) as refusal:
        BACKBONES.get(wrong)
    assert words in str(refusal.value)


def test_globs_list_the_packages_own_networks() -> None:
    assert BACKBONES.names("resnet?0") == ["resnet20", "resnet50"]
    assert set(BACKBONES.names("vgg*")) >= {"vgg16_bn", "vgg16_bn_bias", "vgg16_bn_tiny", "vgg16_bn_synflow"}
    assert BACKBONES.names("nothing*") == []
    assert BACKBONES.names() == sorted(BACKBONES.names())


def test_a_family_is_listed_only_behind_its_prefix() -> None:
    assert BACKBONES.families() == ["layer", "timm", "torchvision"]
    assert not [name for name in BACKBONES.names() if "/" in name]
    assert "torchvision/resnet18" in BACKBONES.names("torchvision/resnet*")
    assert "timm/ghostnetv2_100" in BACKBONES.names("timm/ghostnetv2*")
    assert BACKBONES.names("layer/*") == ["layer/32-192-k1", "layer/64-128-k3-s2", "layer/64-64-k3"]


@pytest.mark.parametrize(
    ("name", "shape", "output"),
    [
        ("layer/64-128-k3-s2", (128, 64, 3, 3), (128, 16, 16)),
        ("layer/5-7-k1", (7, 5, 1, 1), (7, 32, 32)),
        ("layer/4-4-k5", (4, 4, 5, 5), (4, 32, 32)),
    ],
)
def test_a_layer_is_one_convolution(name: str, shape: tuple[int, ...], output: tuple[int, int, int]) -> None:
    backbone = BACKBONES.get(name)
    assert backbone.input == (shape[1], 32, 32)
    network = backbone.network()
    assert [p.shape for p in network.parameters()] == [shape]
    assert network(torch.randn(2, *backbone.input)).shape == (2, *output)


@pytest.mark.parametrize("name", ["layer/0-4-k3", "layer/4-4", "layer/4-4-k3-s0", "layer/", "layer/4-4-k3-"])
def test_a_layer_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="unknown backbone"):
        BACKBONES.get(name)


@pytest.mark.parametrize(
    ("name", "input"),
    [
        ("torchvision/mobilenet_v3_small", (3, 224, 224)),
        ("torchvision/inception_v3", (3, 299, 299)),
        ("timm/mobilenetv3_small_050", (3, 224, 224)),
        ("timm/test_resnet", (3, 160, 160)),
    ],
)
def test_a_family_member_has_its_customary_input(name: str, input: tuple[int, int, int]) -> None:
    backbone = BACKBONES.get(name)
    assert (backbone.name, backbone.input, backbone.classes) == (name, input, 1000)
    assert backbone.keep_first


@pytest.mark.parametrize("name", ["timm/mobilenetv3_small_050", "torchvision/shufflenet_v2_x0_5"])
def test_a_network_of_a_family_builds_and_answers(name: str) -> None:
    network = BACKBONES.get(name).network(classes=5)
    assert isinstance(network, nn.Module)
    with torch.no_grad():
        assert network(torch.randn(2, 3, 64, 64)).shape == (2, 5)


def test_a_network_of_a_family_comes_from_the_seed_alone() -> None:
    backbone = BACKBONES.get("timm/mobilenetv3_small_050")
    torch.manual_seed(1)
    one = backbone.network().state_dict()
    torch.manual_seed(2)
    state = torch.get_rng_state()
    again, other = backbone.network().state_dict(), backbone.network(seed=1).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, again[n]) for n, tensor in one.items())
    assert any(not torch.equal(tensor, other[n]) for n, tensor in one.items())
