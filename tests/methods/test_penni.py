from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_checks import TINY, alone, counts, left, rewrite, single, sound, tiny
from torch import nn

from bench.errors import InputError
from bench.methods import Context
from bench.models import BACKBONES
from bench.plan.knobs import check_call


@pytest.mark.parametrize(("d", "params"), [(2, 3_269_226), (5, 8_173_065)])
def test_reference_counts_of_vgg16(d: int, params: int) -> None:
    network = BACKBONES.get("vgg16_bn").network()
    rewritten = rewrite(network, "penni", Context(keep_first=False), d=d, prune=0.0)
    layers = [rewritten.network.get_submodule(entry.name) for entry in rewritten.replaced]
    assert len(layers) == 13
    assert sum(p.numel() for layer in layers for p in layer.parameters()) == params


@settings(deadline=None, derandomize=True, max_examples=20)
@given(
    ci=st.integers(1, 8),
    co=st.integers(1, 8),
    d=st.integers(1, 9),
    prune=st.sampled_from([0.0, 0.5, 1.0]),
    stride=st.sampled_from([1, 2]),
    side=st.integers(4, 9),
)
def test_shape_and_equation(ci: int, co: int, d: int, prune: float, stride: int, side: int) -> None:
    dense = single(ci, co, 3, stride)
    network: Any = rewrite(dense, "penni", alone(ci), d=d, prune=prune).network
    x = torch.randn(2, ci, side, side)
    with torch.no_grad():
        y = network(x)
        assert y.shape == dense(x).shape
        if d == 9 and prune == 0.0:
            torch.testing.assert_close(y, dense(x), rtol=1e-4, atol=1e-5)
    mix = network.conv[1]
    read = network.conv[0].in_channels
    kept = int(mix.mask.sum()) if hasattr(mix, "mask") else mix.weight.numel()
    out = -(-side // stride)
    found = counts(network, (ci, side, side))
    assert found.params == co * read * d + 9 * d
    assert found.logical_params == kept + 9 * d
    assert found.executed_macs == out * out * (read * d * 9 + co * read * d)
    assert found.macs == out * out * (read * d * 9 + kept)
    assert prune > 0 or kept == co * ci * d == co * read * d


def test_the_basis_is_the_best_of_its_size() -> None:
    dense = single(8, 8, 3)
    layer: Any = rewrite(dense, "penni", alone(8), d=4, prune=0.0).network.conv
    kernels = dense.conv.weight.detach().reshape(64, 9)
    made = layer[1].weight.detach().reshape(64, 4) @ layer[0].weight.detach().reshape(4, 9)
    lost = torch.linalg.svdvals(kernels)[4:].square().sum()
    torch.testing.assert_close((kernels - made).square().sum(), lost)


def test_the_mean_of_the_kernels_is_not_dropped() -> None:
    dense = single(4, 4, 3)
    with torch.no_grad():
        dense.conv.weight.fill_(0.5)
    network = rewrite(dense, "penni", alone(4), d=1, prune=0.0).network
    x = torch.randn(1, 4, 6, 6)
    with torch.no_grad():
        torch.testing.assert_close(network(x), dense(x), rtol=1e-4, atol=1e-5)


def test_small_coefficients_are_zero() -> None:
    layer: Any = rewrite(single(8, 8, 3), "penni", alone(8), d=3, prune=0.0).network.conv
    pruned: Any = rewrite(single(8, 8, 3), "penni", alone(8), d=3).network.conv
    every = layer[1].weight.detach()
    expected = torch.where(every.abs() >= every.std(correction=0), every, 0)
    torch.testing.assert_close(pruned[1].weight.detach(), expected)


def test_an_input_channel_without_coefficients_is_not_read() -> None:
    dense = single(6, 5, 3)
    with torch.no_grad():
        dense.conv.weight[:, [1, 4]] *= 1e-3
    network: Any = rewrite(dense, "penni", alone(6), d=3).network
    assert network.conv[0].in_channels == 4
    found = counts(network, (6, 8, 8))
    assert found.params == 5 * 4 * 3 + 27
    assert found.executed_macs == 64 * (4 * 27 + 5 * 4 * 3)
    x = torch.randn(1, 6, 8, 8)
    x_without = x.clone()
    x_without[:, [1, 4]] = 0
    with torch.no_grad():
        torch.testing.assert_close(network(x), network(x_without))


def test_tiny_network_by_hand() -> None:
    network: Any = rewrite(tiny(), "penni", d=2).network
    kept = [int((layer[1].weight != 0).sum()) for layer in (network.same, network.wide)]
    found = counts(network)
    rest = 216 + 192 + 65 + 2 * 18
    assert found.params == rest + 64 * 2 + 128 * 2
    assert found.logical_params == rest + sum(kept)
    macs = 64 * 216 + 16 * 192 + 60 + 64 * 8 * 18 + 16 * 8 * 18
    assert found.executed_macs == macs + 64 * 128 + 16 * 256
    assert found.macs == macs + 64 * kept[0] + 16 * kept[1]
    assert found.weight_bytes == 4 * found.params


@pytest.mark.parametrize("prune", [0.0, 1.0])
def test_sound(prune: float) -> None:
    sound(rewrite(tiny(bias=True), "penni", d=3, prune=prune).network)


def test_no_gradient_reaches_a_pruned_coefficient() -> None:
    network: Any = rewrite(tiny(), "penni", d=3).network
    network(torch.randn(2, *TINY)).square().sum().backward()
    mix = network.same[1]
    assert not mix.weight.grad[~mix.mask].any()
    assert bool(mix.weight.grad[mix.mask].any())


def test_what_is_left() -> None:
    network = nn.Sequential(
        nn.Conv2d(6, 6, 5, padding=2), nn.Conv2d(6, 6, 3), nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 3, groups=6)
    )
    assert left(rewrite(network.eval(), "penni", alone(6), d=10)) == {
        "1": "d=10 is above the 9 taps of its 3×3 kernel",
        "2": "1×1 kernel: one tap has no basis",
        "3": "depthwise convolution",
    }


@pytest.mark.parametrize(
    ("knobs", "words"),
    [({}, "needs the knob d"), ({"d": 0}, "at least 1 kernel"), ({"d": 2, "prune": -1}, "0 or more")],
)
def test_bad_knobs(knobs: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_call("penni", knobs)
