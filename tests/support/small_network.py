"""Convolutions in a row, for tests of channel pruning."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Small(nn.Module):
    """Convolutions in a row, the middle one grouped; a loose weight on the channels if asked for."""

    def __init__(self, groups: int = 1, scaled: bool = False) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, padding=1)
        self.b = nn.Conv2d(8, 8, 3, padding=1, groups=groups)
        self.bn = nn.BatchNorm2d(8)
        self.c = nn.Conv2d(8, 8, 3, padding=1)
        self.gamma = nn.Parameter(torch.ones(8, 1, 1)) if scaled else None
        self.fc = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.c(torch.relu(self.bn(self.b(self.a(x)))))
        if self.gamma is not None:
            x = x * self.gamma
        out: Tensor = self.fc(x.mean((2, 3)))
        return out


def small(**options: Any) -> Small:
    torch.manual_seed(0)
    return Small(**options).eval()
