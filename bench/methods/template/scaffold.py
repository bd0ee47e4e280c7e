"""Writing a first version of a person's own method, with its test, to be changed from there."""

from __future__ import annotations

from pathlib import Path

from bench.methods import METHODS
from bench.models.template.scaffold import Scaffold, camel, write_pair

TEMPLATES = Path(__file__).parent

METHOD = Scaffold(
    noun="method",
    templates=(TEMPLATES / "method.txt", TEMPLATES / "test_method.txt"),
    ending="conv",
    taken=lambda name: name in METHODS,
    words=lambda name: {"layer": f"{camel(name.removesuffix('_conv'))}Conv2d"},
)


def write_method(name: str, folder: Path) -> tuple[Path, Path]:
    """Writes ``NAME.py`` and ``test_NAME.py`` into the folder and returns their paths.

    Raises InputError, before anything is written, for a name that cannot be used, a folder that does not
    exist and a file that does.
    """
    return write_pair(METHOD, name, folder)
