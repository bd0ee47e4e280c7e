"""oneDNN's verbose log: which primitive ran, in which layouts, and how long it took.

The format is described in oneDNN's developer guide, section "Verbose mode"; lines of other kinds are skipped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

MULTIPLYING = ("convolution", "inner_product", "matmul", "deconvolution")

_DESCRIPTOR = re.compile(
    r"(?P<role>src|wei|dst|bia)\w*[:_](?P<type>\w+):(?P<flags>\w*):(?P<kind>\w*):(?P<tag>\w*)"
)
_CONVOLUTION = re.compile(
    r"(?:g(?P<g>\d+))?mb(?P<mb>\d+)_ic(?P<ic>\d+)oc(?P<oc>\d+)_(?:id\d+od\d+kd\d+\w*?_)?"
    r"ih\d+oh(?P<oh>\d+)kh(?P<kh>\d+)\w*?_iw\d+ow(?P<ow>\d+)kw(?P<kw>\d+)"
)
_BLOCK = re.compile(r"(\d+)([a-z])")


@dataclass(frozen=True)
class Primitive:
    """One execution: ``kind`` (convolution, reorder …), its implementation, layouts by role, seconds."""

    kind: str
    implementation: str
    layouts: dict[str, str]
    problem: str
    seconds: float

    @property
    def macs(self) -> int:
        """Multiply-accumulates that the problem asks for; 0 for what is no convolution."""
        return _product(self._sizes())

    @property
    def padded_macs(self) -> int:
        """The same with channels filled up to whole blocks of the weights' layout: what the hardware does."""
        sizes = self._sizes()
        if not sizes:
            return 0
        grouped = sizes["g"] > 1
        letters = {"a": "g", "b": "oc", "c": "ic"} if grouped else {"a": "oc", "b": "ic"}
        each = {"g": sizes["g"], "oc": sizes["oc"] // sizes["g"], "ic": sizes["ic"] // sizes["g"]}
        for letter, block in blocks(self.layouts.get("wei", "")).items():
            name = letters.get(letter)
            if name:
                each[name] = math.ceil(each[name] / block) * block
        return each["g"] * each["oc"] * each["ic"] * sizes["mb"] * _positions(sizes)

    def _sizes(self) -> dict[str, int]:
        found = _CONVOLUTION.match(self.problem) if self.kind == "convolution" else None
        if found is None:
            return {}
        return {name: int(value or 1) for name, value in found.groupdict().items()}


def read(lines: Iterable[str]) -> list[Primitive]:
    """The executions of a log, in their order."""
    return [primitive for line in lines if (primitive := _read(line)) is not None]


def blocks(tag: str) -> dict[str, int]:
    """Blocks of a layout by dimension: ``ABcd16b16a`` has 16 of a and 16 of b."""
    found: dict[str, int] = {}
    for size, letter in _BLOCK.findall(tag):
        found[letter] = found.get(letter, 1) * int(size)
    return found


def _read(line: str) -> Primitive | None:
    parts = line.strip().split(",")
    if not parts[0].endswith("onednn_verbose") or "exec" not in parts:
        return None
    at = parts.index("exec")
    try:
        kind, implementation, descriptors = parts[at + 2], parts[at + 3], parts[at + 5]
        return Primitive(kind, implementation, _layouts(descriptors), parts[-2], float(parts[-1]) / 1e3)
    except (IndexError, ValueError):
        return None


def _layouts(descriptors: str) -> dict[str, str]:
    return {found["role"]: found["tag"] for found in _DESCRIPTOR.finditer(descriptors)}


def _positions(sizes: dict[str, int]) -> int:
    return sizes["oh"] * sizes["ow"] * sizes["kh"] * sizes["kw"]


def _product(sizes: dict[str, int]) -> int:
    if not sizes:
        return 0
    return sizes["mb"] * sizes["oc"] * sizes["ic"] // sizes["g"] * _positions(sizes)
