"""What a person asked for, for the run's record: command line and packages, nothing of the machine."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Sequence
from pathlib import PurePath

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*)://.*", re.IGNORECASE)


def command_of(words: Sequence[str]) -> list[str]:
    """The words of a command line after the program's name, as they may go to others.

    Of an absolute path its last part stays, of an address its kind: ``--results=/home/me/r`` becomes
    ``--results=r``, ``tcp://board:8786`` becomes ``tcp://…``.
    """
    return ["bench", *map(_without_place, words)]


def shown_path(path: str) -> str:
    """A path as it may go to others: relative ones as they are, of others the last part."""
    absolute = path.startswith(("/", "~", "..")) or PurePath(path).is_absolute()
    return PurePath(path).name if absolute else path


def packages() -> list[str]:
    """``name==version`` of everything installed, sorted: `pip freeze` without addresses and paths."""
    found: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        if name:
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), f"{name}=={distribution.version}")
    return [found[key] for key in sorted(found)]


def _without_place(word: str) -> str:
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    address = _ADDRESS.fullmatch(value)
    return f"{option}{equals}{f'{address[1]}://…' if address else shown_path(value)}"
