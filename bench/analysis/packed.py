"""Numbers and readings of trials in little memory, equal to the plain tuple or dict; none can be changed.

A boxed float takes 32 bytes and a slot, a dict of six readings some 700; a run may have a million trials.
"""

from __future__ import annotations

import struct
from collections.abc import ItemsView, Iterable, Iterator, Mapping, Sequence, ValuesView
from typing import Any, overload

from pydantic_core import PydanticSerializationError, from_json, to_json

_BYTES = struct.calcsize("d")


class Numbers(Sequence[float]):
    """Floats side by side, eight bytes each; equal to every sequence of the same floats."""

    __slots__ = ("_packed",)

    def __init__(self, values: Iterable[float]) -> None:
        plain = tuple(values)
        self._packed = struct.pack(f"{len(plain)}d", *plain)

    def plain(self) -> tuple[float, ...]:
        """The numbers as a tuple."""
        return struct.unpack(f"{len(self._packed) // _BYTES}d", self._packed)

    def __len__(self) -> int:
        return len(self._packed) // _BYTES

    def __iter__(self) -> Iterator[float]:
        return iter(self.plain())

    @overload
    def __getitem__(self, at: int) -> float: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[float, ...]: ...
    def __getitem__(self, at: int | slice) -> float | tuple[float, ...]:
        numbers = memoryview(self._packed).cast("d")
        return tuple(numbers[at]) if isinstance(at, slice) else numbers[at]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Sequence) and not isinstance(other, str | bytes):
            return self.plain() == tuple(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.plain())

    def __repr__(self) -> str:
        return f"Numbers({self.plain()!r})"


class Readings(Mapping[str, Any]):
    """Plain data by name. Names are shared with other readings, values are JSON until they are asked for.

    Each question reads all values: who asks for several makes a dict of them first (``plain``).
    """

    __slots__ = ("_places", "_values")

    def __init__(self, places: Mapping[str, int], values: bytes) -> None:
        """``places``: name -> its place in ``values``, a list as JSON."""
        self._places = places
        self._values = values

    def plain(self) -> dict[str, Any]:
        """The readings as a dict of their own."""
        return dict(zip(self._places, from_json(self._values, cache_strings="all"), strict=True))

    def same(self, places: Mapping[str, int], values: bytes) -> bool:
        """True for one that would be made of the same arguments."""
        return self._places is places and self._values == values

    def __getitem__(self, name: str) -> Any:
        return from_json(self._values, cache_strings="all")[self._places[name]]

    def get(self, name: str, default: Any = None) -> Any:
        """The reading of that name; ``default`` where there is none."""
        return self[name] if name in self._places else default

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def items(self) -> ItemsView[str, Any]:
        """Names with their values, read once."""
        return self.plain().items()

    def values(self) -> ValuesView[Any]:
        """The values, read once."""
        return self.plain().values()

    def __eq__(self, other: object) -> bool:
        return self.plain() == plain(other) if isinstance(other, Mapping) else NotImplemented

    def __repr__(self) -> str:
        return f"Readings({self.plain()!r})"


def plain(value: Any) -> Any:
    """The value as plain data: what is packed as a tuple or dict of its own, all else as it is."""
    kind = type(value)
    return value.plain() if kind is Readings or kind is Numbers else value


class Packing:
    """Makes readings that share their names; one that is equal to the ``field``'s latest is that one."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, ...], Mapping[str, int]] = {}
        self._before: dict[str, Readings] = {}

    def packed(self, field: str, seen: Mapping[str, Any]) -> Mapping[str, Any]:
        """The readings packed; as they are where they hold text that no file can (a lone surrogate)."""
        if not seen:
            return _NOTHING
        names = tuple(seen)
        places = self._places.get(names)
        if places is None:
            places = self._places[names] = {name: at for at, name in enumerate(names)}
        try:
            values = to_json(list(seen.values()))
        except (PydanticSerializationError, ValueError):
            return seen
        before = self._before.get(field)
        if before is None or not before.same(places, values):
            before = self._before[field] = Readings(places, values)
        return before


_NOTHING = Readings({}, b"[]")
