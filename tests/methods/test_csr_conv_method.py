"""The method csr_conv: which layers of a network it replaces, and the counts that follow."""

from __future__ import annotations

import copy
import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.counting.count import count
from bench.errors import InputError
from bench.methods import METHODS, Context, Rewritten
from bench.methods.csr_conv import CSRConv2d, from_dense
from bench.models import BACKBONES
from bench.plan.knobs import check_call

DATA = Path(__file__).parent.parent / "data"
NETWORKS = {
    "vgg16_bn (CIFAR; no conv bias; FC 512-10)": "vgg16_bn",
    "resnet56 (option A)": "resnet56",
    "resnet110 (option A)": "resnet110",
}
RECURRENT = [
    (NETWORKS[row["network"]], int(row["method"].partition("T=")[2]), int(row["params"]), int(row["macs"]))
    for row in csv.DictReader(
        line for line in (DATA / "counts.csv").read_text().splitlines() if not line.startswith("#")
    )
    if row["method"].startswith("csr_conv")
]


def rewrite(network: nn.Module, input: tuple[int, int, int] = (3, 32, 32), **knobs: Any) -> Rewritten:
    return METHODS.get("csr_conv").rewrite(network, Context(input=input), knobs)


def on_backbone(name: str, **knobs: Any) -> Rewritten:
    backbone = BACKBONES.get(name)
    context = Context(0, backbone.input, backbone.keep_first, backbone.fixed_width)
    return METHODS.get("csr_conv").rewrite(backbone.network(), context, knobs)


def reasons(rewritten: Rewritten) -> dict[str, str]:
    return {left.name: left.reason for left in rewritten.left}


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


class Plain(nn.Module):
    """What a user might write: nothing of it is known to the package."""

    def __init__(self) -> None:
        super().__init__()
        self.begin = nn.Conv2d(3, 8, 3, padding=1)
        self.middle = nn.Sequential(nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8))
        self.end = nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.end(self.middle(self.begin(x)))
        return out


class Twice(nn.Module):
    """One convolution under two names, as a network with shared weights has it."""

    def __init__(self) -> None:
        super().__init__()
        self.begin = nn.Conv2d(4, 4, 1)
        self.a = nn.Conv2d(4, 4, 3, padding=1)
        self.b = self.a

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.b(self.a(self.begin(x)))
        return out


