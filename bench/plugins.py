"""The user's own files: imported, so that their decorators add to the registries."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.errors import InputError
from bench.registry import Registry, in_one_line

_plugins: dict[Path, tuple[str, BaseException | None]] = {}
_added: dict[Path, dict[str, tuple[str, ...]]] = {}


def load_plugins(paths: Iterable[str]) -> None:
    """Imports the user's own files, each once; their decorators add to the registries.

    Raises InputError when a file is not there or raises while it is imported, and again whenever
    that file is asked for.
    """
    for path in paths:
        file = Path(path).resolve()
        if file not in _plugins:
            # The package's own names come first: a plugin that takes one of them is then the one to be told.
            for registry in _registries():
                registry.load()
            before = {registry.kind: registry.own() for registry in _registries()}
            _plugins[file] = _import_plugin(path, file)
            new = {
                r.kind: tuple(name for name in r.own() if name not in before[r.kind]) for r in _registries()
            }
            _added[file] = {kind: names for kind, names in new.items() if names}
        message, cause = _plugins[file]
        if message:
            raise InputError(message) from cause


def added(path: str) -> dict[str, tuple[str, ...]]:
    """What a plugin that was imported added: kind (``method``, ``backbone``, ``runtime``) -> names.

    The name of a family ends with a slash.
    """
    return dict(_added.get(Path(path).resolve(), {}))


def loaded() -> bool:
    """Whether a plugin was imported: the registries may then hold more than the package's own names."""
    return bool(_plugins)


@contextmanager
def isolated() -> Iterator[None]:
    """Forgets, at the end, every plugin that was imported within, and its names: for tests."""
    before, added_before = dict(_plugins), dict(_added)
    with ExitStack() as stack:
        for registry in _registries():
            stack.enter_context(registry.isolated())
        try:
            yield
        finally:
            _plugins.clear()
            _plugins.update(before)
            _added.clear()
            _added.update(added_before)
            for name in [n for n in sys.modules if n.startswith("bench_plugin_")]:
                if int(name.split("_")[2]) >= len(before):
                    del sys.modules[name]


def _registries() -> tuple[Registry[Any], ...]:
    """What a plugin can add to; imported late, because torch comes with them."""
    from bench.methods import METHODS
    from bench.models import BACKBONES
    from bench.runtimes import RUNTIMES

    return METHODS, BACKBONES, RUNTIMES


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
        return f"plugin '{path}'{_line_of(error, file)}: {in_one_line(error)}", error
    return "", None


def _line_of(error: BaseException, file: Path) -> str:
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == file]
    return f", line {lines[-1]}" if lines else ""
