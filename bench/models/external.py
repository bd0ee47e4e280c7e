"""Any classifier of torchvision and timm by its full name: ``timm/ghostnetv2_100``."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from functools import partial
from types import ModuleType

from torch import nn

from bench.case import Shape
from bench.models.base import BACKBONES, Backbone
from bench.models.torchvision_guard import torchvision_models


def _torchvision_names() -> Iterable[str]:
    models = torchvision_models()
    return list(models.list_models(module=models))


def _torchvision_build(classes: int, name: str) -> nn.Module:
    # Without init_weights these two warn, and use the auxiliary heads in training only.
    extra = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    if name == "googlenet":
        extra["aux_logits"] = False  # its auxiliary heads never run in eval mode
    network: nn.Module = torchvision_models().get_model(name, weights=None, num_classes=classes, **extra)
    return network


def _torchvision(name: str) -> Backbone:
    if name not in _torchvision_names():
        raise KeyError(name)
    size: Shape = (3, 299, 299) if name == "inception_v3" else (3, 224, 224)
    build = partial(_torchvision_build, name=name)
    return Backbone(f"torchvision/{name}", build, size, 1000, f"torchvision's {name}, random weights")


def _timm_module() -> ModuleType:
    torchvision_models()  # timm imports torchvision itself: let the guard do it first
    return importlib.import_module("timm")


def _timm_names() -> Iterable[str]:
    return list(_timm_module().list_models())


def _timm_build(classes: int, name: str) -> nn.Module:
    network: nn.Module = _timm_module().create_model(name, pretrained=False, num_classes=classes)
    return network


def _timm(name: str) -> Backbone:
    timm = _timm_module()
    if name not in timm.list_models():
        raise KeyError(name)
    config = timm.get_pretrained_cfg(name, allow_unregistered=True)
    channels, height, width = config.input_size if config else (3, 224, 224)
    build = partial(_timm_build, name=name)
    return Backbone(f"timm/{name}", build, (channels, height, width), 1000, f"timm's {name}, random weights")


BACKBONES.add_family("torchvision", _torchvision, _torchvision_names)
BACKBONES.add_family("timm", _timm, _timm_names)
