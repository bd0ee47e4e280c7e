"""pSConv: supports by hand, densities, published counts, and zeros that stay zeros."""

from __future__ import annotations

import copy
import csv
import io
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bench.counting.count import count
from bench.counting.counts import Counts
from bench.methods import METHODS, Context, Rewritten
from bench.methods.parts.masking import MaskedConv2d, MaskedLinear, masked
from bench.methods.psconv import PATTERNS, parse, supports
from bench.models import BACKBONES

DATA = Path(__file__).parent.parent / "data"
NETWORKS = {"resnet18 (CIFAR stem)": "resnet18", "vgg16 (CIFAR; conv bias; FC 512-10)": "vgg16_bn_bias"}
COUNTS = [
    (NETWORKS[row["network"]], variant, int(row["params"]))
    for row in csv.DictReader(
        line for line in (DATA / "counts.csv").read_text().splitlines() if not line.startswith("#")
    )
    if row["method"].startswith("psconv")
    for variant in row["method"].removeprefix("psconv ").split(" / ")
]
TL, TR, BL, BR = {0, 1, 3, 4}, {1, 2, 4, 5}, {3, 4, 6, 7}, {4, 5, 7, 8}
PAIRS = [{0, 1}, {1, 2}, {3, 4}, {4, 5}, {6, 7}, {7, 8}]
ALL = set(range(9))


def draw(variant: str, Co: int, Ci: int, seed: int = 0) -> Tensor:
    return supports(parse(variant), Co, Ci, torch.Generator().manual_seed(seed))


def taps(mask: Tensor) -> list[list[set[int]]]:
    """The kept positions of every kernel, by output and input."""
    return [[set(kernel.flatten().nonzero().flatten().tolist()) for kernel in row] for row in mask]


def on_backbone(name: str, variant: str, seed: int = 0) -> Rewritten:
    backbone = BACKBONES.get(name)
    context = Context(seed, backbone.input, backbone.keep_first, backbone.fixed_width)
    return METHODS.get("psconv").rewrite(backbone.network(seed=seed), context, {"variant": variant})


def published(metric: str, network: str, variant: str) -> tuple[float, float]:
    with (DATA / "published.csv").open() as file:
        for row in csv.DictReader(file):
            if (row["system"], row["network"], row["variant"], row["metric"]) == (
                "psconv",
                network,
                variant,
                metric,
            ):
                return float(row["value"]), float(row["tolerance"])
    raise LookupError(f"{network} {variant} {metric} is not in published.csv")


def counts_of(name: str, variant: str, input: tuple[int, int, int] = (3, 32, 32)) -> Counts:
    return count(on_backbone(name, variant).network, torch.randn(1, *input))


