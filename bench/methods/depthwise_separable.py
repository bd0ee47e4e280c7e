"""Depthwise separable convolutions (Howard et al. 2017, MobileNets, arXiv 1704.04861)."""

from __future__ import annotations

from torch import nn

from bench.methods.parts.low_rank import like
from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.per_layer import in_groups, replace_each


class DepthwiseSeparableConv2d(nn.Sequential):
    """k×k depthwise (Ci -> Ci, stride, padding), then 1×1 (Ci -> Co, bias); nothing in between.

    (B, Ci, H, W) -> (B, Co, H', W'). Parameters: Ci·k² + Ci·Co (+ Co with bias). MACs:
    H'·W'·(Ci·k² + Ci·Co), 1/Co + 1/k² of the dense layer's (MobileNets, section 3.1).
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        channels = conv.in_channels
        super().__init__(
            like(
                conv,
                channels,
                channels,
                kernel_size=conv.kernel_size,
                stride=conv.stride,
                padding=conv.padding,
                dilation=conv.dilation,
                groups=channels,
                padding_mode=conv.padding_mode,
            ),
            like(conv, channels, conv.out_channels, kernel_size=1, bias=conv.bias is not None),
        )


@method("depthwise_separable")
def depthwise_separable(network: nn.Module, context: Context, *, skip: tuple[str, ...] = ()) -> Rewritten:
    """Every k×k convolution becomes a k×k depthwise and a 1×1 one.

    The layer stays linear: MobileNet's BatchNorm and ReLU between the two are not added. 1×1,
    depthwise and grouped convolutions are left. ``skip``: globs of layers to leave dense. The weights
    are fresh ones.
    """

    def build(_name: str, conv: nn.Conv2d) -> nn.Module | str:
        if conv.groups > 1:
            return in_groups(conv)
        if conv.kernel_size == (1, 1):
            return "1×1 kernel: it has no depthwise part"
        return DepthwiseSeparableConv2d(conv)

    return replace_each(network, context, skip, build)
