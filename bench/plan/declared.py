"""What the package's methods, backbones and runtimes declare, read from their source: torch stays unloaded.

A suite is checked against names, knobs, input shapes and check functions. All of that stands in a
decorator and a signature; importing the modules would load torch, and take longer than everything else
that planning does. What cannot be read this way (plugins, entry points, torchvision's and timm's names,
a name put together in a loop) is asked of the registries themselves.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from bench import plugins
from bench.case import Shape
from bench.plan.slices import SliceError, SourceModule, modules_of
from bench.registry import Registry, installed
from bench.runtimes.packages import absent

if TYPE_CHECKING:
    from bench.methods import Method
    from bench.models import Backbone
    from bench.runtimes import Runtime

Check = Callable[..., None]


@dataclass(frozen=True)
class DeclaredMethod:
    """A method as a suite sees it: its knobs are the keyword-only parameters of its function.

    ``check(**knobs)`` raises ValueError for values that can never work. ``times``: its recipe comes
    from timings of its own, or ``times(**knobs)`` says whether. ``varies``: how far its network runs depends
    on the input. ``doc`` is the function's docstring,
    ``summary`` that one's first line.
    """

    name: str
    summary: str
    doc: str = field(repr=False)
    knobs: Mapping[str, inspect.Parameter] = field(repr=False)
    check: Check | None = None
    times: bool | Callable[..., bool] = False
    varies: bool = False

    def times_itself(self, knobs: Mapping[str, Any]) -> bool:
        """Whether with these knobs its recipe comes from timings of its own."""
        return bool(self.times(**knobs) if callable(self.times) else self.times)


@dataclass(frozen=True)
class DeclaredBackbone:
    """A backbone as a suite sees it; ``input`` is (C, H, W) of its customary image.

    ``output``: ``logits``, a ``map``, or ``features``, which know no classes.
    """

    name: str
    summary: str
    input: Shape
    classes: int
    output: str = "logits"


@dataclass(frozen=True)
class DeclaredRuntime:
    """A runtime as a suite sees it. ``exports``: it runs files; ``needs`` and ``extra`` as in ``Runtime``."""

    name: str
    summary: str
    exports: bool = False
    needs: tuple[str, ...] = ()
    extra: str = ""

    @property
    def absent(self) -> str:
        """What is not installed here, and what installs it; empty where nothing is missing."""
        return absent(self.name, self.needs, self.extra)


Declared = TypeVar("Declared")


@dataclass(frozen=True)
class Registration:
    """A function in the source with the decorator that registers it."""

    name: str
    decorator: ast.Call
    function: ast.FunctionDef
    source: SourceModule

    def argument(self, name: str, default: Any = None) -> Any:
        """The value of one of the decorator's keyword arguments. Raises SliceError."""
        for keyword in self.decorator.keywords:
            if keyword.arg is None:
                raise SliceError("a decorator with **arguments")
            if keyword.arg == name:
                return self.source.evaluate(keyword.value)
        return default

    def has(self, name: str) -> bool:
        """Whether the decorator is given that keyword argument."""
        return any(keyword.arg == name for keyword in self.decorator.keywords)

    @property
    def doc(self) -> str:
        """The function's docstring, cleaned of its indentation."""
        return ast.get_docstring(self.function) or ""

    def knobs(self) -> dict[str, inspect.Parameter]:
        """The keyword-only parameters, annotations and defaults evaluated. Raises SliceError."""
        written = self.function.args
        found: dict[str, inspect.Parameter] = {}
        for argument, default in zip(written.kwonlyargs, written.kw_defaults, strict=True):
            empty = inspect.Parameter.empty
            found[argument.arg] = inspect.Parameter(
                argument.arg,
                inspect.Parameter.KEYWORD_ONLY,
                default=empty if default is None else self.source.evaluate(default),
                annotation=empty
                if argument.annotation is None
                else self.source.evaluate(argument.annotation),
            )
        return found


