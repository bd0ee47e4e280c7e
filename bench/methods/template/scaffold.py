"""Writing a first version of a person's own method, with its test, to be changed from there."""

from __future__ import annotations

import importlib.util
import keyword
import re
from pathlib import Path
from string import Template

from bench.errors import InputError
from bench.methods import METHODS

TEMPLATES = Path(__file__).parent


def write_method(name: str, folder: Path) -> tuple[Path, Path]:
    """Writes ``NAME.py`` and ``test_NAME.py`` into the folder and returns their paths.

    Raises InputError, before anything is written, for a name that cannot be used, a folder that does not
    exist and a file that does.
    """
    files = folder / f"{name}.py", folder / f"test_{name}.py"
    _check_name(name)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; make it first")
    for file in files:
        if file.exists() or file.is_symlink():
            raise InputError(f"{file}: exists already; choose another name or folder, or remove it")
    if importlib.util.find_spec(name) is not None:
        raise InputError(f"'{name}' is already the name of an importable module; choose another")
    camel = "".join(part.capitalize() for part in name.removesuffix("_conv").split("_"))
    words = {"name": name, "layer": f"{camel}Conv2d"}
    try:
        for file, template in zip(files, ("method.txt", "test_method.txt"), strict=True):
            text = Template((TEMPLATES / template).read_text(encoding="utf-8")).substitute(words)
            with file.open("x", encoding="utf-8") as stream:
                stream.write(text)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from None
    return files


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise InputError(f"'{name}' is no name for a method; lower-case letters, digits and _, as in my_conv")
    used = re.findall(r"[a-z_0-9]+", (TEMPLATES / "method.txt").read_text(encoding="utf-8"))
    if keyword.iskeyword(name) or name in used:
        raise InputError(f"'{name}' has a meaning in the file already; choose another, such as {name}_conv")
    if name in METHODS:
        raise InputError(
            f"a method '{name}' exists already: `bench list methods {name}`; choose another name"
        )
