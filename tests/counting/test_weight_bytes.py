"""Bytes of the weights, by hand."""

from __future__ import annotations

import torch
from torch import nn

from bench.counting.weight_bytes import weight_bytes

FLOATS = 4


def test_weight_bytes_by_hand() -> None:
    assert weight_bytes(nn.Conv2d(3, 16, 3)) == (3 * 16 * 9 + 16) * FLOATS


def test_weight_bytes_hold_the_buffers_of_batchnorm() -> None:
    # weight, bias, running mean, running variance, and one 64-bit counter
    assert weight_bytes(nn.BatchNorm2d(10)) == 4 * 10 * FLOATS + 8


def test_weight_bytes_of_shared_weights_count_once() -> None:
    layer = nn.Linear(10, 10)
    assert weight_bytes(nn.Sequential(layer, nn.ReLU(), layer)) == 110 * FLOATS
    tied = nn.Sequential(nn.Linear(10, 10), nn.Linear(10, 10, bias=False))
    tied[1].weight = tied[0].weight
    assert weight_bytes(tied) == 110 * FLOATS


def test_weight_bytes_follow_the_type() -> None:
    assert weight_bytes(nn.Linear(10, 10).half()) == 110 * 2


def test_weight_bytes_leave_out_what_is_not_saved() -> None:
    network = nn.Linear(2, 2, bias=False)
    network.register_buffer("scratch", torch.ones(100), persistent=False)
    assert weight_bytes(network) == 4 * FLOATS


def test_weight_bytes_of_nothing_are_zero() -> None:
    assert weight_bytes(nn.ReLU()) == 0
