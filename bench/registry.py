"""Names to things, found by importing every module of a package: a new thing is one new file."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import pkgutil
import sys
import traceback
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
        """Adds all names ``prefix/…``: ``make`` gets the part behind the slash, ``names`` lists them."""
        self._families[prefix] = (make, names)

    def get(self, name: str) -> Entry:
        """The entry of that name. Raises InputError with the nearest valid word."""
        self.load()
        if name not in self._entries and name in self._installed():
            self._import_installed(name)
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
        known = [*self._entries, *self._installed(), *(f"{p}/…" for p in self._families)]
        raise InputError(f"unknown {self.kind} '{name}'{nearest(name, known)}")

    def __contains__(self, name: str) -> bool:
        """Whether ``get`` knows that name; a broken entry point is known."""
        self.load()
        if name in self._entries or name in self._installed():
            return True
        prefix, slash, rest = name.partition("/")
        return bool(slash) and prefix in self._families and rest in set(self._families[prefix][1]())

    def names(self, pattern: str = "*") -> list[str]:
        """Sorted names that match a glob. A family is listed only when the glob begins with its prefix."""
        self.load()
        found = [n for n in {*self._entries, *self._installed()} if fnmatchcase(n, pattern)]
        for prefix, (_, names) in self._families.items():
            if pattern.startswith(f"{prefix}/"):
                full = [f"{prefix}/{rest}" for rest in names()]
                found += [name for name in full if fnmatchcase(name, pattern)]
        return sorted(found)

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

    def _installed(self) -> dict[str, importlib.metadata.EntryPoint]:
        if not self._group:
            return {}
        return {point.name: point for point in importlib.metadata.entry_points(group=self._group)}

    def _import_installed(self, name: str) -> None:
        point = self._installed()[name]
        owner = f" of {point.dist.name}" if point.dist is not None else ""
        where = f"{self.kind} '{name}': entry point {point.value}{owner}"
        try:
            point.load()
        except Exception as error:
            raise InputError(f"{where} cannot be loaded: {_in_one_line(error)}") from error
        if name not in self._entries:
            raise InputError(f"{where} was loaded but adds no {self.kind} of that name")


_plugins: dict[Path, tuple[str, BaseException | None]] = {}


def load_plugins(paths: Iterable[str]) -> None:
    """Imports the user's own files, each once; their decorators add to the registries.

    Raises InputError when a file is not there or raises while it is imported, and again whenever
    that file is asked for.
    """
    for path in paths:
        file = Path(path).resolve()
        if file not in _plugins:
            _load_own_names()
            _plugins[file] = _import_plugin(path, file)
        message, cause = _plugins[file]
        if message:
            raise InputError(message) from cause


def _load_own_names() -> None:
    """The package's own names come first: a plugin that takes one of them is then the one to be told."""
    from bench.methods import METHODS
    from bench.models import BACKBONES

    METHODS.load()
    BACKBONES.load()


def _import_plugin(path: str, file: Path) -> tuple[str, BaseException | None]:
    """Why the file cannot be used, and what it raised; an empty message when all went well."""
    # The number keeps two files of the same name in different folders apart.
    name = f"bench_plugin_{len(_plugins)}_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if not file.is_file() or spec is None or spec.loader is None:
        return f"plugin '{path}' is not a Python file that can be read", None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's own file may raise anything
        del sys.modules[name]
        return f"plugin '{path}'{_line_of(error, file)}: {_in_one_line(error)}", error
    return "", None


def _line_of(error: BaseException, file: Path) -> str:
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == file]
    return f", line {lines[-1]}" if lines else ""


def _in_one_line(error: BaseException) -> str:
    words = error.msg if isinstance(error, SyntaxError) else str(error)
    first = words.strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
