"""CUDA graphs where there is no CUDA: refused in words. tests/worker/test_cuda.py replays one on a device."""

import pytest
import torch
from torch import nn

from bench.runtimes import RUNTIMES


def test_a_graph_is_refused_on_a_processor_in_words() -> None:
    with pytest.raises(ValueError, match=r"cuda_graph replays on CUDA devices alone, not on cpu; target gpu"):
        RUNTIMES.get("cuda_graph").prepare(nn.ReLU(), torch.ones(1))


def test_a_graph_is_one_fixed_course() -> None:
    assert not RUNTIMES.get("cuda_graph").data_dependent
