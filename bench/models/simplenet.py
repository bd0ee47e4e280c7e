"""SimpleNet for CIFAR (Hasanpour et al. 2016, arXiv 1608.06037), the version of 5.48 M weights."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.base import backbone

# Output channels of the thirteen convolutions; P: max-pooling; negative: a 1×1 kernel instead of 3×3.
LAYERS: tuple[int | str, ...] = (
    64, 128, 128, 128, "P", 128, 128, 256, "P", 256, 256, "P", 512, -2048, -256, "P", 256,
)  # fmt: skip


class SimpleNet(nn.Module):
    """Thirteen plain convolutions, four max-poolings, a global max-pooling and one linear layer.

    (B, 3, 32, 32) -> (B, classes). Every convolution has a bias, BatchNorm and ReLU behind it. The
    paper's dropout is left out: it acts in training alone.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential()
        channels = 3
        for entry in LAYERS:
            if isinstance(entry, str):
                self.features.append(nn.MaxPool2d(2))
                continue
            kernel = 3 if entry > 0 else 1
            self.features.append(nn.Conv2d(channels, abs(entry), kernel, padding=kernel // 2))
            self.features.append(nn.BatchNorm2d(abs(entry)))
            self.features.append(nn.ReLU(inplace=True))
            channels = abs(entry)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_max_pool2d(self.features(x), 1)
        return self.fc(x.flatten(1))  # type: ignore[no-any-return]


@backbone("simplenet")
def simplenet(classes: int) -> nn.Module:
    """SimpleNet for CIFAR: thirteen plain convolutions with bias and BatchNorm (Hasanpour et al. 2016)."""
    return SimpleNet(classes)
