"""What every test gets: one thread for torch, where torch is loaded."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """The same order of additions on every machine, and no fight for its cores."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
