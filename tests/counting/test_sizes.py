"""Sizes by the closed forms alone, counted by hand."""

from __future__ import annotations

import torch
from torch import nn

from bench.counting.sizes import Sizes, sizes
from bench.methods.parts.masking import masked


def test_stored_and_logical_sizes_by_hand() -> None:
    mask = torch.ones(4, 3, 1, 1, dtype=torch.bool)
    mask[0] = False  # 3 of the 12 weights are zeros
    network = nn.Sequential(
        masked(nn.Conv2d(3, 4, 1), mask),
        nn.BatchNorm2d(4),
        nn.Conv2d(4, 2, 3, stride=2, padding=1, bias=False),
    ).eval()
    assert sizes(network, torch.randn(1, 3, 8, 8)) == Sizes(
        params=9 + 4 + 8 + 72,
        macs=64 * 9 + 16 * 72,
        stored_params=12 + 4 + 8 + 72,
        executed_macs=64 * 12 + 16 * 72,
    )
