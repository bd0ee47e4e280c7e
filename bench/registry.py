"""Names to things, found by importing every module of a package: a new thing is one new file."""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Generic, TypeVar

from bench.errors import InputError, nearest, quoted

Entry = TypeVar("Entry")


class Registry(Generic[Entry]):
    """Entries of one kind by name.

    ``package`` is imported module by module on first use, so that each module's decorator can add
    its entry. A family answers for all names behind its prefix (``timm/``) without listing them.
    ``group``: entry points of installed distributions, each named like the one entry that its module
    adds. Such a module is imported only when its name is asked for: a broken one harms nobody else,
    and the measuring process carries none that its case does not use.
    """

    def __init__(self, kind: str, package: str, group: str = "") -> None:
        self.kind = kind
        self._package = package
        self._group = group
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
        """Adds all names ``prefix/…``: ``make`` gets the part behind the slash, ``names`` lists them.

        ``make`` raises KeyError or ValueError for a part that is no name.
        """
        self._families[prefix] = (make, names)

    def get(self, name: str) -> Entry:
        """The entry of that name. Raises InputError with the nearest valid word."""
        self.load()
        if name not in self._entries and name in installed(self._group):
            self._import_installed(name)
        if name in self._entries:
            return self._entries[name]
        prefix, slash, rest = name.partition("/")
        if slash and prefix in self._families:
            make, names = self._families[prefix]
            try:
                return make(rest)
            except (KeyError, ValueError):
                family = (f"{prefix}/{n}" for n in names())
                raise InputError(f"unknown {self.kind} {quoted(name)}{nearest(name, family)}") from None
        known = [*self._entries, *installed(self._group), *(f"{p}/…" for p in self._families)]
        raise InputError(f"unknown {self.kind} {quoted(name)}{nearest(name, known)}")

    def __contains__(self, name: str) -> bool:
        """Whether ``get`` knows that name; a broken entry point is known."""
        self.load()
        if name in self._entries or name in installed(self._group):
            return True
        prefix, slash, rest = name.partition("/")
        return bool(slash) and prefix in self._families and rest in set(self._families[prefix][1]())

    def names(self, pattern: str = "*") -> list[str]:
        """Sorted names that match a glob. A family is listed only when the glob begins with its prefix."""
        self.load()
        found = [n for n in {*self._entries, *installed(self._group)} if fnmatchcase(n, pattern)]
        for prefix, (_, names) in self._families.items():
            if pattern.startswith(f"{prefix}/"):
                full = [f"{prefix}/{rest}" for rest in names()]
                found += [name for name in full if fnmatchcase(name, pattern)]
        return sorted(found)

    def own(self) -> list[str]:
        """Every name that was added, in that order, and every family's prefix with its slash."""
        return [*self._entries, *(f"{prefix}/" for prefix in self._families)]

    def families(self) -> list[str]:
        """The prefixes that answer for names of their own."""
        self.load()
        return sorted(self._families)

    def load(self) -> None:
        """Imports the modules of the registry's package, once."""
        if self._loaded:
            return
        self._loaded = True
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self._package}.{module.name}")

    @contextmanager
    def isolated(self) -> Iterator[None]:
        """Takes back, at the end, every name that was added within: for tests of plugins."""
        self.load()
        entries, families = dict(self._entries), dict(self._families)
        try:
            yield
        finally:
            self._entries, self._families = entries, families

    def _import_installed(self, name: str) -> None:
        point = installed(self._group)[name]
        owner = f" of {point.dist.name}" if point.dist is not None else ""
        where = f"{self.kind} '{name}': entry point {point.value}{owner}"
        try:
            point.load()
        except Exception as error:
            raise InputError(f"{where} cannot be loaded: {in_one_line(error)}") from error
        if name not in self._entries:
            raise InputError(f"{where} was loaded but adds no {self.kind} of that name")


def installed(group: str) -> dict[str, importlib.metadata.EntryPoint]:
    """The entry points of that group by name, none of them imported; an empty group has none."""
    if not group:
        return {}
    return {point.name: point for point in importlib.metadata.entry_points(group=group)}


def in_one_line(error: BaseException) -> str:
    """``TypeError: its first line``: what an error says, for a message of one line."""
    words = error.msg if isinstance(error, SyntaxError) else str(error)
    first = words.strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
