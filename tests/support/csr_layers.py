"""Legal CSR-Conv layers with their inputs, drawn, and how far two answers lie apart."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor

from bench.methods.csr_conv import CSRConv2d


@dataclass(frozen=True)
class Drawn:
    """A legal layer and the input it gets."""

    Ci: int
    Co: int
    k: int
    T: int
    stride: tuple[int, int]
    padding: tuple[int, int]
    bias: bool
    depthwise: bool
    batch: int
    H: int
    W: int

    def layer(self, dtype: torch.dtype = torch.float64) -> CSRConv2d:
        shape = self.Ci, self.Co, self.k, self.T, self.stride, self.padding, self.bias, self.depthwise
        torch.manual_seed(self.Ci + self.Co)
        return CSRConv2d(*shape, order="fused", dtype=dtype).eval()

    def input(self, dtype: torch.dtype = torch.float64) -> Tensor:
        generator = torch.Generator().manual_seed(self.H)
        return torch.randn(self.batch, self.Ci, self.H, self.W, generator=generator, dtype=dtype)


@st.composite
def drawn(draw: st.DrawFn, inputs: int = 40, outputs: int = 70, longest: int = 11) -> Drawn:
    """With at most so many channels, on a map with sides of at most that length."""
    k, T, depthwise = draw(st.sampled_from([1, 3, 5])), draw(st.integers(1, 5)), draw(st.booleans())
    Ci = draw(st.integers(T, inputs))
    Co = -(-Ci // T) * T * draw(st.integers(1, 2)) if depthwise else draw(st.integers(1, outputs))
    size = st.integers(k, longest)
    return Drawn(
        Ci, Co, k, T,
        (draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        (draw(st.integers(0, 2)), draw(st.integers(0, 2))),
        draw(st.booleans()), depthwise, draw(st.integers(1, 2)), draw(size), draw(size),
    )  # fmt: skip


SHAPES = {
    "pixels": Drawn(16, 16, 3, 4, (1, 1), (1, 1), False, False, 1, 16, 16),
    "channels": Drawn(128, 128, 3, 4, (1, 1), (1, 1), True, False, 2, 4, 4),
    "strides": Drawn(24, 40, 3, 3, (2, 2), (1, 1), False, False, 1, 9, 8),
    "no zeros around": Drawn(32, 64, 1, 4, (1, 1), (0, 0), False, False, 2, 8, 8),
    "one pixel": Drawn(64, 64, 3, 4, (1, 1), (1, 1), False, False, 1, 1, 1),
    "depthwise": Drawn(12, 24, 3, 3, (1, 1), (1, 1), True, True, 1, 7, 9),
    "shared": Drawn(64, 64, 3, 4, (1, 1), (1, 1), True, False, 2, 24, 24),
    "cut": Drawn(10, 5, 3, 4, (1, 1), (1, 1), False, False, 1, 6, 6),
}


def far(found: Tensor, expected: Tensor) -> float:
    """The largest difference as a share of the largest value."""
    assert found.shape == expected.shape
    return float((found - expected).abs().max() / expected.abs().max().clamp_min(1e-300))
