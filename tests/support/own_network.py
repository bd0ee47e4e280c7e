"""A network of somebody's own: a module that builds it, and weights that fit it, in a folder."""

from __future__ import annotations

import itertools
from pathlib import Path

_numbers = itertools.count()

NETS = """\
import torch
from torch import nn

class Small(nn.Module):
    def __init__(self, width, classes):
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.fc = nn.Linear(width, classes)

    def forward(self, x):
        x = torch.relu(self.norm(self.first(x)))
        return self.fc(torch.relu(self.second(x)).mean((2, 3)))

def build(width=8, classes=10):
    return Small(width, classes)

def breaks(width=8):
    raise RuntimeError("no such\\nwidth")

def gives_none():
    return None

number = 3
"""


def write_module(folder: Path, text: str = NETS) -> str:
    """Writes the module and returns its name: one that no other test has imported."""
    name = f"own_nets_{next(_numbers)}"
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return name
