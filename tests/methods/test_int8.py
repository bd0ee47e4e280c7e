from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from method_checks import TINY, alone, counts, left, prepared, rewrite, single, sound, tiny
from torch import nn

from bench.counting.weight_bytes import weight_bytes
from bench.errors import InputError
from bench.methods import Context
from bench.methods.csr_conv import CSRConv2d
from bench.methods.parts.int8_conv import Int8Conv2d, available
from bench.models import BACKBONES
from bench.plan.knobs import check_call


def test_published_size_of_resnet50() -> None:
    network = BACKBONES.get("torchvision/resnet50").network()
    # torchvision's table counts in units of 2^20 bytes and folds BatchNorm into the convolutions.
    assert weight_bytes(network) / 2**20 == pytest.approx(97.781, abs=0.5)
    quantised = rewrite(network, "int8", Context(input=(3, 224, 224))).network
    assert weight_bytes(quantised) / 2**20 == pytest.approx(24.759, abs=0.5)
    assert sum(p.numel() for p in quantised.parameters()) == 25_557_032


@settings(deadline=None, derandomize=True, max_examples=15)
@given(
    ci=st.integers(1, 9),
    co=st.integers(1, 9),
    kernel=st.sampled_from([1, 3]),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
)
def test_rounding_is_at_most_half_a_step(ci: int, co: int, kernel: int, scale: float) -> None:
    dense = single(ci, co, kernel)
    with torch.no_grad():
        dense.conv.weight *= scale
    layer: Any = rewrite(dense, "int8", alone(ci)).network.conv
    weight = dense.conv.weight
    step = weight.abs().amax((1, 2, 3), keepdim=True) / 127
    assert bool(((layer.weight - weight).abs() <= 0.5001 * step).all())
    stored = layer.parametrizations.weight.original0
    assert stored.dtype == torch.int8
    assert int(stored.abs().amax()) == 127


def test_zeros_stay_zeros() -> None:
    dense = single(4, 4, 3)
    with torch.no_grad():
        dense.conv.weight[:2] = 0
        dense.conv.weight[2, 1] = 0
    layer: Any = rewrite(dense, "int8", alone(4)).network.conv
    weight = layer.weight
    assert not weight[:2].any()
    assert not weight[2, 1].any()
    assert torch.isfinite(weight).all()


def test_tiny_network_by_hand() -> None:
    dense, quantised = tiny(bias=True), rewrite(tiny(bias=True), "int8").network
    before, found = counts(dense), counts(quantised)
    weights, scales, biases = 216 + 576 + 1152 + 192 + 60, 8 + 8 + 16 + 12 + 5, 8 + 8 + 16 + 12 + 5
    assert found.params == found.logical_params == before.params == weights + biases
    assert found.macs == found.executed_macs == before.macs
    assert found.weight_bytes == weights + 4 * scales + 4 * biases
    x = torch.randn(2, *TINY)
    with torch.no_grad():
        torch.testing.assert_close(quantised(x), dense(x), rtol=0.02, atol=0.02)


def test_sound() -> None:
    sound(rewrite(tiny(bias=True), "int8").network)


CHAINS = [
    ("csr_conv", {"T": 2}, "same", {"u", "v"}),
    ("lean_conv", {}, "same.stencil", {"taps"}),
    ("tucker2", {"rank": 2}, "same.1", {"weight"}),
    ("ghost", {}, "same.cheap.0", {"weight"}),
    ("penni", {"d": 3}, "same.0", {"weight"}),
    ("psconv", {"variant": "PSD2_P8"}, "same", {"weight"}),
]


@pytest.mark.parametrize(("name", "knobs", "layer", "weights"), CHAINS)
def test_after_another_method(name: str, knobs: dict[str, Any], layer: str, weights: set[str]) -> None:
    first = rewrite(tiny(bias=True), name, **knobs).network
    both: Any = rewrite(first, "int8").network
    assert set(both.get_submodule(layer).parametrizations) == weights
    before, found = counts(first), counts(both)
    assert found.params == before.params
    assert found.logical_params == before.logical_params
    assert (found.macs, found.executed_macs) == (before.macs, before.executed_macs)
    assert found.weight_bytes < 0.6 * before.weight_bytes
    x = torch.randn(2, *TINY)
    with torch.no_grad():
        torch.testing.assert_close(both(x), first(x), rtol=0.05, atol=0.05)
    sound(both)


def test_skip_and_what_is_left() -> None:
    rewritten = rewrite(tiny(), "int8", skip=("stem", "fc"))
    assert [entry.name for entry in rewritten.replaced] == ["same", "wide", "point"]
    assert left(rewritten) == {"stem": "named by the knob skip", "fc": "named by the knob skip"}
    with pytest.raises(ValueError, match="int8: nothing to replace"):
        rewrite(rewrite(tiny(), "int8").network, "int8")


@pytest.mark.parametrize("scheme", ["weight_only", "static"])
@pytest.mark.parametrize(("name", "knobs"), [("psconv", {"variant": "pSC4"}), ("tucker2", {"rank": 2})])
def test_it_is_the_last_of_a_chain(scheme: str, name: str, knobs: dict[str, Any]) -> None:
    first = rewrite(tiny(), "int8", scheme=scheme).network
    with pytest.raises(ValueError, match=f"{name}: nothing to replace"):
        rewrite(first, name, **knobs)


