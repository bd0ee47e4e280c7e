"""The VGG-16 of SynFlow's stored results (Tanaka et al. 2020, arXiv 2006.05467)."""

from __future__ import annotations

from torch import Tensor, nn

from bench.models.base import backbone
from bench.models.vgg import CONFIGURATION_D


class VGGFourPools(nn.Module):
    """Configuration D with convolution bias and BatchNorm, whose last pooling is an average.

    Four max-poolings take a 32×32 image to 2×2; the average-pooling then stands where configuration
    D has its fifth maximum: (B, 3, 32, 32) -> (B, 512) -> (B, classes). Convolution and linear
    weights are Kaiming-normal (σ² = 2/fan-in), biases zero, BatchNorm in its initial state.
    With 100 classes 14,761,664 weights can be pruned.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential()
        channels = 3
        for entry in CONFIGURATION_D[:-1]:
            if isinstance(entry, str):
                self.features.append(nn.MaxPool2d(2))
                continue
            self.features.append(nn.Conv2d(channels, entry, 3, padding=1))
            self.features.append(nn.BatchNorm2d(entry))
            self.features.append(nn.ReLU(inplace=True))
            channels = entry
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(self.features(x)).flatten(1))  # type: ignore[no-any-return]


# Densities by score depend on the state of BatchNorm: the stored ones were taken with the initial one.
@backbone("vgg16_bn_synflow", classes=100, draw_norms=False)
def vgg16_bn_synflow(classes: int) -> nn.Module:
    """VGG-16 with BatchNorm as SynFlow's authors pruned it: four max-poolings, then an average-pooling."""
    return VGGFourPools(classes)
