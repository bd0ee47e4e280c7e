"""The output's description: the same numbers have the same checksum, whatever their layout."""

from __future__ import annotations

import hashlib
import struct

import torch

from bench.worker.measurements import Output
from bench.worker.output import describe_output


def test_a_description_by_hand() -> None:
    found = describe_output(torch.tensor([[1.0, -2.0, 3.0]]))
    checksum = hashlib.sha256(struct.pack("=3f", 1, -2, 3)).hexdigest()
    assert found == Output((1, 3), checksum, 2.0, True, sample=(1.0, -2.0, 3.0))


def test_the_layout_in_memory_does_not_matter() -> None:
    x = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).reshape(2, 3, 4, 5)
    assert describe_output(x) == describe_output(x.to(memory_format=torch.channels_last))
    assert describe_output(x) == describe_output(x.transpose(0, 1).contiguous().transpose(0, 1))


def test_one_bit_changes_the_checksum() -> None:
    x = torch.ones(10)
    y = x.clone()
    y[7] = torch.nextafter(y[7], torch.tensor(2.0))
    assert describe_output(x).checksum != describe_output(y).checksum


def test_what_is_not_finite_is_told() -> None:
    assert not describe_output(torch.tensor([1.0, float("nan")])).finite
    assert not describe_output(torch.tensor([1.0, float("inf")])).finite


def test_halves_are_described_as_floats() -> None:
    x = torch.tensor([1.0, 0.5])
    assert describe_output(x.half()).checksum == describe_output(x).checksum


def test_an_output_with_a_gradient_can_be_described() -> None:
    assert describe_output(torch.ones(2, requires_grad=True) * 2).mean_magnitude == 2.0
