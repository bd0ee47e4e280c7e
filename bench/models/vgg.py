"""VGG-16 with BatchNorm for 32×32 inputs (Simonyan and Zisserman 2015, configuration D)."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from bench.models.base import backbone

CONFIGURATION_D: tuple[int | str, ...] = (
    64, 64, "P", 128, 128, "P", 256, 256, 256, "P", 512, 512, 512, "P", 512, 512, 512, "P",
)  # fmt: skip


class VGG(nn.Module):
    """Thirteen 3×3 convolutions with BatchNorm, five max-poolings and one linear layer."""

    def __init__(self, classes: int, conv_bias: bool) -> None:
        super().__init__()
        self.features = nn.Sequential()
        channels = 3
        for entry in CONFIGURATION_D:
            if isinstance(entry, str):
                self.features.append(nn.MaxPool2d(2))
                continue
            self.features.append(nn.Conv2d(channels, entry, 3, padding=1, bias=conv_bias))
            self.features.append(nn.BatchNorm2d(entry))
            self.features.append(nn.ReLU(inplace=True))
            channels = entry
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(self.features(x)).flatten(1))  # type: ignore[no-any-return]

    def as_stages(self) -> dict[str, nn.Module]:
        """What lies between poolings, the last stage with the classifier: see ``HasStages``."""
        found: dict[str, nn.Module] = {}
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for name, layer in self.features.named_children():
            layers[name] = layer
            if isinstance(layer, nn.MaxPool2d):
                found[f"stage{len(found) + 1}"] = nn.Sequential(layers)
                layers = OrderedDict()
        last = f"stage{len(found)}"
        end = OrderedDict(features=found[last], pool=self.pool, flatten=nn.Flatten(), fc=self.fc)
        return {**found, last: nn.Sequential(end)}


@backbone("vgg16_bn")
def vgg16_bn(classes: int) -> nn.Module:
    """VGG-16 with BatchNorm for CIFAR: no convolution bias, one linear layer 512 -> classes."""
    return VGG(classes, conv_bias=False)


@backbone("vgg16_bn_bias")
def vgg16_bn_bias(classes: int) -> nn.Module:
    """VGG-16 with BatchNorm and convolution biases for CIFAR: the form pSConv's paper counts."""
    return VGG(classes, conv_bias=True)
