"""filter_l1: the filters that go are those that a sort by hand puts last; the rest is a dense network."""

from __future__ import annotations

import json

import pytest
import torch
from small_network import small
from torch import Tensor, nn

from bench.counting.count import count
from bench.methods import METHODS, Context, Rewritten
from bench.methods.filter_l1 import prepare
from bench.methods.parts.masking import MaskedConv2d
from bench.methods.parts.structured import crop, fixed_layers, last_layer
from bench.models import BACKBONES

torch_pruning = pytest.importorskip("torch_pruning", reason="torch-pruning is not installed")


def on_backbone(name: str, ratio: float) -> tuple[Rewritten, Context]:
    backbone = BACKBONES.get(name)
    context = Context(0, backbone.input, backbone.keep_first, backbone.fixed_width)
    return METHODS.get("filter_l1").rewrite(backbone.network(), context, {"ratio": ratio}), context


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


def norms(network: nn.Module, name: str) -> list[float]:
    """Sum of |w| of every filter."""
    return [
        float(sum(abs(w) for w in row)) for row in network.get_parameter(f"{name}.weight").flatten(1).tolist()
    ]


def largest(scores: list[float], kept: int) -> list[int]:
    """The places of the largest, in order."""
    return sorted(sorted(range(len(scores)), key=lambda at: scores[at])[len(scores) - kept :])


def recipe_of(name: str, ratio: float) -> tuple[dict[str, dict[str, list[int]]], nn.Module]:
    backbone = BACKBONES.get(name)
    context = Context(0, backbone.input, backbone.keep_first, backbone.fixed_width)
    return prepare(backbone.network(), context, ratio=ratio), backbone.network()


@pytest.mark.parametrize(
    ("name", "ratio"),
    [("vgg16_bn", 0.3), ("vgg16_bn_bias", 0.64), ("resnet20", 0.4), ("densenet40_k12", 0.5)],
)
def test_bug_every_layer_keeps_its_filters_of_largest_own_norm(name: str, ratio: float) -> None:
    """Neither BatchNorm nor the next layer's kernels have a say: 459 of VGG-16's 1,273 went wrongly."""
    recipe, network = recipe_of(name, ratio)
    checked = 0
    for layer, widths in recipe.items():
        module = network.get_submodule(layer)
        if not isinstance(module, nn.Conv2d) or len(widths["out"]) == module.out_channels:
            continue
        assert widths["out"] == largest(norms(network, layer), int(module.out_channels * (1 - ratio))), layer
        checked += 1
    assert checked == {"vgg16_bn": 13, "vgg16_bn_bias": 13, "resnet20": 9, "densenet40_k12": 39}[name]


def test_the_projection_shortcut_decides_for_its_stage() -> None:
    """Li et al., section 3.3 and figure 4: ResNet-18's second layers follow the 1x1 shortcut."""
    recipe, network = recipe_of("resnet18", 0.4)
    for stage, width in ((2, 128), (3, 256), (4, 512)):
        kept = largest(norms(network, f"layer{stage}.0.downsample.0"), int(width * 0.6))
        for layer in ("0.conv2", "0.downsample.0", "1.conv2"):
            assert recipe[f"layer{stage}.{layer}"]["out"] == kept
        assert recipe[f"layer{stage}.0.conv1"]["out"] == largest(
            norms(network, f"layer{stage}.0.conv1"), int(width * 0.6)
        )


def test_without_a_projection_the_convolution_that_runs_first_decides() -> None:
    """Ours: ResNet-18's first stage follows the stem, MobileNetV2's stages their first projection."""
    recipe, network = recipe_of("resnet18", 0.4)
    kept = largest(norms(network, "conv1"), int(64 * 0.6))
    assert all(recipe[f"layer1.{at}.conv2"]["out"] == kept for at in (0, 1))
    recipe, network = recipe_of("mobilenet_v2", 0.5)
    kept = largest(norms(network, "blocks.3.project.0"), 16)
    assert all(recipe[f"blocks.{at}.project.0"]["out"] == kept for at in (3, 4, 5))
    kept = largest(norms(network, "blocks.4.expand.0"), 96)
    assert recipe["blocks.4.expand.0"]["out"] == kept
    assert recipe["blocks.4.depthwise.0"]["out"] == kept  # follows the layer that makes its channels


class Backwards(nn.Module):
    """A residual block whose layers are registered against the order in which they run."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)
        self.second = nn.Conv2d(4, 4, 1, bias=False)
        self.first = nn.Conv2d(3, 4, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        out: Tensor = self.fc((x + self.second(x)).mean((2, 3)))
        return out


def test_first_means_first_to_run() -> None:
    torch.manual_seed(0)
    network = Backwards()
    with torch.no_grad():
        network.first.weight.copy_(torch.tensor([1.0, 4, 2, 3])[:, None, None, None].expand(4, 3, 1, 1))
        network.second.weight.copy_(torch.tensor([4.0, 1, 3, 2])[:, None, None, None].expand(4, 4, 1, 1))
    recipe = prepare(network, Context(input=(3, 4, 4)), ratio=0.5)
    assert recipe["first"]["out"] == recipe["second"]["out"] == [1, 3]


def test_norms_are_those_of_the_network_before_anything_went() -> None:
    """The independent strategy: kernels that read channels which go still count for their filter."""
    network = nn.Sequential(
        nn.Conv2d(1, 2, 1, bias=False), nn.Conv2d(2, 2, 1, bias=False), nn.Flatten(), nn.Linear(2, 2)
    )
    with torch.no_grad():
        network.get_parameter("0.weight").copy_(torch.tensor([1.0, 2.0]).view(2, 1, 1, 1))
        network.get_parameter("1.weight").copy_(torch.tensor([[9.0, 1.0], [1.0, 2.0]]).view(2, 2, 1, 1))
    recipe = prepare(network, Context(input=(1, 1, 1)), ratio=0.5)
    assert recipe["0"]["out"] == [1]
    assert recipe["1"]["out"] == [0]  # 10 against 3; without the channel that went, 1 against 2


def test_a_grouped_convolution_loses_the_same_places_of_every_group() -> None:
    network = small(groups=2)
    recipe = prepare(network, Context(input=(3, 8, 8)), ratio=0.5)
    for layer in ("a", "b"):
        scores = norms(network, layer)
        places = largest([scores[at] + scores[at + 4] for at in range(4)], 2)
        assert recipe[layer]["out"] == [*places, *(at + 4 for at in places)]


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
