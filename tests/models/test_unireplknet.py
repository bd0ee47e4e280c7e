"""UniRepLKNet: its parts by hand; the counts of A, F and P are rows of the published figures."""

import pytest
import torch

from bench.counting.count import count
from bench.models import BACKBONES
from bench.models.unireplknet import (
    GlobalResponseNorm,
    LargeKernelBlock,
    LayerNormOfMaps,
    SqueezeExcitation,
)


def test_counts_of_a_by_hand_and_by_three_witnesses() -> None:
    def block(c: int, k: int) -> int:
        excitation = 2 * c * (c // 4) + c + c // 4
        return (k * k + 1) * c + excitation + 8 * c * c + 5 * c + 4 * c

    def down(i: int, o: int) -> int:
        return 9 * i * o + o + 2 * o

    widths, kernels, blocks = (40, 80, 160, 320), (3, 13, 13, 13), (2, 2, 6, 2)
    expected = down(3, 20) + down(20, 40) + sum(down(c, 2 * c) for c in widths[:3]) + 2 * 320 + 321 * 1000
    expected += sum(n * block(c, k) for c, k, n in zip(widths, kernels, blocks, strict=True))
    counted = count(BACKBONES.get("unireplknet_a").network(), torch.randn(1, 3, 224, 224))
    assert counted.disagreements == ()
    assert counted.params == expected == 4_437_300


def test_a_pixel_reaches_as_far_as_the_kernel_and_no_further() -> None:
    block = LargeKernelBlock(8, 13).eval()
    torch.nn.init.zeros_(block.excitation.squeeze.weight)  # its mean would see everything
    x = torch.randn(1, 8, 31, 31, requires_grad=True)
    block(x)[0, :, 15, 15].sum().backward()
    assert x.grad is not None
    rows = x.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert (int(rows.min()), int(rows.max())) == (9, 21)


def test_response_norm_by_hand() -> None:
    norm = GlobalResponseNorm(2)
    x = torch.zeros(1, 1, 2, 2)
    x[0, 0, :, 0] = torch.tensor([3.0, 4.0])  # norm 5, the other channel's 0: the mean is 2.5
    torch.testing.assert_close(norm(x), x)  # gamma begins at zero
    torch.nn.init.constant_(norm.gamma, 0.5)
    torch.testing.assert_close(norm(x), 2 * x)  # 1 + 0.5·5/2.5


@pytest.mark.parametrize("shape", [(2, 8, 5, 7), (1, 8, 1, 1)])
def test_norm_of_maps_is_per_pixel(shape: tuple[int, ...]) -> None:
    x = 3 + 2 * torch.randn(*shape)
    y = LayerNormOfMaps(8)(x)
    torch.testing.assert_close(y.mean(1), torch.zeros_like(y[:, 0]), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(1, unbiased=False), torch.ones_like(y[:, 0]), atol=1e-4, rtol=0)


def test_excitation_multiplies_whole_channels() -> None:
    x = torch.rand(1, 8, 4, 4) + 0.5
    ratio = SqueezeExcitation(8)(x) / x
    torch.testing.assert_close(ratio, ratio[:, :, :1, :1].expand_as(ratio))
    assert (ratio > 0).all()
    assert (ratio < 1).all()
