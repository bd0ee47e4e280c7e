"""Names to things, found by importing every module of a package: a new thing is one new file."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Generic, TypeVar

from bench.errors import InputError, nearest

Entry = TypeVar("Entry")


class Registry(Generic[Entry]):
    """Entries of one kind by name.

    ``package`` is imported module by module on first use, so that each module's decorator can add
    its entry. A family answers for all names behind its prefix (``timm/``) without listing them.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self._package = package
        self._entries: dict[str, Entry] = {}
        self._families: dict[str, tuple[Callable[[str], Entry], Callable[[], Iterable[str]]]] = {}
        self._loaded = False

    def add(self, name: str, entry: Entry) -> None:
        """Adds an entry. Raises ValueError when the name is taken: two files must not share one."""
        if name in self._entries:
            raise ValueError(f"{self.kind} '{name}' is registered twice")
        self._entries[name] = entry

    def add_family(
        self, prefix: str, make: Callable[[str], Entry], names: Callable[[], Iterable[str]]
    ) -> None:
        """Adds all names ``prefix/…``: ``make`` gets the part behind the slash, ``names`` lists them."""
        self._families[prefix] = (make, names)

    def get(self, name: str) -> Entry:
        """The entry of that name. Raises InputError with the nearest valid word."""
        self._load()
        if name in self._entries:
            return self._entries[name]
        prefix, slash, rest = name.partition("/")
        if slash and prefix in self._families:
            make, names = self._families[prefix]
            try:
                return make(rest)
            except KeyError:
                family = (f"{prefix}/{n}" for n in names())
                raise InputError(f"unknown {self.kind} '{name}'{nearest(name, family)}") from None
        known = [*self._entries, *(f"{p}/…" for p in self._families)]
        raise InputError(f"unknown {self.kind} '{name}'{nearest(name, known)}")

    def __contains__(self, name: str) -> bool:
        """Whether ``get`` would find an entry of that name."""
        self._load()
        if name in self._entries:
            return True
        prefix, slash, rest = name.partition("/")
        return bool(slash) and prefix in self._families and rest in set(self._families[prefix][1]())

    def names(self, pattern: str = "*") -> list[str]:
        """Sorted names that match a glob. A family is listed only when the glob begins with its prefix."""
        self._load()
        found = [n for n in self._entries if fnmatchcase(n, pattern)]
        for prefix, (_, names) in self._families.items():
            if pattern.startswith(f"{prefix}/"):
                full = [f"{prefix}/{rest}" for rest in names()]
                found += [name for name in full if fnmatchcase(name, pattern)]
        return sorted(found)

    def families(self) -> list[str]:
        """The prefixes that answer for names of their own."""
        self._load()
        return sorted(self._families)

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self._package}.{module.name}")


def load_plugins(paths: Iterable[str]) -> None:
    """Imports the user's own files, whose decorators then add to the registries.

    Raises InputError when a file is not there; what the file itself raises is passed on.
    """
    for path in paths:
        file = Path(path).resolve()
        name = f"bench_plugin_{file.stem}"
        if name in sys.modules:
            continue
        spec = importlib.util.spec_from_file_location(name, file)
        if not file.is_file() or spec is None or spec.loader is None:
            raise InputError(f"plugin '{path}' is not a Python file that can be read")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
