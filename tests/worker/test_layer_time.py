"""Seconds of one layer, on the real clock: only that there are some."""

from __future__ import annotations

import torch
from torch import nn

from bench.worker.layer_time import seconds_of


def test_a_layer_takes_time_and_keeps_its_gradients_out() -> None:
    layer, x = nn.Conv2d(4, 4, 3), torch.randn(1, 4, 8, 8)
    assert seconds_of(layer, x) > 0
    assert layer.weight.grad is None
