from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_checks import TINY, alone, counts, left, rewrite, single, sound, tiny
from torch import Tensor, nn

from bench.errors import InputError
from bench.methods import METHODS, Context
from bench.methods.codebook import lines
from bench.plan.knobs import check_call


def error(kernels: Tensor, directions: Tensor, index: Tensor) -> float:
    """Squared error of the best scale for each kernel's direction."""
    chosen = directions[index]
    return float((kernels - (kernels * chosen).sum(1, keepdim=True) * chosen).square().sum())


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_reference_counts() -> None:
    found = counts(rewrite(single(64, 64, 3), "codebook", alone(64), kernels=64).network, (64, 32, 32))
    assert found.params == found.logical_params == 64 * 9 + 4096 + 4096 == 8768
    assert found.weight_bytes == 4 * (576 + 4096) + 4096
    assert found.macs == found.executed_macs == 1024 * 4096 * 9  # those of the dense layer


@settings(deadline=None, derandomize=True, max_examples=20)
@given(
    ci=st.integers(1, 8),
    co=st.integers(1, 8),
    share=st.floats(0, 1),
    kernel=st.sampled_from([3, 5]),
    stride=st.sampled_from([1, 2]),
    side=st.integers(5, 9),
)
def test_shape_and_equation(ci: int, co: int, share: float, kernel: int, stride: int, side: int) -> None:
    dense = single(ci, co, kernel, stride)
    kernels = max(1, round(share * ci * co))
    network = rewrite(dense, "codebook", alone(ci), kernels=kernels).network
    x = torch.randn(2, ci, side, side)
    with torch.no_grad():
        y = network(x)
        assert y.shape == dense(x).shape
        if kernels == ci * co:
            torch.testing.assert_close(y, dense(x), rtol=1e-4, atol=1e-5)
    out = -(-side // stride)
    found = counts(network, (ci, side, side))
    assert found.params == kernels * kernel**2 + 2 * ci * co
    assert found.weight_bytes == 4 * (kernels * kernel**2 + ci * co) + ci * co
    assert found.macs == found.executed_macs == out * out * ci * co * kernel**2


@pytest.mark.parametrize(("kernels", "bytes_of_an_index"), [(256, 1), (257, 2)])
def test_an_index_takes_a_byte_up_to_256(kernels: int, bytes_of_an_index: int) -> None:
    network: Any = rewrite(single(20, 20, 3), "codebook", alone(20), kernels=kernels, sweeps=0).network
    assert network.conv.index.element_size() == bytes_of_an_index
    assert 0 <= int(network.conv.index.min()) <= int(network.conv.index.max()) < kernels
    assert counts(network, (20, 4, 4)).weight_bytes == 4 * (9 * kernels + 400) + 400 * bytes_of_an_index


def test_kernels_that_differ_by_their_scale_share_one() -> None:
    shapes = torch.randn(3, 9)
    kernels = shapes[torch.randint(0, 3, (60,), generator=seeded())] * torch.randn(60, 1)
    wrong = min(error(kernels, *lines(kernels, 3, seeded(seed), 10)) for seed in range(5))
    assert wrong < 1e-6


def test_more_sweeps_and_more_kernels_lower_the_error() -> None:
    kernels = torch.randn(400, 9, generator=seeded(4)).double()
    sweeps = [error(kernels, *lines(kernels, 16, seeded(), n)) for n in range(6)]
    assert sweeps == sorted(sweeps, reverse=True)
    assert sweeps[-1] < 0.95 * sweeps[0]
    sizes = [error(kernels, *lines(kernels, n, seeded(), 6)) for n in (1, 4, 16, 64, 400)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 1e-6


def test_a_wide_layer_is_learned_from_a_sample_and_assigned_whole() -> None:
    kernels = torch.randn(1000, 9, generator=seeded(5))
    directions, index = lines(kernels, 2, seeded(), 3)
    assert index.shape == (1000,)
    assert torch.equal(index, (kernels @ directions.T).abs().argmax(1))


def test_the_seed_decides() -> None:
    def codebook(seed: int) -> Tensor:
        context = Context(seed=seed, input=(8, 8, 8), keep_first=False)
        network: Any = rewrite(single(8, 8, 3), "codebook", context, kernels=5).network
        weight: Tensor = network.conv.expanded()
        return weight

    assert torch.equal(codebook(0), codebook(0))
    assert not torch.equal(codebook(0), codebook(1))


@pytest.mark.parametrize("bias", [False, True])
def test_sound(bias: bool) -> None:
    sound(rewrite(tiny(bias=bias), "codebook", kernels=7).network)


def test_tiny_network_by_hand() -> None:
    network = rewrite(tiny(), "codebook", kernels=4).network
    found = counts(network)
    rest = 216 + 192 + 65
    assert found.params == rest + 2 * 36 + 2 * 64 + 2 * 128
    assert found.weight_bytes == 4 * (rest + 72 + 64 + 128) + 64 + 128
    assert found.macs == found.executed_macs == counts(tiny()).macs


def test_int8_after_it_leaves_the_indices() -> None:
    network = rewrite(tiny(), "codebook", kernels=4).network
    before = counts(network)
    both = METHODS.get("int8").rewrite(network, Context(input=TINY), {}).network
    assert counts(both).params == before.params
    assert counts(both).weight_bytes < before.weight_bytes


def test_zero_kernels_and_zero_layers_stay_zero() -> None:
    dense = single(4, 4, 3)
    with torch.no_grad():
        dense.conv.weight[:, 1:] = 0
    network: Any = rewrite(dense, "codebook", alone(4), kernels=6).network
    assert not network.conv.expanded()[:, 1:].any()
    with torch.no_grad():
        dense.conv.weight.zero_()
        silent = rewrite(dense, "codebook", alone(4), kernels=3).network
        assert not silent(torch.randn(1, 4, 5, 5)).any()


def test_what_is_left() -> None:
    network = nn.Sequential(
        nn.Conv2d(2, 2, 3), nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 3, groups=6), nn.Conv2d(4, 4, 3)
    )
    assert left(rewrite(network.eval(), "codebook", alone(2), kernels=5)) == {
        "0": "a codebook of 5 is larger than its own 4 kernels",
        "1": "1×1 kernel: one tap and its scale are the weight itself",
        "2": "depthwise convolution",
    }


def test_a_codebook_larger_than_every_layer_is_refused() -> None:
    with pytest.raises(ValueError, match=r"nothing to replace .*a codebook of 65 is larger than its own 64"):
        rewrite(single(8, 8, 3), "codebook", alone(8), kernels=65)


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({}, "needs the knob kernels"),
        ({"kernels": 0}, "1 to 32768 kernels"),
        ({"kernels": 40000}, "1 to 32768 kernels"),
        ({"kernels": 2.5}, "takes a whole number"),
        ({"kernels": 4, "sweeps": -1}, "0 or more"),
        ({"kernel": 4}, "did you mean 'kernels'"),
    ],
)
def test_bad_knobs(knobs: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_call("codebook", knobs)
