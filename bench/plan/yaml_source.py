"""YAML with positions: plain data, and the line on which each value stands."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bench.errors import InputError, quoted

MAX_BYTES = 2**18
"""Shipped suites have less than 3 KB. A quarter of a megabyte of YAML is read within two seconds."""

MAX_VALUES = 100_000
"""A suite needs hundreds of values; anchors that refer to anchors reach billions."""

MAX_NUMBER = 2**63 - 1
"""Seeds and sizes end up in torch, which counts in 64 bits."""

_ODD_SCALARS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What PyYAML lets through for ``!!timestamp x``, ``!!bool x``, ``!!int ""`` and numbers out of range."""

Place = tuple[str | int, ...]
"""Where a value stands in a document: keys of mappings, numbers of list items."""


@dataclass
class YamlSource:
    """Data read from ``file``; ``lines`` maps the path of each key and item to its line, from 1."""

    file: str
    data: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    text: str = ""

    def where(self, path: Place) -> str:
        """``file:line`` of the value at that path, or of the nearest one that encloses it."""
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.file}:{self.lines.get(path, 1)}"


def read_yaml(file: Path) -> YamlSource:
    """Reads one YAML document.

    Raises InputError, with file and line, for a file that is not there, is no regular one or has more
    than MAX_BYTES, a syntax error, a key twice in a mapping, and anchors that expand to more than
    MAX_VALUES values.
    """
    try:
        mode = file.stat().st_mode
        # A pipe or a device may have no end, and opening one may wait for ever.
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise InputError(f"{file}: not a regular file")
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise InputError(f"{file}: larger than {MAX_BYTES // 1024} KiB, which no suite needs")
        text = data.decode("utf-8")
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except UnicodeDecodeError:
        raise InputError(f"{file}: not a UTF-8 text file") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: {getattr(error, 'strerror', None) or error}") from None
    return parse_yaml(text, str(file))


def read_value(text: str, where: str) -> Any:
    """One value in YAML, as a command line gives it; ``where`` names it in messages.

    Raises InputError for text that is no YAML, and for values that ``read_yaml`` refuses.
    """
    try:
        return parse_yaml(text, "value").data
    except InputError as error:
        problem = str(error).partition(": ")[2]  # without the place: the text is one line
        raise InputError(f"{where}: {quoted(text)} is no YAML value: {problem}") from None


def parse_yaml(text: str, file: str) -> YamlSource:
    """Parses a YAML text; ``file`` is its name in messages. Raises InputError as ``read_yaml`` does."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise InputError(f"{file}:{line}: YAML syntax error: {_problem(error)}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InputError(f"{file}:{line}: YAML syntax error: character {error.character:#x}") from None
    except RecursionError:
        raise InputError(f"{file}:1: nesting is too deep") from None
    except (ArithmeticError, ValueError) as error:  # escapes and directives with numbers that are none
        raise InputError(f"{file}:1: YAML syntax error: {_problem(error)}") from None
    source = YamlSource(file, text=text)
    if node is not None:
        source.data = _Builder(source).build(node, (), frozenset())
    return source


def _problem(error: Exception) -> str:
    """What is wrong, without the excerpt of the text that PyYAML adds."""
    words = (error.problem or error.context) if isinstance(error, yaml.MarkedYAMLError) else str(error)
    return " ".join((words or "cannot be read").split())


class _Builder:
    def __init__(self, source: YamlSource) -> None:
        self._source = source
        self._scalars = yaml.SafeLoader("")
        self._values = 0

    def build(self, node: yaml.Node, path: Place, around: frozenset[int]) -> Any:
        line = node.start_mark.line + 1
        self._values += 1
        if self._values > MAX_VALUES:
            raise InputError(
                f"{self._source.file}:{line}: anchors expand to more than {MAX_VALUES} values; write them out"
            )
        if id(node) in around or len(around) > 50:
            raise InputError(f"{self._source.file}:{line}: an anchor contains itself, or nesting is too deep")
        self._source.lines.setdefault(path, line)
        around = around | {id(node)}
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, at), around) for at, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, around)
        try:
            value = self._scalars.construct_object(node)
        except (yaml.YAMLError, *_ODD_SCALARS) as error:
            raise InputError(f"{self._source.file}:{line}: {_problem(error)}") from None
        if isinstance(value, int) and abs(value) > MAX_NUMBER:
            raise InputError(f"{self._source.file}:{line}: a number above {MAX_NUMBER}")
        return value

    def _mapping(self, node: yaml.MappingNode, path: Place, around: frozenset[int]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise InputError(f"{self._source.file}:{line}: a key must be one word")
            key = str(key_node.value)
            if key in result:
                raise InputError(f"{self._source.file}:{line}: key '{key}' stands twice in one mapping")
            self._source.lines[(*path, key)] = line
            result[key] = self.build(value_node, (*path, key), around)
        return result