class Shifted(nn.Conv2d):
    """A convolution that computes something else than its base class."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) + 1


def test_the_table_of_counts_is_complete() -> None:
    assert len(RECURRENT) == 5
    assert ("resnet56", 4, 112678, 55591552) in RECURRENT


@pytest.mark.parametrize(("backbone", "T", "params", "macs"), RECURRENT)
def test_whole_networks_have_the_counts_of_the_table(backbone: str, T: int, params: int, macs: int) -> None:
    counts = count(on_backbone(backbone, T=T).network, torch.randn(1, 3, 32, 32))
    assert (counts.params, counts.macs, counts.executed_macs) == (params, macs, macs)
    assert counts.disagreements == ()


@pytest.mark.parametrize("order", ["literal", "batched"])
def test_published_mobilenet_v2_of_the_notebook(order: str) -> None:
    rewritten = on_backbone("mobilenet_v2_csr", T={"expand": 3, "project": 4}, order=order)
    counts = count(rewritten.network, torch.randn(1, 3, 32, 32))
    assert (counts.params, counts.macs) == (1182272, 289428992)
    assert counts.disagreements == ()
    assert len(rewritten.replaced) == 2 * 17


def test_published_imagenet_mobilenet_v2_with_blocks_5_to_16() -> None:
    rewritten = on_backbone("torchvision/mobilenet_v2", T={"expand": 3, "project": 4}, blocks="5-16")
    assert parameters(rewritten.network) == 2469080
    assert len(rewritten.replaced) == 2 * 12
    assert reasons(rewritten)["features.5.conv.0.0"] == "outside the blocks 5-16"
    assert {r.name.split(".")[1] for r in rewritten.replaced} == {str(i) for i in range(6, 18)}


def test_first_convolution_and_shortcuts_stay_and_say_why() -> None:
    kept = reasons(on_backbone("resnet18", T=2))
    assert kept == {
        "conv1": "the network's first convolution",
        "layer2.0.downsample.0": "1×1 projection shortcut",
        "layer3.0.downsample.0": "1×1 projection shortcut",
        "layer4.0.downsample.0": "1×1 projection shortcut",
    }


def test_densenet_transitions_stay_and_say_why() -> None:
    kept = reasons(on_backbone("densenet40_k12", T=2))
    assert kept == {
        "features.conv0": "the network's first convolution",
        "features.transition1.2": "DenseNet transition",
        "features.transition2.2": "DenseNet transition",
    }


def test_depthwise_convolutions_stay_and_say_why() -> None:
    rewritten = on_backbone("mobilenet_v2", T=2)
    depthwise = {n for n, reason in reasons(rewritten).items() if reason == "depthwise convolution"}
    assert depthwise == {f"blocks.{i}.depthwise.0" for i in range(17)}
    assert not depthwise & {r.name for r in rewritten.replaced}


def test_layers_with_fewer_channels_than_steps_stay_and_say_why() -> None:
    rewritten = on_backbone("resnet20", T=32)
    kept = reasons(rewritten)
    assert kept["layer1.0.conv1"] == "T=32 is more than the 16 input channels: T from 1 to 16 works"
    assert kept["layer2.0.conv1"] == kept["layer1.0.conv1"]
    assert "layer2.0.conv2" in {r.name for r in rewritten.replaced}


def test_expand_and_project_leave_everything_else() -> None:
    rewritten = on_backbone("mobilenet_v2", T={"expand": 3, "project": 4})
    after = {r.name: r.after for r in rewritten.replaced}
    assert after["blocks.1.expand.0"] == "CSRConv2d T=3"
    assert after["blocks.1.project.0"] == "CSRConv2d T=4"
    assert after["blocks.0.project.0"] == "CSRConv2d T=4"
    assert reasons(rewritten)["head.0"] == "T names only expand and project layers of inverted residuals"
    alone = on_backbone("mobilenet_v2", T={"project": 4})
    assert {r.name for r in alone.replaced} == {f"blocks.{i}.project.0" for i in range(17)}


def test_squeeze_excitation_is_neither_expand_nor_project() -> None:
    rewritten = on_backbone("efficientnet_b0", T={"expand": 2, "project": 2})
    assert not [r.name for r in rewritten.replaced if ".fc1" in r.name or ".fc2" in r.name]
    assert len(rewritten.replaced) == 16 + 15  # the first of 16 blocks has no expansion


def test_skip_globs_leave_layers_dense() -> None:
    rewritten = on_backbone("resnet20", T=2, skip=("layer1.*", "layer3.2.conv2"))
    skipped = {n for n, reason in reasons(rewritten).items() if reason == "named by the knob skip"}
    assert skipped == {f"layer1.{i}.conv{j}" for i in range(3) for j in (1, 2)} | {"layer3.2.conv2"}
    assert len(rewritten.replaced) == 18 - 7


def test_blocks_take_one_number_or_a_range() -> None:
    one = on_backbone("resnet20", T=2, blocks="3")
    assert {r.name for r in one.replaced} == {"layer2.0.conv1", "layer2.0.conv2"}
    some = on_backbone("resnet20", T=2, blocks="0-8")
    assert len(some.replaced) == 18


def test_block_1_is_not_block_10() -> None:
    rewritten = on_backbone("mobilenet_v2", T=2, blocks="1")
    assert {r.name for r in rewritten.replaced} == {"blocks.1.expand.0", "blocks.1.project.0"}


@pytest.mark.parametrize("blocks", ["5-99", "9", "5-3"])
def test_blocks_that_do_not_exist_are_refused(blocks: str) -> None:
    with pytest.raises(ValueError, match=rf"blocks='{blocks}': the network has 9 blocks, numbered from 0"):
        on_backbone("resnet20", T=2, blocks=blocks)


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"T": 0}, "T=0: the number of steps must be at least 1"),
        ({"T": {"expand": 3, "project": 0}}, "T=0"),
        ({"T": {"expnd": 3}}, "T takes a number or {expand: …, project: …}"),
        ({"T": {}}, "T takes a number or {expand: …, project: …}"),
        ({"T": 2, "blocks": "five"}, "blocks='five' is no range: '5-16' or '3' works"),
        ({"T": 2, "blocks": "5-"}, "blocks='5-' is no range"),
    ],
)
def test_knobs_that_fit_no_network_are_refused(knobs: dict[str, Any], words: str) -> None:
    check = METHODS.get("csr_conv").check
    assert check is not None
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the words are compared below
        check(**knobs)
    assert words in str(refusal.value)


def test_good_knobs_pass_the_check() -> None:
    check = METHODS.get("csr_conv").check
    assert check is not None
    check(T=4)
    check(T={"expand": 3, "project": 4}, blocks="5-16", skip=("*",), order="literal")


def test_a_network_of_the_users_own_works() -> None:
    network = Plain()
    x = torch.randn(2, 3, 8, 8)
    shape = network(x).shape
    rewritten = rewrite(network, (3, 8, 8), T=2)
    assert [r.name for r in rewritten.replaced] == ["middle.1", "end"]
    assert rewritten.replaced[0].before == "Conv2d 8→8 3×3"
    assert rewritten.network(x).shape == shape
    assert count(rewritten.network, x[:1]).disagreements == ()


def test_keep_first_can_be_turned_off() -> None:
    backbone = BACKBONES.get("layer/64-128-k3-s2")
    assert not backbone.keep_first
    rewritten = on_backbone("layer/64-128-k3-s2", T=4)
    assert [r.name for r in rewritten.replaced] == ["conv"]
    assert parameters(rewritten.network) == 13826


def test_nothing_to_replace_is_an_error_that_says_why() -> None:
    only_first = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    with pytest.raises(ValueError, match=r"csr_conv: nothing to replace \(the network's first convolution\)"):
        rewrite(only_first, T=2)
    with pytest.raises(ValueError, match=r"nothing to replace$"):
        rewrite(nn.Sequential(nn.Linear(3, 4)), T=2)


def test_a_network_that_is_itself_a_convolution_is_refused() -> None:
    network = nn.Conv2d(4, 4, 3)
    with pytest.raises(ValueError, match=r"inside an nn\.Sequential"):
        METHODS.get("csr_conv").rewrite(network, Context(input=(4, 8, 8), keep_first=False), {"T": 2})
    assert list(network.children()) == []


def test_bug_a_shared_convolution_is_replaced_under_all_its_names() -> None:
    rewritten = rewrite(Twice(), (4, 8, 8), T=2)
    network = rewritten.network
    assert isinstance(network.a, CSRConv2d)
    assert network.a is network.b
    assert [r.name for r in rewritten.replaced] == ["a"]


@pytest.mark.parametrize(("method", "knobs"), [("csr_conv", {"T": 2}), ("psconv", {"variant": "pSC4"})])
def test_bug_a_subclass_with_its_own_forward_stays_and_says_so(method: str, knobs: dict[str, Any]) -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), Shifted(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
    )
    rewritten = METHODS.get(method).rewrite(network, Context(input=(3, 8, 8)), knobs)
    assert reasons(rewritten)["1"] == "Shifted has a forward of its own"
    assert [r.name for r in rewritten.replaced] == ["2"]
    assert type(rewritten.network[1]) is Shifted  # type: ignore[index]


def test_bug_a_timm_network_with_dynamic_padding_keeps_its_shapes() -> None:
    pytest.importorskip("timm", reason="timm is not installed")
    network = BACKBONES.get("timm/tf_mobilenetv3_small_minimal_100").network()
    rewritten = rewrite(network, (3, 64, 64), T=2)
    assert "Conv2dSame has a forward of its own" in reasons(rewritten).values()
    assert rewritten.network(torch.randn(1, 3, 64, 64)).shape == (1, 1000)


@pytest.mark.parametrize(
    ("conv", "words"),
    [
        (nn.Conv2d(8, 8, 3, groups=2), "2 groups are not defined"),
        (nn.Conv2d(8, 8, 3, groups=8), "depthwise convolution"),
        (nn.Conv2d(8, 8, 3, dilation=2), "dilation 2 is not defined"),
        (nn.Conv2d(8, 8, (3, 1)), "kernel 3×1 is rectangular"),
        (nn.Conv2d(8, 8, 2), "kernel 2×2 is even"),
        (nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect"), "padding mode reflect"),
        (nn.Conv2d(1, 8, 3), "T=2 is more than the 1 input channels"),
    ],
)
def test_a_dense_layer_it_cannot_stand_for_is_refused(conv: nn.Conv2d, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        from_dense(conv, 2)


@pytest.mark.parametrize("padding", [0, 1, (2, 0), "same", "valid"])
@pytest.mark.parametrize("bias", [False, True])
def test_from_dense_keeps_shape_stride_bias_and_type(padding: Any, bias: bool) -> None:
    stride = 1 if padding == "same" else (2, 1)
    conv = nn.Conv2d(6, 9, 3, stride, padding, bias=bias, dtype=torch.float64)
    layer = from_dense(conv, 3)
    x = torch.randn(2, 6, 8, 8, dtype=torch.float64)
    assert layer(x).shape == conv(x).shape
    assert (layer.bias_u is not None) == bias
    assert layer.u.dtype == torch.float64


def test_the_depthwise_form_in_a_network_by_hand() -> None:
    """96→96 k3 T3 at 32×32: 9·32·2 + 2 parameters, 1024·9·32·(3 + 2) MACs, and the 1×1 layers too."""
    network = nn.Sequential(
        nn.Conv2d(3, 96, 1, bias=False),
        nn.Conv2d(96, 96, 3, padding=1, groups=96, bias=False),
        nn.Conv2d(96, 96, 1, bias=False),
    )
    alone = rewrite(copy.deepcopy(network), T=3, depthwise=True, skip=("2",))
    layer = alone.network.get_submodule("1")
    assert isinstance(layer, CSRConv2d)
    assert (layer.u.shape, layer.v.shape) == ((32, 1, 3, 3), (32, 1, 3, 3))
    counts = count(alone.network, torch.randn(1, 3, 32, 32))
    assert counts.disagreements == ()
    assert counts.witnesses["fvcore"] == counts.witnesses["torch"] == counts.witnesses["closed_form"]
    (row,) = (row for row in counts.layers if row.name == "1")
    assert (row.params, row.macs, row.fvcore_macs, row.torch_macs) == (578, 1474560, 1474560, 1474560)
    both = rewrite(network, T=3, depthwise=True)
    assert [(r.name, r.after) for r in both.replaced] == [
        ("1", "CSRConv2d T=3 depthwise"),
        ("2", "CSRConv2d T=3"),
    ]


@pytest.mark.parametrize("order", ["literal", "batched"])
def test_the_depthwise_form_computes_its_definition(order: str) -> None:
    """Every channel by itself, from section 1's formulas: h_t of channel c needs only channel c."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False)).double()
    context = Context(input=(6, 5, 5), keep_first=False)
    layer = (
        METHODS.get("csr_conv")
        .rewrite(network, context, {"T": 3, "depthwise": True, "order": order})
        .network.get_submodule("0")
    )
    assert isinstance(layer, CSRConv2d)
    x = torch.randn(2, 6, 5, 5, dtype=torch.float64)
    with torch.no_grad():
        y = layer(x)
        for c in range(2):
            u, v = layer.u[c : c + 1], layer.v[c : c + 1]
            h = torch.conv2d(x[:, c : c + 1], u, padding=1)
            torch.testing.assert_close(y[:, c : c + 1], h)
            for t in (1, 2):
                fed, seen = (
                    torch.conv2d(h, v, padding=1),
                    torch.conv2d(x[:, 2 * t + c : 2 * t + c + 1], u, padding=1),
                )
                h = 0.5 * torch.relu(seen + fed) + 0.5 * fed
                torch.testing.assert_close(y[:, 2 * t + c : 2 * t + c + 1], h)


