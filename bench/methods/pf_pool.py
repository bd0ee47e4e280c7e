"""Parameter-free layers: max-pooling in the place of 3×3 convolutions (PfLayer, ResNet-50 "R50-max")."""

from __future__ import annotations

from torch import Tensor, nn

from bench.counting.observe import observe
from bench.methods.parts.method import Context, Rewritten, method
from bench.methods.parts.per_layer import not_square, pads, replace_each
from bench.methods.parts.selection import exchange


class PfPool2d(nn.MaxPool2d):
    """y[c, i, j] = max of x[c] over the 3×3 window: (B, C, H, W) -> (B, C, H', W').

    No parameters and no MACs; its comparisons stand among the elements of other work.
    """

    def __init__(self, stride: tuple[int, int]) -> None:
        super().__init__(3, stride, 1)


@method("pf_pool")
def pf_pool(network: nn.Module, context: Context, *, skip: tuple[str, ...] = ()) -> Rewritten:
    """Every 3×3 convolution with as many outputs as inputs becomes MaxPool(3, its stride, padding 1).

    The BatchNorm that takes the convolution's output goes with it: that is the form of the published
    count, 14,232,232 parameters and 2.239 G MACs on torchvision's ResNet-50. Grouped and depthwise
    convolutions are replaced too; layers that change the number of channels are left, for a pooling
    cannot. ``skip``: globs of layers to leave dense.
    """
    norms = _norms_behind(network, context)

    def build(name: str, conv: nn.Conv2d) -> nn.Module | str:
        reason = not_square(conv, 3)
        if not reason and conv.in_channels != conv.out_channels:
            reason = f"{conv.in_channels}→{conv.out_channels} channels: a pooling keeps their number"
        if not reason and (conv.dilation != (1, 1) or pads(conv) != (1, 1)):
            reason = f"dilation {conv.dilation[0]}, padding {pads(conv)[0]}: not the window that is pooled"
        if reason:
            return reason
        if name in norms:
            exchange(network, norms[name], nn.Identity())
        return PfPool2d((conv.stride[0], conv.stride[1]))

    return replace_each(network, context, skip, build)


def _norms_behind(network: nn.Module, context: Context) -> dict[str, str]:
    """Convolution -> the BatchNorm whose input is that very tensor, seen in one forward pass."""
    outputs: dict[int, tuple[str, Tensor]] = {}
    found: dict[str, str] = {}

    def match(name: str, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            outputs[id(output)] = name, output  # kept alive, or its id would be given to another
        elif id(inputs[0]) in outputs:
            found[outputs[id(inputs[0])][0]] = name

    layers = [(n, m) for n, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    observe(network, context.example_input(), layers, match)
    return found