class Tiny(nn.Module):
    """Small enough to count by hand: a dense stem, one 3×3 convolution, one 1×1, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.point = nn.Conv2d(4, 4, 1, bias=False)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.point(torch.relu(self.conv(self.stem(x)))).mean((2, 3)))
        return out


def tiny(variant: str, seed: int = 0) -> Rewritten:
    torch.manual_seed(seed)
    return METHODS.get("psconv").rewrite(Tiny(), Context(seed, (2, 6, 6)), {"variant": variant})


def masked_conv(variant: str = "PS4_P4") -> MaskedConv2d:
    torch.manual_seed(0)
    layer = masked(nn.Conv2d(4, 4, 3, padding=1), draw(variant, 4, 4))
    assert isinstance(layer, MaskedConv2d)
    return layer


@pytest.mark.parametrize(("backbone", "variant", "params"), COUNTS)
def test_whole_networks_keep_the_weights_of_the_table(backbone: str, variant: str, params: int) -> None:
    counts = counts_of(backbone, variant)
    assert counts.logical_params == params
    dense = sum(p.numel() for p in BACKBONES.get(backbone).network().parameters())
    assert counts.params == dense  # the zeros are stored all the same
    assert counts.disagreements == ()


def test_the_table_of_counts_is_complete() -> None:
    assert ("vgg16_bn_bias", "pSC4", 6556746) in COUNTS
    assert ("vgg16_bn_bias", "PSD2_P8", 4718154) in COUNTS
    assert ("vgg16_bn_bias", "PSD1_P16", 2470986) in COUNTS
    assert {v for n, v, _ in COUNTS if n == "resnet18"} == {"pSC4", "PS4_P4", "PSD4_P8", "PSD1_P16"}


def test_published_resnet18_psd1_p16_saves_82_percent_and_5_6_times() -> None:
    counts = counts_of("resnet18", "PSD1_P16")
    value, tolerance = published("params_reduction_percent", "resnet18 (CIFAR stem)", "PSD1_P16")
    assert 100 * (1 - counts.logical_params / counts.params) == pytest.approx(value, abs=tolerance)
    value, tolerance = published("macs_ratio", "resnet18 (CIFAR stem)", "PSD1_P16")
    assert counts.executed_macs / counts.macs == pytest.approx(value, abs=tolerance)
    assert counts.executed_macs == 555417600 + 5120  # the dense kernel runs


def test_published_resnet18_psc2_is_4_24_times_smaller() -> None:
    counts = counts_of("resnet18", "pSC2")
    value, tolerance = published("params_ratio", "resnet18 (CIFAR stem)", "pSC2")
    assert counts.params / counts.logical_params == pytest.approx(value, abs=tolerance)


def test_published_vgg16_tiny_imagenet_psd1_p16_saves_5_8_times_and_83_3_percent() -> None:
    rows = counts_of("vgg16_bn_bias", "PSD1_P16", (3, 64, 64)).layers
    convs = [row for row in rows if row.kind != "Linear"]
    classifier = 2048 * 200  # the paper flattens 2×2×512 where this backbone averages
    ratio = (sum(r.executed_macs for r in convs) + classifier) / (sum(r.macs for r in convs) + classifier)
    value, tolerance = published("macs_ratio", "vgg16 (Tiny-ImageNet; FC 2048-200)", "PSD1_P16")
    assert ratio == pytest.approx(value, abs=tolerance)

    biases = sum(r.output[0] for r in convs)
    kept = (sum(r.logical_params for r in convs) - biases) / (sum(r.params for r in convs) - biases)
    value, tolerance = published(
        "params_reduction_percent", "vgg16 (Tiny-ImageNet; conv weights only)", "PSD1_P16"
    )
    assert 100 * (1 - kept) == pytest.approx(value, abs=tolerance)


def test_supports_of_ps4_p4_by_hand() -> None:
    # r = (i + j + 1) mod 4, so output 0 begins with r = 1 and output 1 with r = 2
    assert taps(draw("PS4_P4", 2, 4)) == [[TR, BL, BR, TL], [BL, BR, TL, TR]]


def test_supports_of_psd_by_hand() -> None:
    assert taps(draw("PSD2_P2", 2, 3)) == [[{0, 1}, ALL, {0, 1}], [ALL, {0, 1}, ALL]]


@pytest.mark.parametrize(
    ("variant", "sequence"),
    [
        ("PSD4_P8", [TL, TR, BL, BR, TL, TR, BL]),
        ("PSD4_P16", [TL, TR, BL, BR] * 3 + [TL, TR, BL]),
        ("PSD2_P8", [*PAIRS, {0, 1}]),
        ("PSD1_P16", [{i % 9} for i in range(15)]),
    ],
)
def test_psd_sequences_begin_at_r_1_and_close_with_a_dense_kernel(
    variant: str, sequence: list[set[int]]
) -> None:
    period = len(sequence) + 1
    first_filter = taps(draw(variant, 1, period))[0]
    assert first_filter == [*sequence, ALL]  # output 0: r = 1, 2, …, P-1, 0
    assert taps(draw(variant, period, 1)) == [[kept] for kept in first_filter]  # shifted by one per filter


@pytest.mark.parametrize(("variant", "patterns"), [("PS4_P4", 4), ("PS2_P6", 6), ("PS1_P9", 9)])
def test_a_period_without_dense_kernel_shows_every_pattern_once(variant: str, patterns: int) -> None:
    kernels = taps(draw(variant, 1, patterns))[0]
    assert len({frozenset(k) for k in kernels}) == patterns


def test_patterns_are_those_of_the_papers() -> None:
    assert [set(p) for p in PATTERNS[4]] == [TL, TR, BL, BR]
    assert [set(p) for p in PATTERNS[2]] == PAIRS
    assert sorted(p for (p,) in PATTERNS[1]) == sorted(ALL)


VARIANTS = st.sampled_from(
    ["pSC9", "pSC4", "pSC2", "pSC1", "PS4_P4", "PS2_P6", "PS1_P9"]
    + [f"PSD{n}_P{p}" for n in (4, 2, 1) for p in (2, 8, 13, 16)]
)


@settings(deadline=None, max_examples=80, derandomize=True, database=None)
@given(VARIANTS, st.integers(1, 9), st.integers(1, 20))
def test_every_kernel_has_n_taps_of_a_legal_pattern(variant: str, Co: int, Ci: int) -> None:
    kind = parse(variant)
    for i, row in enumerate(taps(draw(variant, Co, Ci))):
        for j, kernel in enumerate(row):
            if kind.dense_first and (i + j + 1) % kind.period == 0:
                assert kernel == ALL
                continue
            assert len(kernel) == kind.taps
            if kind.period:
                assert tuple(sorted(kernel)) in PATTERNS[kind.taps]


@settings(deadline=None, max_examples=60, derandomize=True, database=None)
@given(VARIANTS, st.integers(1, 9), st.integers(1, 3))
def test_density_is_exact_where_the_period_divides_the_inputs(variant: str, Co: int, periods: int) -> None:
    kind = parse(variant)
    Ci = periods * max(kind.period, 1)
    P, n = kind.period, kind.taps
    density = ((P - 1) * n + 9) / (9 * P) if kind.dense_first else n / 9
    assert kind.density() == pytest.approx(density, abs=1e-15)
    assert int(draw(variant, Co, Ci).sum()) == round(Co * Ci * 9 * density)


def test_psc_places_depend_on_the_seed_alone() -> None:
    assert torch.equal(draw("pSC4", 5, 6, seed=3), draw("pSC4", 5, 6, seed=3))
    assert not torch.equal(draw("pSC4", 5, 6, seed=3), draw("pSC4", 5, 6, seed=4))


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        ("pSC3", "variant 'pSC3' is not known"),
        ("PS4", "PS4_P4"),
        ("", "is not known"),
        ("psc4", "pSC9|4|2|1"),
        ("PS4_P8", "the period of PS4 is 4"),
        ("PS1_P8", "the period of PS1 is 9"),
        ("PSD4_P1", "must be at least 2"),
        ("PSD4_P0", "is not known"),
    ],
)
def test_unknown_variants_are_refused_with_what_works(variant: str, words: str) -> None:
    check = METHODS.get("psconv").check
    assert check is not None
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the words are compared below
        check(variant=variant)
    assert words in str(refusal.value)


@pytest.mark.parametrize("name", ["resnet20", "vgg16_bn_bias", "densenet40_k12"])
def test_psc9_reproduces_the_dense_output_exactly(name: str) -> None:
    x = torch.randn(2, 3, 32, 32)
    dense = BACKBONES.get(name).network()
    with torch.no_grad():
        assert torch.equal(on_backbone(name, "pSC9").network(x), dense(x))


def test_kept_weights_are_those_of_the_dense_network() -> None:
    dense = BACKBONES.get("resnet20").network()
    sparse = on_backbone("resnet20", "PSD2_P8").network
    layer, original = sparse.get_submodule("layer2.1.conv1"), dense.get_submodule("layer2.1.conv1")
    assert isinstance(layer, MaskedConv2d)
    assert isinstance(original, nn.Conv2d)
    assert torch.equal(layer.weight[layer.mask], original.weight[layer.mask])
    assert (layer.weight[~layer.mask] == 0).all()
    assert torch.equal(sparse.get_parameter("conv1.weight"), dense.get_parameter("conv1.weight"))


def test_first_pointwise_and_grouped_convolutions_stay_and_say_why() -> None:
    reasons = {left.name: left.reason for left in on_backbone("resnet50", "pSC4").left}
    assert reasons["conv1"] == "the network's first convolution"
    assert reasons["layer1.0.conv1"] == "1×1 kernel: only 3×3 has supports"
    assert reasons["layer1.0.downsample.0"] == "1×1 projection shortcut"
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 4, 3, groups=4)
    )
    rewritten = METHODS.get("psconv").rewrite(network, Context(input=(3, 9, 9)), {"variant": "pSC4"})
    assert {left.name: left.reason for left in rewritten.left} == {
        "0": "the network's first convolution",
        "2": "grouped convolution",
        "3": "depthwise convolution",
    }
    skipping = METHODS.get("psconv").rewrite(
        Tiny(), Context(input=(2, 6, 6)), {"variant": "pSC4", "skip": ("p*",)}
    )
    assert ("point", "named by the knob skip") in {(left.name, left.reason) for left in skipping.left}


def test_a_tiny_network_counted_by_hand() -> None:
    counts = count(tiny("pSC4").network, torch.randn(1, 2, 6, 6))
    stem, conv, point, fc = 2 * 4 * 9, 4 * 4 * 9, 16, 12
    assert counts.params == stem + (conv + 4) + point + (fc + 3)
    assert counts.logical_params == stem + (4 * 4 * 4 + 4) + point + (fc + 3)
    assert counts.executed_macs == 36 * (stem + conv + point) + fc
    assert counts.macs == 36 * (stem + 4 * 4 * 4 + point) + fc
    assert counts.flops == 2 * counts.executed_macs
    assert counts.weight_bytes == 4 * counts.params  # the mask is no part of the file
    assert counts.disagreements == ()


def test_masked_weights_are_zero_and_get_no_gradient_while_every_kept_one_does() -> None:
    layer = masked_conv()
    layer(torch.randn(3, 4, 6, 6)).square().sum().backward()
    assert layer.weight.grad is not None
    assert (layer.weight[~layer.mask] == 0).all()
    assert (layer.weight.grad[~layer.mask] == 0).all()
    assert (layer.weight.grad[layer.mask] != 0).all()


def test_training_with_momentum_and_decay_leaves_the_zeros() -> None:
    layer = masked_conv()
    before = layer.weight.detach().clone()
    optimizer = torch.optim.SGD(layer.parameters(), 0.1, momentum=0.9, weight_decay=1e-2)
    for _ in range(3):
        optimizer.zero_grad()
        layer(torch.randn(2, 4, 6, 6)).square().mean().backward()
        optimizer.step()
    assert (layer.weight[~layer.mask] == 0).all()
    assert (layer.weight != before)[layer.mask].all()


def test_the_same_output_with_and_without_gradients() -> None:
    layer, x = masked_conv(), torch.randn(2, 4, 6, 6)
    with torch.no_grad():
        without = layer(x)
    assert torch.equal(layer(x), without)
    torch.testing.assert_close(
        without, nn.functional.conv2d(x, layer.weight * layer.mask, layer.bias, padding=1)
    )


@pytest.mark.parametrize("assign", [False, True])
def test_a_loaded_state_dict_cannot_revive_masked_weights(assign: bool) -> None:
    layer = masked_conv()
    dense = nn.Conv2d(4, 4, 3, padding=1)
    layer.load_state_dict(copy.deepcopy(dense.state_dict()), assign=assign)
    assert (layer.weight[~layer.mask] == 0).all()
    assert torch.equal(layer.weight[layer.mask], dense.weight[layer.mask])
    assert "mask" not in layer.state_dict()


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.Linear])
def test_bug_new_random_weights_do_not_revive_masked_ones(kind: type[nn.Conv2d] | type[nn.Linear]) -> None:
    dense = nn.Linear(6, 5) if kind is nn.Linear else nn.Conv2d(4, 4, 3)
    mask = torch.rand(dense.weight.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    layer = masked(dense, mask)
    before = layer.weight.detach().clone()
    layer.reset_parameters()
    assert (layer.weight[~mask] == 0).all()
    assert (layer.weight != before)[mask].all()


def test_a_deep_copy_keeps_the_mask() -> None:
    layer = masked_conv()
    twin = copy.deepcopy(layer)
    assert torch.equal(twin.mask, layer.mask)
    assert twin.mask.data_ptr() != layer.mask.data_ptr()
    twin.load_state_dict(nn.Conv2d(4, 4, 3).state_dict())
    assert (twin.weight[~layer.mask] == 0).all()


def test_a_mask_of_a_masked_layer_is_the_intersection() -> None:
    conv = nn.Conv2d(2, 2, 3)
    one, other = draw("pSC4", 2, 2, 0), draw("pSC4", 2, 2, 1)
    both = masked(masked(conv, one), other)
    assert torch.equal(both.mask, one & other)
    assert (both.weight[~(one & other)] == 0).all()


def test_a_mask_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"mask \(2, 2\) does not fit weight \(4, 4, 3, 3\)"):
        masked(nn.Conv2d(4, 4, 3), torch.ones(2, 2, dtype=torch.bool))


def test_a_masked_linear_layer_counts_by_hand() -> None:
    mask = torch.tensor([[True, False, True], [False, False, True]])
    layer = masked(nn.Linear(3, 2), mask)
    assert isinstance(layer, MaskedLinear)
    counts = count(nn.Sequential(layer), torch.randn(1, 3))
    assert (counts.params, counts.logical_params, counts.executed_macs, counts.macs) == (8, 5, 6, 3)
    assert counts.disagreements == ()
    layer(torch.randn(4, 3)).sum().backward()
    assert layer.weight.grad is not None
    assert (layer.weight.grad[~mask] == 0).all()
    layer.load_state_dict(nn.Linear(3, 2).state_dict())
    assert (layer.weight[~mask] == 0).all()


@pytest.mark.parametrize("gradients", [False, True])
def test_torch_export_round_trip(gradients: bool) -> None:
    network, x = tiny("PSD4_P8").network, torch.randn(2, 2, 6, 6)
    file = io.BytesIO()
    with torch.set_grad_enabled(gradients):
        torch.export.save(torch.export.export(network, (x,)), file)
        file.seek(0)
        y = torch.export.load(file).module()(x)
    torch.testing.assert_close(y, network(x))