def test_depthwise_layers_are_replaced_beside_the_others() -> None:
    plain, both = on_backbone("mobilenet_v2", T=3), on_backbone("mobilenet_v2", T=3, depthwise=True)
    more = {r.name for r in both.replaced} - {r.name for r in plain.replaced}
    assert more == {f"blocks.{i}.depthwise.0" for i in range(17)}
    assert {r.name for r in plain.replaced} < {r.name for r in both.replaced}
    counts = count(both.network, torch.randn(1, 3, 32, 32))
    assert counts.disagreements == ()
    assert counts.macs > count(plain.network, torch.randn(1, 3, 32, 32)).macs
    assert counts.params < parameters(plain.network)
    with torch.no_grad():
        assert both.network(torch.randn(2, 3, 32, 32)).shape == (2, 10)


def test_what_the_depthwise_form_cannot_stand_for_is_left_with_the_reason() -> None:
    network = nn.Sequential(
        nn.Conv2d(4, 4, 3, padding=1, groups=4),
        nn.Conv2d(4, 8, 3, padding=1, groups=4),
        nn.Conv2d(8, 16, 3, groups=8, dilation=2),
        nn.Conv2d(16, 16, 2, groups=16),
        nn.Conv2d(16, 16, 3, groups=4),
        nn.Conv2d(16, 2, 1),
        nn.Conv2d(2, 2, 3, groups=2),
    )
    context = Context(input=(4, 16, 16), keep_first=False)
    rewritten = METHODS.get("csr_conv").rewrite(network, context, {"T": 3, "depthwise": True})
    assert [r.name for r in rewritten.replaced] == ["0", "5"]
    assert reasons(rewritten) == {
        "1": "depthwise CSR-Conv: 2 = ceil(Ci/T) does not divide 3 = ceil(Co/T): "
        "out_channels a multiple of 6 works",
        "2": "dilation 2 is not defined for CSR-Conv: dilation 1 works",
        "3": "kernel 2×2 is even, V would shrink the map: an odd one works",
        "4": "4 groups are not defined for CSR-Conv: groups=1, or depthwise=True, works",
        "6": "T=3 is more than the 2 input channels: T from 1 to 2 works",
    }


