"""BatchNorm statistics that fit the weights, so that the image reaches the output."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def calibrate(network: nn.Module, images: Tensor) -> None:
    """Sets every BatchNorm's running statistics to those of one forward of ``images`` (B > 1, C, H, W).

    Random weights with statistics that do not fit them let activations fade layer by layer: MobileNetV2
    then answers every image alike, and no checksum would see a wrong early layer. All other modules
    stay in eval mode; the network's own mode is eval before and after.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    norms = [norm for norm in norms if norm.track_running_stats]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average of what comes: here, one batch
        norm.train()
    with torch.no_grad():
        network(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
