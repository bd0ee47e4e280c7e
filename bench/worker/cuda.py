"""CUDA as every worker sets it up: float32 that is float32, and the same kernels in every process.

- TF32 is off in matrix products and convolutions. With it float32 would multiply with ten bits, and a ratio
  between dtypes would compare two kinds of half precision; who wants fewer bits asks for a dtype.
- cuDNN chooses by its heuristics and not by timing (``benchmark``), among kernels that repeat to the last bit
  (``deterministic``). A choice by timing falls differently from process to process: the times of equal
  networks would differ by kernels, and their answers by rounding. The fastest kernel may be another one.
"""

from __future__ import annotations

import torch

FLAGS = {
    "matmul_tf32": False,
    "cudnn_tf32": False,
    "cudnn_benchmark": False,
    "cudnn_deterministic": True,
}
"""What is set, by the names under which trials record it."""


def set_flags(flags: dict[str, bool] = FLAGS) -> dict[str, bool]:
    """Sets the flags and returns what torch then says that they are."""
    torch.backends.cuda.matmul.allow_tf32 = flags["matmul_tf32"]
    torch.backends.cudnn.allow_tf32 = flags["cudnn_tf32"]
    torch.backends.cudnn.benchmark = flags["cudnn_benchmark"]
    torch.backends.cudnn.deterministic = flags["cudnn_deterministic"]
    return read_flags()


def read_flags() -> dict[str, bool]:
    """The flags as they are."""
    return {
        "matmul_tf32": bool(torch.backends.cuda.matmul.allow_tf32),
        "cudnn_tf32": bool(torch.backends.cudnn.allow_tf32),
        "cudnn_benchmark": bool(torch.backends.cudnn.benchmark),
        "cudnn_deterministic": bool(torch.backends.cudnn.deterministic),
    }
