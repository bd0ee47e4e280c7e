from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_checks import alone, counts, rewrite, single, tiny

from bench.errors import InputError
from bench.methods.cp import alternate
from bench.plan.knobs import check_call


@settings(deadline=None, derandomize=True, max_examples=15)
@given(
    ci=st.integers(1, 10),
    co=st.integers(1, 10),
    rank=st.integers(1, 9),
    stride=st.sampled_from([1, 2]),
)
def test_equation(ci: int, co: int, rank: int, stride: int) -> None:
    network = rewrite(single(ci, co, 3, stride), "cp", alone(ci), rank=rank, sweeps=1).network
    out = 8 // stride
    found = counts(network, (ci, 8, 8))
    assert found.params == rank * (ci + 6 + co)
    assert found.macs == found.executed_macs == rank * (64 * ci + out * 8 * 3 + out * out * (3 + co))


def test_it_finds_a_tensor_of_low_rank() -> None:
    torch.manual_seed(3)
    weight = torch.einsum("or,ir,ar,br->oiab", *(torch.randn(n, 3) for n in (12, 10, 3, 3)))
    factors = alternate(weight, 4, seed=0, sweeps=60)
    assert factors.energy > 0.999
    torch.testing.assert_close(factors.tensor(), weight, rtol=0, atol=0.2)


def test_the_energy_it_reports_is_the_energy_it_keeps() -> None:
    weight = torch.randn(12, 8, 3, 3)
    factors = alternate(weight, 10, seed=0, sweeps=4)
    lost = float((weight - factors.tensor()).square().sum() / weight.square().sum())
    assert factors.energy == pytest.approx(1 - lost, abs=1e-4)


def test_more_sweeps_keep_more_and_the_seed_decides() -> None:
    weight = torch.randn(12, 8, 3, 3)
    few, more = (alternate(weight, 10, 0, sweeps).energy for sweeps in (1, 8))
    assert more > few
    assert torch.equal(alternate(weight, 10, 0, 2).tensor(), alternate(weight, 10, 0, 2).tensor())
    assert not torch.equal(alternate(weight, 10, 0, 2).tensor(), alternate(weight, 10, 1, 2).tensor())


def test_zeros_stay_zeros() -> None:
    assert not alternate(torch.zeros(4, 4, 3, 3), 2, 0, 3).tensor().any()


def test_tiny_network_by_hand() -> None:
    found = counts(rewrite(tiny(), "cp", rank=5).network)
    assert found.params == found.logical_params == 216 + 5 * (8 + 6 + 8) + 5 * (8 + 6 + 16) + 192 + 65
    macs = 64 * 216 + 64 * 5 * 22 + (64 * 5 * 8 + 4 * 8 * 5 * 3 + 16 * 5 * 3 + 16 * 5 * 16) + 16 * 192 + 60
    assert found.macs == found.executed_macs == macs


def test_bad_sweeps() -> None:
    with pytest.raises(InputError, match="needs at least 1"):
        check_call("cp", {"rank": 3, "sweeps": 0})
