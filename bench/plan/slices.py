"""Running a few definitions of a module without importing it.

A method's file imports torch at its top, but the function that checks its knobs needs none of it. Here
a module is read with ``ast``, and only the statements that the wanted name rests on are executed, in a
stand-in module of their own. Whatever would need torch, or cannot be judged from the source, raises
``SliceError``; the caller then imports the real module.
"""

from __future__ import annotations
import __future__

import ast
import importlib
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[1]

REAL = ("bench.case", "bench.errors")
"""Modules of this package that are light: they are imported as they are."""

REGISTERING = ("method", "backbone", "runtime")
"""Decorators that add to a registry: what they decorate is declared elsewhere and never run from here."""

_FOREIGN = ("importlib", "runpy")
"""Parts of the standard library by which a function could import anything after all."""


class SliceError(NameError):
    """A name that cannot be had without importing its module: torch is behind it, or more than a slice."""


class SourceModule:
    """A module of this package as text: its definitions are executed one by one, when they are asked for."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.file = _file_of(name)
        self.tree = ast.parse(self.file.read_bytes(), str(self.file))
        self._statements, self._doubtful = _bindings(self.tree)
        self._missing: set[str] = set()
        self._open: set[str] = set()
        # dataclasses looks its class's module up in sys.modules; a name with a colon is nobody else's.
        self._stand_in = ModuleType(f"slice:{name}")
        sys.modules[self._stand_in.__name__] = self._stand_in
        self._values = vars(self._stand_in)
        self._values["__getattr__"] = self._attribute

    def value(self, name: str) -> Any:
        """The value of a name of the module. Raises SliceError."""
        self._define(name)
        if name not in self._values:
            raise SliceError(f"{name} of {self.name} has no value")
        return self._values[name]

    def evaluate(self, expression: ast.expr) -> Any:
        """The value that an expression has at the module's top level. Raises SliceError."""
        self._require(_Names.of(expression).at_once)
        code = compile(ast.Expression(expression), str(self.file), "eval", dont_inherit=True)
        return self._guarded(code)

    def knows(self, name: str) -> bool:
        """Whether a statement at the module's top level binds the name."""
        return name in self._statements or name in self._doubtful

    def imported_from(self, name: str) -> str:
        """The module that a ``from … import name`` takes the name from; empty where there is none."""
        statement = self._statements.get(name)
        return (statement.module or "") if isinstance(statement, ast.ImportFrom) else ""

    def _attribute(self, name: str) -> Any:
        """The stand-in's ``__getattr__``: what other modules reach by ``module.name``."""
        try:
            return self.value(name)
        except SliceError as error:
            raise AttributeError(str(error)) from None

    def _define(self, name: str) -> None:
        if name in self._values or name in self._open:
            return
        if name in self._missing or name in self._doubtful or name not in self._statements:
            raise SliceError(f"{name} of {self.name}")
        self._open.add(name)
        try:
            self._bind(name, self._statements[name])
        except SliceError:
            self._missing.add(name)
            raise
        finally:
            self._open.discard(name)

    def _bind(self, name: str, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            self._values[name] = _imported(name, statement)
            return
        names = _Names.of(statement)
        if names.foreign:
            raise SliceError(f"{name} of {self.name} imports {names.foreign}")
        self._require(names.at_once)
        self._try(names.annotations)
        # As if every module had postponed annotations: a parameter's type never needs torch here.
        flags = __future__.annotations.compiler_flag
        body = ast.Module([statement], [])
        self._guarded(compile(body, str(self.file), "exec", flags=flags, dont_inherit=True))
        self._try(names.when_called)

    def _guarded(self, code: Any) -> Any:
        try:
            return eval(code, self._values)  # the package's own source
        except Exception as error:
            raise SliceError(f"{self.name}: {error}") from error

    def _require(self, names: set[str]) -> None:
        for name in sorted(names):
            if self.knows(name):
                self._define(name)

    def _try(self, names: set[str]) -> None:
        """Defines what can be defined: a function that meets a name left out raises NameError."""
        for name in sorted(names):
            if self.knows(name) and name not in self._missing:
                try:
                    self._define(name)
                except SliceError:
                    continue


@cache
def source_of(name: str) -> SourceModule:
    """The module of that dotted name, read once. Raises SliceError for one that is not in this package."""
    return SourceModule(name)


def modules_of(package: str) -> Iterator[SourceModule]:
    """The modules of a package, as ``Registry.load`` imports them: one level, in the order of names."""
    folder = ROOT.parent.joinpath(*package.split("."))
    for file in sorted(folder.glob("*.py")):
        if file.name != "__init__.py":
            yield source_of(f"{package}.{file.stem}")


def _file_of(name: str) -> Path:
    path = ROOT.parent.joinpath(*name.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if name.split(".")[0] == ROOT.name and file.is_file():
            return file
    raise SliceError(f"no source of {name}")


def _imported(name: str, statement: ast.Import | ast.ImportFrom) -> Any:
    """What an import statement binds to the name. Raises SliceError for what lies beyond a slice."""
    alias = next(a for a in statement.names if (a.asname or a.name.partition(".")[0]) == name)
    if isinstance(statement, ast.Import):
        if not _is_light(alias.name):
            raise SliceError(alias.name)
        module = importlib.import_module(alias.name)
        return module if alias.asname else sys.modules[name]
    if statement.level or statement.module is None:
        raise SliceError(f"a relative import of {name}")
    if _is_light(statement.module):
        return getattr(importlib.import_module(statement.module), alias.name)
    source = source_of(statement.module)
    if source.knows(alias.name):
        return source.value(alias.name)
    return source_of(f"{statement.module}.{alias.name}")._stand_in


def _is_light(module: str) -> bool:
    top = module.partition(".")[0]
    return module in REAL or (top in sys.stdlib_module_names and top not in _FOREIGN)


def _bindings(tree: ast.Module) -> tuple[dict[str, ast.stmt], set[str]]:
    """The one statement that binds each name, and the names of which the source leaves a doubt.

    Doubtful is what is bound twice, inside a loop or a condition, or changed after it was bound.
    """
    bound: dict[str, ast.stmt] = {}
    doubtful: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = {statement.name}
            if any(_registers(decorator) for decorator in statement.decorator_list):
                doubtful |= names
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            names = {alias.asname or alias.name.partition(".")[0] for alias in statement.names}
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names = {node.id for target in targets for node in _stored(target)}
            doubtful |= {node for target in targets for node in _changed(target)}
        else:
            names = {node.id for node in _stored(statement)}
            doubtful |= names | set(_changed(statement))
        doubtful |= names & set(bound)
        bound |= dict.fromkeys(names, statement)
    return bound, doubtful


def _registers(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(called, ast.Name) and called.id in REGISTERING


def _stored(node: ast.AST) -> Iterator[ast.Name]:
    return (n for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))


def _changed(node: ast.AST) -> Iterator[str]:
    """Names whose value a statement may change: ``x.y = …``, ``x[0] = …``, ``x.add(…)``."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute | ast.Subscript):
            base: ast.expr = inner
            while isinstance(base, ast.Attribute | ast.Subscript):
                base = base.value
            if isinstance(base, ast.Name):
                yield base.id


class _Names(ast.NodeVisitor):
    """The names that a statement reads: while it is executed, for annotations, or when it is called later."""

    def __init__(self) -> None:
        self.at_once: set[str] = set()
        self.annotations: set[str] = set()
        self.when_called: set[str] = set()
        self.foreign = ""
        self._current = self.at_once

    @classmethod
    def of(cls, node: ast.AST) -> _Names:
        """The names that this statement or expression reads."""
        names = cls()
        names.visit(node)
        return names

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._current.add(node.id)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_function(node, node.body)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_function(node, node.body)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit_function(node, [node.body])

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._within(self.annotations, [node.annotation])
        if node.value is not None:
            self.visit(node.value)

    def visit_Import(self, node: ast.Import) -> None:
        self.foreign = next((a.name for a in node.names if not _is_light(a.name)), self.foreign)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if not _is_light(node.module or ""):
            self.foreign = node.module or "a neighbour"

    def _visit_function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, body: list[Any]
    ) -> None:
        for decorator in getattr(node, "decorator_list", []):
            self.visit(decorator)
        for default in [*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]:
            self.visit(default)
        self._within(self.when_called, body)

    def _within(self, bucket: set[str], nodes: list[Any]) -> None:
        outer, self._current = self._current, bucket
        for node in nodes:
            self.visit(node)
        self._current = outer
