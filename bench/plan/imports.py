"""Networks of the user's own, as a suite names them: an import, its arguments, its weights."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from bench.case import Imported, Shape, argument_words, parse_shape
from bench.errors import InputError, quoted
from bench.plan.declared import DECLARED_BACKBONES

_PART = r"[A-Za-z_][A-Za-z0-9_]*"
IMPORT = rf"{_PART}(\.{_PART})*:{_PART}(\.{_PART})*"
LONGEST_NAME = 100


class ImportSpec(BaseModel):
    """A network that a function of the user's own builds. Importing it runs code."""

    model_config = ConfigDict(extra="forbid", strict=True)

    import_: Annotated[
        str,
        Field(alias="import", pattern=f"^{IMPORT}$", max_length=200, description="module:function"),
    ]
    args: Annotated[dict[str, Any], Field(description="keyword arguments of the function")] = {}
    input: Annotated[str, Field(description="CxHxW of its customary image")]
    weights: Annotated[
        str | None,
        Field(min_length=1, description="a state_dict that torch.save wrote; relative to the suite's folder"),
    ] = None
    name: Annotated[
        str | None,
        Field(
            pattern=r"^[A-Za-z0-9_.:-]+$",
            max_length=LONGEST_NAME,
            description="its name in case ids, instead of module:function(args)@weights",
        ),
    ] = None


@dataclass(frozen=True)
class ImportedBackbone:
    """A network of the user's own, ready to be put into cases: ``input`` is (C, H, W)."""

    name: str
    input: Shape
    source: Imported


def read_import(spec: ImportSpec, folder: Path) -> ImportedBackbone:
    """The network that ``spec`` describes; its weights are hashed, and none of its code is run.

    Raises InputError for weights that are not there, and for a name that another backbone has.
    """
    try:
        json.dumps(spec.args)
    except (TypeError, ValueError):
        raise InputError(
            f"args of {spec.import_}: numbers, words, lists and mappings are passed on"
        ) from None
    weights = str((folder / spec.weights).resolve()) if spec.weights else ""
    source = Imported(
        spec.import_, spec.args, str(folder.resolve()), weights, _digest(weights) if weights else ""
    )
    name = spec.name or _name(spec)
    if name in DECLARED_BACKBONES:
        raise InputError(f"{quoted(name)} is the name of another backbone; give this one another `name`")
    return ImportedBackbone(name, parse_shape(spec.input), source)


def check_import(found: ImportedBackbone) -> None:
    """Builds the network once and loads its weights: the user's code runs here.

    Raises InputError for a module or function that is not there, one that raises, and weights that do not
    fit.
    """
    from bench.models.imported import imported_backbone  # torch comes with it

    imported_backbone(found.name, found.source, found.input).network()


def _name(spec: ImportSpec) -> str:
    stem = re.sub(r"[^A-Za-z0-9_.-]", "_", Path(spec.weights).stem) if spec.weights else ""
    name = spec.import_ + argument_words(spec.args) + (f"@{stem}" if stem else "")
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise InputError(
            f"{spec.import_} with these args would be called {quoted(name)} in case ids, which is long or "
            "odd; give it a `name`"
        )
    return name


def _digest(weights: str) -> str:
    try:
        with Path(weights).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError(f"weights {weights}: no such file") from None
    except OSError as error:
        raise InputError(f"weights {weights}: {error.strerror}") from None
