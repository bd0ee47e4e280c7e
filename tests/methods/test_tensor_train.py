from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_checks import alone, counts, left, rewrite, single, tiny
from torch import Tensor, nn

from bench.methods.tensor_train import full_ranks, tt_svd


def made(cores: tuple[Tensor, ...]) -> Tensor:
    """The weight (Co, Ci, kh, kw) that four cores make, by one product over all their ranks."""
    return torch.einsum("zip,pau,ubv,voy->oiab", *cores)


def test_reference_counts() -> None:
    network = rewrite(single(64, 64, 3), "tensor_train", alone(64), rank=16).network
    found = counts(network, (64, 32, 32))
    assert found.params == 64 * 16 + 3 * 256 + 3 * 256 + 16 * 64 == 3584
    assert found.macs == found.executed_macs == 1024 * 3584


@settings(deadline=None, derandomize=True, max_examples=25)
@given(
    ci=st.integers(1, 10),
    co=st.integers(1, 10),
    kernel=st.sampled_from([3, 5]),
    ratio=st.sampled_from([0.2, 0.5, 1.0]),
    stride=st.sampled_from([1, 2]),
)
def test_equation(ci: int, co: int, kernel: int, ratio: float, stride: int) -> None:
    network: Any = rewrite(single(ci, co, kernel, stride), "tensor_train", alone(ci), ratio=ratio).network
    r1, r2, r3 = network.conv.ranks
    full = full_ranks(nn.Conv2d(ci, co, kernel))
    assert all(1 <= r <= f for r, f in zip((r1, r2, r3), full, strict=True))
    assert ratio < 1 or (r1, r2, r3) == full
    out = 8 // stride
    found = counts(network, (ci, 8, 8))
    assert found.params == ci * r1 + kernel * r1 * r2 + kernel * r2 * r3 + r3 * co
    macs = 64 * ci * r1 + out * 8 * kernel * r1 * r2 + out * out * (kernel * r2 * r3 + r3 * co)
    assert found.macs == found.executed_macs == macs


@settings(deadline=None, derandomize=True, max_examples=25)
@given(co=st.integers(1, 9), ci=st.integers(1, 9), kh=st.sampled_from([1, 3]), kw=st.sampled_from([2, 3]))
def test_full_ranks_reproduce_the_kernel(co: int, ci: int, kh: int, kw: int) -> None:
    torch.manual_seed(co + 10 * ci)
    conv = nn.Conv2d(ci, co, (kh, kw))
    cores = tt_svd(conv.weight, lambda cut, _squares: full_ranks(conv)[cut])
    assert [core.shape[1] for core in cores] == [ci, kh, kw, co]
    assert (made(cores) - conv.weight).abs().max() < 1e-5


def test_the_cores_are_orthonormal_from_the_left_and_the_cuts_add_up() -> None:
    weight = single(8, 12, 3).conv.weight.detach()
    lost: list[float] = []

    def rank_of(cut: int, squares: Tensor) -> int:
        rank = (5, 9, 6)[cut]
        lost.append(float(squares[rank:].sum()))
        return rank

    cores = tt_svd(weight, rank_of)
    for core in cores[:3]:
        flat = core.flatten(0, 1)
        torch.testing.assert_close(flat.T @ flat, torch.eye(flat.shape[1], dtype=flat.dtype))
    torch.testing.assert_close(float((made(cores) - weight).square().sum()), sum(lost), rtol=1e-6, atol=0)


def test_a_tensor_of_low_rank_is_found_by_its_energy() -> None:
    torch.manual_seed(2)
    dense = single(12, 10, 3)
    factors = [torch.randn(*shape) for shape in ((1, 12, 2), (2, 3, 4), (4, 3, 3), (3, 10, 1))]
    with torch.no_grad():
        dense.conv.weight.copy_(made(tuple(factors)))
    network: Any = rewrite(dense, "tensor_train", alone(12), energy=0.999999).network
    assert network.conv.ranks == (2, 4, 3)


def test_rectangular_strided_dilated_kernels_and_padding_in_words() -> None:
    for conv in (
        nn.Conv2d(4, 6, (3, 5), (2, 1), (1, 4), (1, 2)),
        nn.Conv2d(4, 6, 3, padding="same", dilation=2),
        nn.Conv2d(4, 6, (1, 3)),
    ):
        network = rewrite(nn.Sequential(conv).eval(), "tensor_train", alone(4), ratio=1.0).network
        x = torch.randn(2, 4, 9, 11)
        with torch.no_grad():
            torch.testing.assert_close(network(x), conv(x), rtol=1e-4, atol=1e-5)


def test_each_cut_is_capped_at_its_own_full_rank() -> None:
    network: Any = rewrite(tiny(), "tensor_train", rank=20).network
    assert network.same.ranks == (8, 20, 8)
    assert network.wide.ranks == (8, 20, 16)


def test_bug_a_rank_above_all_full_ranks_fails_and_names_the_layer() -> None:
    """It was a dense layer, or one larger than dense, whatever rank had been asked for."""
    with pytest.raises(ValueError, match=r"same: rank 25 is above all of its full ranks 8, 24, 8; a smaller"):
        rewrite(tiny(), "tensor_train", rank=25)
    with pytest.raises(ValueError, match="conv: rank 4 is above all of its full ranks 1, 3, 1"):
        rewrite(single(1, 1, 3), "tensor_train", alone(1), rank=4)
    kept = rewrite(tiny(), "tensor_train", rank=24, skip=("wide",))
    assert [entry.name for entry in kept.replaced] == ["same"]


def test_a_layer_that_is_skipped_may_have_a_lower_rank() -> None:
    network = nn.Sequential(nn.Conv2d(2, 2, 3), nn.Conv2d(2, 16, 3), nn.Conv2d(16, 16, 3)).eval()
    rewritten = rewrite(network, "tensor_train", alone(2), rank=9, skip=("[01]",))
    assert [entry.name for entry in rewritten.replaced] == ["2"]


def test_what_is_left() -> None:
    network = nn.Sequential(nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 3), nn.Conv2d(6, 6, 3, groups=6))
    padded = nn.Conv2d(6, 6, 2, padding="same")
    assert left(rewrite(nn.Sequential(*network, padded).eval(), "tensor_train", alone(6), rank=2)) == {
        "0": "1×1 kernel: svd is its low-rank form",
        "2": "depthwise convolution",
        "3": "padding 'same' of a 2×2 kernel is not the same on both sides",
    }


def test_tiny_network_by_hand() -> None:
    found = counts(rewrite(tiny(), "tensor_train", rank=2).network)
    rest = 216 + 192 + 65
    assert found.params == found.logical_params == rest + (16 + 12 + 12 + 16) + (16 + 12 + 12 + 32)
    macs = 64 * 216 + 16 * 192 + 60
    macs += 64 * 56 + (64 * 16 + 4 * 8 * 12 + 16 * (12 + 32))
    assert found.macs == found.executed_macs == macs
    assert found.weight_bytes == 4 * found.params


def test_zeros_stay_zeros() -> None:
    dense = single(4, 4, 3)
    with torch.no_grad():
        dense.conv.weight.zero_()
    for knobs in ({"rank": 2}, {"energy": 0.5}):
        network = rewrite(dense, "tensor_train", alone(4), **knobs).network
        with torch.no_grad():
            assert not network(torch.randn(1, 4, 5, 5)).any()
