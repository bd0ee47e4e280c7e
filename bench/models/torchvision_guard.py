"""The one place that imports torchvision."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch

_library: torch.library.Library | None = None


def torchvision_models() -> ModuleType:
    """``torchvision.models``, also where torchvision's own operators cannot be loaded.

    PyPI's torchvision wheel is a CUDA build; beside a CPU build of torch its import ends with
    "operator torchvision::nms does not exist". Classifiers need none of those operators, so their
    schemas are declared and the import repeated; any other error is passed on.
    """
    global _library
    try:
        return importlib.import_module("torchvision.models")
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
    for name in [n for n in sys.modules if n == "torchvision" or n.startswith("torchvision.")]:
        del sys.modules[name]
    # The library object must stay alive: its end would take the schemas away again.
    _library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        _library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return importlib.import_module("torchvision.models")