@dataclass(frozen=True)
class Kind(Generic[Declared]):
    """Where one kind of thing is declared, and how a declaration is made from source or from an entry."""

    package: str
    decorator: str
    registry: Callable[[], Registry[Any]]
    read: Callable[[Registration], Declared]
    convert: Callable[[Any], Declared]
    group: str = ""


@dataclass(frozen=True)
class Survey:
    """What a package registers, by its source.

    ``families`` has for each prefix the expression of its maker. ``complete`` is False when something
    is registered in a way that the source does not show, such as a name that a loop puts together.
    """

    registrations: Mapping[str, Registration]
    families: Mapping[str, tuple[ast.expr, SourceModule]]
    complete: bool


class Catalogue(Generic[Declared]):
    """The declarations of one kind; names, globs and messages are those of its registry."""

    def __init__(self, kind: Kind[Declared]) -> None:
        self._kind = kind
        self._read: dict[str, Declared | None] = {}

    def get(self, name: str) -> Declared:
        """The declaration of that name. Raises InputError with the nearest valid word."""
        found = self.from_source(name)
        return self._kind.convert(self._kind.registry().get(name)) if found is None else found

    def __contains__(self, name: str) -> bool:
        """Whether ``get`` knows that name; a broken entry point is known."""
        if name in self.survey.registrations:
            return True
        if self._source_is_enough():
            prefix, slash, _ = name.partition("/")
            if not slash or prefix not in self.survey.families:
                return name in installed(self._kind.group)
        return name in self._kind.registry()

    def names(self, pattern: str = "*") -> list[str]:
        """Sorted names that match a glob. A family is listed only when the glob begins with its prefix."""
        prefix, slash, _ = pattern.partition("/")
        if (slash and prefix in self.survey.families) or not self._source_is_enough():
            return self._kind.registry().names(pattern)
        known = {*self.survey.registrations, *installed(self._kind.group)}
        return sorted(name for name in known if fnmatchcase(name, pattern))

    def shipped(self) -> list[str]:
        """Sorted names that the package itself registers: no family, no plugin, no entry point."""
        if self.survey.complete:
            return sorted(self.survey.registrations)
        return sorted(set(self._kind.registry().names()) - set(installed(self._kind.group)))

    def families(self) -> list[str]:
        """The prefixes that answer for names of their own."""
        return sorted(self.survey.families)

    @cached_property
    def survey(self) -> Survey:
        """What the source shows, read on first use. Raises ValueError when two files share a name."""
        return survey(self._kind.package, self._kind.decorator)

    def from_source(self, name: str) -> Declared | None:
        """The declaration as the source has it; None where only the registry can tell."""
        if name not in self._read:
            self._read[name] = self._from_source(name)
        return self._read[name]

    def _from_source(self, name: str) -> Declared | None:
        try:
            if name in self.survey.registrations:
                return self._kind.read(self.survey.registrations[name])
            prefix, slash, rest = name.partition("/")
            if slash and prefix in self.survey.families:
                make, source = self.survey.families[prefix]
                return self._kind.convert(source.evaluate(make)(rest))
        except (SliceError, NameError, AttributeError, KeyError, ValueError):
            # A part of the maker was out of reach, or the name is none: the registry says which.
            return None
        return None

    def _source_is_enough(self) -> bool:
        return self.survey.complete and not plugins.loaded()


def survey(package: str, decorator: str) -> Survey:
    """Finds what a package registers. Raises ValueError when two files share a name."""
    found: dict[str, Registration] = {}
    families: dict[str, tuple[ast.expr, SourceModule]] = {}
    complete = True
    for source in modules_of(package):
        for statement in source.tree.body:
            registration = _registration(statement, decorator, source)
            if registration is not None:
                if registration.name in found:
                    raise ValueError(f"{decorator} '{registration.name}' is registered twice")
                found[registration.name] = registration
            elif family := _family(statement):
                prefix, make = family
                families[prefix] = (make, source)
            else:
                complete = complete and not any(
                    _registers(node, decorator, source, package) for node in ast.walk(statement)
                )
    return Survey(found, families, complete)