def test_depthwise_without_a_depthwise_layer_is_an_error_that_says_why() -> None:
    with pytest.raises(ValueError, match=r"depthwise=True: nothing to replace \(no depthwise convolution\)"):
        on_backbone("resnet20", T=2, depthwise=True)
    with pytest.raises(ValueError, match=r"depthwise=True: nothing to replace \(named by the knob skip\)"):
        on_backbone("mobilenet_v2", T=2, depthwise=True, skip=("*.depthwise.0",))
    with pytest.raises(InputError, match="depthwise=True takes one number T"):
        check_call("csr_conv", {"T": {"expand": 3}, "depthwise": True})


NO_SINGLE_CHANNELS = ("lsnet", "mk_unet", "multiresnet", "spartan", "unireplknet")
"""Backbones whose channels the dependency graph cannot remove one by one: refused in words."""
SLOW = {("spartan_t", "filter_l1")}
"""The graph of so many layers takes half a minute."""


@pytest.mark.parametrize(
    ("name", "method", "knobs"),
    [
        pytest.param(name, method, knobs, marks=pytest.mark.slow if (name, method) in SLOW else ())
        for method, knobs in (
            ("csr_conv", {"T": 2}), ("psconv", {"variant": "PSD4_P8"}), ("filter_l1", {"ratio": 0.3})
        )
        for name in BACKBONES.names()
    ],
)  # fmt: skip
def test_replaced_and_left_name_every_convolution_exactly_once(
    name: str, method: str, knobs: dict[str, Any]
) -> None:
    backbone = BACKBONES.get(name)
    network = backbone.network()
    convs = {n: m for n, m in network.named_modules() if isinstance(m, nn.Conv2d)}
    context = Context(0, backbone.input, backbone.keep_first, backbone.fixed_width)

    has_3x3_beside_the_first = sum(c.kernel_size == (3, 3) and c.groups == 1 for c in convs.values()) > 1
    if method == "psconv" and not has_3x3_beside_the_first:
        with pytest.raises(ValueError, match="psconv: nothing to replace"):
            METHODS.get(method).rewrite(network, context, knobs)
        return
    if method == "filter_l1" and name.startswith(NO_SINGLE_CHANNELS):
        with pytest.raises(ValueError, match=r"cannot be removed one by one|cannot follow"):
            METHODS.get(method).rewrite(network, context, knobs)
        return
    rewritten = METHODS.get(method).rewrite(network, context, knobs)

    named = [r.name for r in rewritten.replaced] + [left.name for left in rewritten.left]
    assert sorted(named) == sorted(convs)
    assert all(left.reason for left in rewritten.left)
    for left in rewritten.left:
        assert rewritten.network.get_submodule(left.name) is convs[left.name]
    if method == "csr_conv":
        for replaced in rewritten.replaced:
            assert isinstance(rewritten.network.get_submodule(replaced.name), CSRConv2d)


