"""Networks of the user's own: built by a function that is imported, with weights from a file.

Whoever gets here was allowed to run that code: a suite is asked for it when it is read.
"""

from __future__ import annotations

import hashlib
import importlib
import pickle
import sys
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.case import Imported, Shape
from bench.errors import InputError, nearest
from bench.models.base import Backbone
from bench.registry import in_one_line

_MOST_NAMED = 3

_COUNTERS = "num_batches_tracked"
"""Of a BatchNorm: files from before torch 0.4.1 have none, and eval mode asks for none."""


def imported_backbone(name: str, source: Imported, input: Shape) -> Backbone:
    """The backbone that the source's function builds; ``input`` is (C, H, W) of its customary image.

    Without weights BatchNorm is drawn as every backbone's is; loaded statistics stay what they are. Its
    ``network`` raises InputError where the function cannot be had or raises, and where weights do not fit.
    """
    summary = f"{source.build}, a network of your own"
    build = partial(_build, source=source)
    return Backbone(name, build, input, 0, summary, draw_norms=not source.weights)


def _build(_classes: int, source: Imported) -> nn.Module:
    function = _function(source)
    try:
        network = function(**source.args)
    except (Exception, SystemExit) as error:
        raise InputError(f"{source.build} cannot build its network: {in_one_line(error)}") from error
    if not isinstance(network, nn.Module):
        raise InputError(f"{source.build} gives a {type(network).__name__}, where a torch.nn.Module is due")
    if source.weights:
        load_weights(network, Path(source.weights), source.sha256)
    return network


def _function(source: Imported) -> Callable[..., Any]:
    module_name, _, attribute = source.build.partition(":")
    for folder in (source.folder, str(Path.cwd())):  # the command `bench` does not look into the latter
        if folder and folder not in sys.path:
            sys.path.append(folder)  # behind all others: a file of the user's must not hide a module
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        where = (
            f"; it is looked for among the installed packages, in {source.folder} and in the current folder"
            if isinstance(error, ModuleNotFoundError)
            else ""
        )
        raise InputError(f"import {source.build}: {in_one_line(error)}{where}") from error
    function: Any = module
    try:
        for part in attribute.split("."):
            function = getattr(function, part)
    except AttributeError:
        raise InputError(
            f"import {source.build}: {module_name} has no {attribute}{nearest(attribute, vars(module))}"
        ) from None
    if not callable(function):
        raise InputError(f"import {source.build}: {attribute} is no function")
    found: Callable[..., Any] = function
    return found


def load_weights(network: nn.Module, file: Path, sha256: str = "") -> None:
    """Puts the state_dict of a file into the network; what the file holds is read as tensors, never as code.

    A checkpoint that has it under ``state_dict`` is one too. Raises InputError for a file that is not there,
    is another one than ``sha256`` says, or does not fit the network name by name and shape by shape.
    """
    state = _state(file, sha256)
    own = network.state_dict()
    missing = [name for name in own if name not in state and not name.endswith(_COUNTERS)]
    unexpected = [name for name in state if name not in own]
    reshaped = [
        f"{name} {_shape(state[name])}, the network's is {_shape(own[name])}"
        for name in own
        if name in state and own[name].shape != state[name].shape
    ]
    kinds = {"missing": missing, "not in the network": unexpected, "of another shape": reshaped}
    problems = [f"{len(found)} {kind} ({_some(found)})" for kind, found in kinds.items() if found]
    if problems:
        raise InputError(f"weights {file} do not fit the network: keys: {', '.join(problems)}")
    network.load_state_dict(state, strict=False)


def _state(file: Path, sha256: str) -> Mapping[str, Tensor]:
    try:
        if sha256 and (found := _digest(file)) != sha256:
            raise InputError(
                f"weights {file}: SHA-256 {found[:12]}, where the run was planned with {sha256[:12]}"
            )
        # What is mapped leaves no freed memory in the process, which its resident growth would not see.
        mapped = zipfile.is_zipfile(file)
        state = torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
    except FileNotFoundError:
        raise InputError(f"weights {file}: no such file on this host") from None
    except pickle.UnpicklingError:
        raise InputError(
            f"weights {file}: more than tensors is in it; save `network.state_dict()` with torch.save"
        ) from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise InputError(f"weights {file}: torch.load cannot read it: {in_one_line(error)}") from None
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"weights {file}: no state_dict: a mapping from names to tensors is due")
    return state


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a number"


def _some(names: list[str]) -> str:
    rest = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