def _registration(statement: ast.stmt, decorator: str, source: SourceModule) -> Registration | None:
    """The registration ``@decorator("name", …) def …``, when the statement is one."""
    if not isinstance(statement, ast.FunctionDef) or len(statement.decorator_list) != 1:
        return None
    (call,) = statement.decorator_list
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == decorator):
        return None
    if len(call.args) != 1 or not isinstance(call.args[0], ast.Constant):
        return None
    return Registration(str(call.args[0].value), call, statement, source)


def _family(statement: ast.stmt) -> tuple[str, ast.expr] | None:
    """Prefix and maker of ``REGISTRY.add_family("prefix", make, names)``, when the statement is that."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and len(call.args) == 3):
        return None
    prefix, make, _ = call.args
    if call.func.attr != "add_family" or not isinstance(prefix, ast.Constant):
        return None
    return str(prefix.value), make


def _registers(node: ast.AST, decorator: str, source: SourceModule, package: str) -> bool:
    """Whether a node adds to the registry in some other way."""
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Name):
        return node.func.id == decorator and source.imported_from(decorator).startswith(package)
    if not (isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)):
        return False
    registry = source.imported_from(node.func.value.id).startswith(package)
    return registry and node.func.attr in ("add", "add_family")


def _first_line(doc: str) -> str:
    return doc.strip().partition("\n")[0]


def _registered_methods() -> Registry[Method]:
    from bench.methods import METHODS

    return METHODS


def _registered_backbones() -> Registry[Backbone]:
    from bench.models import BACKBONES

    return BACKBONES


def _registered_runtimes() -> Registry[Runtime]:
    from bench.runtimes import RUNTIMES

    return RUNTIMES


def _read_method(found: Registration) -> DeclaredMethod:
    check: Check | None = found.argument("check")
    if check is not None:
        check = _with_fallback(found.name, check)
    times, varies = found.argument("times", False), found.argument("varies", False)
    return DeclaredMethod(found.name, _first_line(found.doc), found.doc, found.knobs(), check, times, varies)


def _with_fallback(name: str, sliced: Check) -> Check:
    """The check; where it meets a name that its slice has not, the real module's."""

    def check(**knobs: Any) -> None:
        try:
            sliced(**knobs)
        except (NameError, AttributeError):
            real: Check | None = _registered_methods().get(name).check
            assert real is not None
            real(**knobs)

    return check


def _convert_method(entry: Method) -> DeclaredMethod:
    doc = inspect.getdoc(entry.apply) or ""
    return DeclaredMethod(entry.name, entry.summary, doc, entry.knobs, entry.check, entry.times, entry.varies)


def _read_backbone(found: Registration) -> DeclaredBackbone:
    shape, classes = found.argument("input", (3, 32, 32)), found.argument("classes", 10)
    output = found.argument("output", "logits")
    return DeclaredBackbone(found.name, _first_line(found.doc), shape, classes, output)


def _convert_backbone(entry: Backbone) -> DeclaredBackbone:
    return DeclaredBackbone(entry.name, entry.summary, entry.input, entry.classes, entry.output)


def _read_runtime(found: Registration) -> DeclaredRuntime:
    return DeclaredRuntime(
        found.name,
        _first_line(found.doc),
        found.has("export"),
        found.argument("needs", ()),
        found.argument("extra", ""),
    )


def _convert_runtime(entry: Runtime) -> DeclaredRuntime:
    return DeclaredRuntime(entry.name, entry.summary, entry.export is not None, entry.needs, entry.extra)


DECLARED_METHODS = Catalogue(
    Kind("bench.methods", "method", _registered_methods, _read_method, _convert_method, group="bench.methods")
)
DECLARED_BACKBONES = Catalogue(
    Kind("bench.models", "backbone", _registered_backbones, _read_backbone, _convert_backbone)
)
DECLARED_RUNTIMES = Catalogue(
    Kind("bench.runtimes", "runtime", _registered_runtimes, _read_runtime, _convert_runtime)
)
