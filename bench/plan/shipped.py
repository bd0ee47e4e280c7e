"""Suites that come with the package, by their bare names, and what was meant by one that is not there."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from bench.errors import InputError

FOLDER = Path(__file__).parents[1] / "suites"
"""In a checkout a link to the repository's own folder: there is one copy, and wheels have it as files."""


NO_SUITES = ("expected",)
"""Files of the folder that say something about suites: what `bench gate` is told to expect."""


def shipped_suites() -> dict[str, Path]:
    """Name -> file of every suite that comes with the package, by name."""
    files = sorted(FOLDER.glob("*.yaml"))
    return {file.stem: file.resolve() for file in files if file.stem not in NO_SUITES}


def find_suite(given: Path) -> Path:
    """The file that was meant: the given one if it is there, else the shipped suite of that bare name.

    Raises InputError with the nearest name for neither.
    """
    if os.path.isfile(given):  # noqa: PTH113 - a name that is too long is no file either
        return given
    if str(given) in _bare_names():
        return _bare_names()[str(given)]
    if _may_be_read(given):
        return given
    raise InputError(f"{given}: no such file{_nearest(given)}")


def _may_be_read(given: Path) -> bool:
    """Whether something is there, or the name is one that the system refuses: the reader says what."""
    try:
        return given.exists()
    except (OSError, ValueError):
        return True


def _bare_names() -> dict[str, Path]:
    """Shipped suites by their names with and without the ending."""
    found = shipped_suites()
    return {**found, **{file.name: file for file in found.values()}}


def _nearest(given: Path) -> str:
    """``; did you mean 'smoke'?``: of the shipped suites, and of the files in the folder that was named."""
    words = {name: name for name in shipped_suites()}
    if given.parent.is_dir():
        words |= {file.stem: str(file) for file in sorted(given.parent.glob("*.yaml"))}
    close = difflib.get_close_matches(given.stem, words, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{words[close[0]]}'?"
    bare = len(given.parts) == 1 and not given.suffix
    return "; `bench list suites` names those that are shipped" if bare else ""
