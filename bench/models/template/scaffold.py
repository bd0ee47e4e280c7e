"""Writing a first version of a person's own file, with its test, to be changed from there."""

from __future__ import annotations

import importlib.util
import keyword
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from bench.errors import InputError
from bench.models import BACKBONES

TEMPLATES = Path(__file__).parent


@dataclass(frozen=True)
class Scaffold:
    """A kind of file: its name, its two templates, the ending of names that is proposed, and what is taken.

    ``words``: what stands in the templates' places for a name.
    """

    noun: str
    templates: tuple[Path, Path]
    ending: str
    taken: Callable[[str], bool]
    words: Callable[[str], Mapping[str, str]]


def write_pair(scaffold: Scaffold, name: str, folder: Path) -> tuple[Path, Path]:
    """Writes ``NAME.py`` and ``test_NAME.py`` into the folder and returns their paths.

    Raises InputError, before anything is written, for a name that cannot be used, a folder that does not
    exist and a file that does.
    """
    files = folder / f"{name}.py", folder / f"test_{name}.py"
    _check_name(scaffold, name)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; make it first")
    for file in files:
        if file.exists() or file.is_symlink():
            raise InputError(f"{file}: exists already; choose another name or folder, or remove it")
    if importlib.util.find_spec(name) is not None:
        raise InputError(f"'{name}' is already the name of an importable module; choose another")
    words = {"name": name, **scaffold.words(name)}
    try:
        for file, template in zip(files, scaffold.templates, strict=True):
            text = Template(template.read_text(encoding="utf-8")).substitute(words)
            with file.open("x", encoding="utf-8") as stream:
                stream.write(text)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from None
    return files


def camel(name: str) -> str:
    """``my_net`` as the name of a class: ``MyNet``."""
    return "".join(part.capitalize() for part in name.split("_"))


def write_backbone(name: str, folder: Path) -> tuple[Path, Path]:
    """Writes a backbone and its test. Raises InputError as ``write_pair`` does."""
    return write_pair(BACKBONE, name, folder)


BACKBONE = Scaffold(
    noun="backbone",
    templates=(TEMPLATES / "backbone.txt", TEMPLATES / "test_backbone.txt"),
    ending="net",
    taken=lambda name: name in BACKBONES,
    words=lambda name: {"network": camel(name)},
)


def _check_name(scaffold: Scaffold, name: str) -> None:
    noun, ending = scaffold.noun, scaffold.ending
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise InputError(
            f"'{name}' is no name for a {noun}; lower-case letters, digits and _, as in my_{ending}"
        )
    used = re.findall(r"[a-z_0-9]+", scaffold.templates[0].read_text(encoding="utf-8"))
    if keyword.iskeyword(name) or name in used:
        raise InputError(
            f"'{name}' has a meaning in the file already; choose another, such as {name}_{ending}"
        )
    if scaffold.taken(name):
        raise InputError(
            f"a {noun} '{name}' exists already: `bench list {noun}s {name}`; choose another name"
        )