def test_from_dense_keeps_order_device_and_the_half_kernel_of_same() -> None:
    conv = nn.Conv2d(6, 6, 5, padding="same", device="meta")
    layer = from_dense(conv, 2, "literal")
    assert (layer.order, layer.padding, layer.u.device.type) == ("literal", (2, 2), "meta")
    assert (from_dense(conv, 2).order, from_dense(conv, 2).depthwise) == ("batched", False)
    assert from_dense(nn.Conv2d(6, 6, 5, (1, 2), padding="valid"), 3).padding == (0, 0)
    assert from_dense(nn.Conv2d(6, 6, 5, (1, 2), (0, 3)), 3).padding == (0, 3)
    assert from_dense(nn.Conv2d(6, 6, 5, (1, 2)), 3).stride == (1, 2)
    assert not from_dense(
        nn.Conv2d(1, 6, 3), 1, depthwise=True
    ).depthwise  # one channel is no depthwise layer


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"T": {"a": 1}}, "T takes a number or {expand: …, project: …}, not {'a': 1}"),
        ({"T": {"expand": 0}}, "T=0: the number of steps must be at least 1"),
        (
            {"T": {"expand": 1}, "depthwise": True},
            "depthwise=True takes one number T: {expand: …, project: …} names no depthwise layer",
        ),
        ({"T": 1, "blocks": "a-3"}, "blocks='a-3' is no range: '5-16' or '3' works"),
        ({"T": 1, "blocks": "3-b"}, "blocks='3-b' is no range: '5-16' or '3' works"),
        ({"T": 1, "blocks": "-"}, "blocks='-' is no range: '5-16' or '3' works"),
    ],
)
def test_knobs_are_refused_in_words(knobs: dict[str, Any], words: str) -> None:
    check = METHODS.get("csr_conv").check
    assert check is not None
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the whole message is compared
        check(**knobs)
    assert str(refusal.value) == words