def test_bad_scheme() -> None:
    with pytest.raises(InputError, match="did you mean 'weight_only'"):
        check_call("int8", {"scheme": "weights_only"})


needs_kernel = pytest.mark.skipif(not available(), reason="this build of torch has no int8 convolution")


@needs_kernel
def test_static_tiny_network_by_hand() -> None:
    dense = tiny(bias=True)
    rewritten = rewrite(dense, "int8", scheme="static")
    assert {entry.name: entry.after for entry in rewritten.replaced} == {
        "stem": "int8 convolution",
        "same": "int8 convolution",
        "wide": "int8 convolution",
        "point": "int8 convolution",
        "fc": "int8 weight, multiplied out",
    }
    before, found = counts(dense), counts(rewritten.network)
    assert found.params == found.logical_params == before.params
    assert found.macs == found.executed_macs == before.macs
    weights, channels = 216 + 576 + 1152 + 192 + 60, 8 + 8 + 16 + 12 + 5
    ranges = 4 * (4 + 4)
    assert found.weight_bytes == weights + 4 * channels + 4 * channels + ranges
    x = torch.randn(4, *TINY)
    with torch.no_grad():
        expected = dense(x)
        assert float((rewritten.network(x) - expected).abs().max()) < 0.05 * float(expected.abs().max())


@needs_kernel
@settings(deadline=None, derandomize=True, max_examples=15)
@given(
    ci=st.sampled_from([1, 4, 6]),
    co=st.sampled_from([4, 6]),
    kernel=st.sampled_from([1, 3]),
    stride=st.sampled_from([1, 2]),
    depthwise=st.booleans(),
    low=st.sampled_from([-2.0, 0.0, 0.5]),
)
def test_static_is_the_convolution_of_the_rounded_numbers(
    ci: int, co: int, kernel: int, stride: int, depthwise: bool, low: float
) -> None:
    groups = ci if depthwise and co % ci == 0 else 1
    conv = nn.Conv2d(ci, co, kernel, stride, kernel // 2, groups=groups)
    recipe = {"0": [low, 3.0]}
    network: Any = rewrite(nn.Sequential(conv), "int8", alone(ci, recipe=recipe), scheme="static").network
    layer = network[0]
    assert isinstance(layer, Int8Conv2d)
    step = (3.0 - min(low, 0.0)) / 127
    whole = torch.randint(0, 128, (2, ci, 7, 7))
    x = (whole - layer.zero) * step
    scale = layer.weight_scale.view(-1, 1, 1, 1)
    expected = F.conv2d(x, layer.weight * scale, conv.bias, stride, kernel // 2, 1, groups)
    with torch.no_grad():
        y = layer(x)
        assert y.shape == conv(x).shape
        torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-4)


@needs_kernel
def test_static_recipe_survives_json_and_gives_the_same_network() -> None:
    dense = tiny(bias=True)
    recipe = prepared("int8", dense, Context(input=TINY), scheme="static")
    assert set(recipe) == {"stem", "same", "wide", "point"}
    x = torch.randn(2, *TINY)
    with torch.no_grad():
        one = rewrite(dense, "int8", Context(input=TINY, recipe=recipe), scheme="static").network(x)
        torch.testing.assert_close(one, rewrite(dense, "int8", scheme="static").network(x), rtol=0, atol=0)
    assert prepared("int8", dense, Context(input=TINY)) is None


@needs_kernel
@pytest.mark.parametrize(
    ("name", "knobs", "layer", "kind"),
    [
        ("psconv", {"variant": "PSD2_P8"}, "same", Int8Conv2d),
        ("tucker2", {"rank": 2}, "same.1", Int8Conv2d),
        ("csr_conv", {"T": 2}, "same", CSRConv2d),
    ],
)
def test_static_after_another_method(name: str, knobs: dict[str, Any], layer: str, kind: type) -> None:
    first = rewrite(tiny(bias=True), name, **knobs).network
    both = rewrite(first, "int8", scheme="static").network
    assert isinstance(both.get_submodule(layer), kind)
    before, found = counts(first), counts(both)
    assert (found.params, found.logical_params) == (before.params, before.logical_params)
    assert (found.macs, found.executed_macs) == (before.macs, before.executed_macs)


@needs_kernel
def test_static_sound() -> None:
    sound(rewrite(tiny(bias=True), "int8", scheme="static").network)


@needs_kernel
def test_static_elsewhere_says_so() -> None:
    layer: Any = rewrite(single(4, 4, 3), "int8", alone(4), scheme="static").network.conv
    with pytest.raises(RuntimeError, match="run on CPUs only, not on meta"):
        layer(torch.empty(1, 4, 8, 8, device="meta"))


def test_static_without_the_kernel_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.methods.int8.available", lambda: False)
    with pytest.raises(RuntimeError, match=r"no int8 convolution .oneDNN's.: scheme weight_only works"):
        rewrite(tiny(), "int8", scheme="static")


@needs_kernel
def test_static_inside_a_compiled_network() -> None:
    network = rewrite(tiny(bias=True), "int8", scheme="static").network
    x = torch.randn(2, *TINY)
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(network, backend="eager")(x), network(x))


def test_importing_the_methods_does_not_import_the_compiler() -> None:
    names = "from bench.methods import METHODS; METHODS.names()"
    code = f"import sys; {names}; sys.exit('torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