def test_the_least_knobs_pass_the_check() -> None:
    check = METHODS.get("csr_conv").check
    assert check is not None
    check(T=1, depthwise=True)
    check(T={"project": 1}, blocks="0")


def test_the_first_and_the_last_block_can_be_chosen() -> None:
    for blocks, layers in (("0", 2), ("8", 2), ("8-8", 2), ("0-8", 18)):
        replaced = on_backbone("resnet20", T=2, blocks=blocks).replaced
        assert len(replaced) == layers, blocks
    left = {entry.name: entry.reason for entry in on_backbone("resnet20", T=2, blocks="8").left}
    assert "outside the blocks 8" in left.values()


def test_why_depthwise_replaced_nothing_in_full() -> None:
    plain = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3, padding=1))
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the whole message is compared
        rewrite(plain, (3, 8, 8), T=2, depthwise=True)
    assert str(refusal.value).endswith("depthwise=True: nothing to replace (no depthwise convolution)")
    narrow = nn.Sequential(
        nn.Conv2d(3, 8, 1),
        nn.Conv2d(8, 12, 3, padding=1, groups=1),
        nn.Conv2d(12, 12, 3, padding=1, groups=12, padding_mode="reflect"),
        nn.Conv2d(12, 12, 2, groups=12),
    )
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the whole message is compared
        rewrite(narrow, (3, 8, 8), T=2, depthwise=True)
    assert str(refusal.value).endswith(
        "depthwise=True: nothing to replace "
        "(kernel 2×2 is even, V would shrink the map: an odd one works; padding mode reflect)"
    )
