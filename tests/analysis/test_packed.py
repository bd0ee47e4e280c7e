"""What is packed reads as the plain tuple or dict does, and takes less memory."""

from __future__ import annotations

import copy
import json
import math
import pickle
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.packed import Numbers, Packing, Readings, plain

NUMBERS = st.lists(st.floats(allow_nan=False), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
LOOKS = st.dictionaries(st.text(), VALUES, max_size=6)


def as_text(value: Any) -> str:
    """By which 1 and 1.0 and True are told apart."""
    return json.dumps(value)


@given(NUMBERS)
def test_numbers_read_as_their_tuple_does(values: list[float]) -> None:
    packed, expected = Numbers(values), tuple(values)
    assert packed == expected
    assert expected == packed
    assert packed == Numbers(values)
    assert hash(packed) == hash(expected)
    assert (len(packed), tuple(packed), packed.plain()) == (len(expected), expected, expected)
    assert bool(packed) == bool(expected)
    assert packed[1:3] == expected[1:3]
    assert [packed[at] for at in range(-len(expected), len(expected))] == [*expected, *expected]
    assert struct.pack(f"{len(values)}d", *packed) == struct.pack(f"{len(values)}d", *values)
    assert copy.deepcopy(packed) == pickle.loads(pickle.dumps(packed)) == packed


def test_numbers_differ_from_others() -> None:
    assert Numbers([1.0, 2.0]) != (1.0, 2.5)
    assert Numbers([1.0]) != (1.0, 1.0)
    assert Numbers([]) != ""
    assert Numbers([1.0]) != 1.0
    assert math.isnan(Numbers([math.nan])[0])
    assert repr(Numbers([1.0])) == "Numbers((1.0,))"


@given(LOOKS)
def test_readings_read_as_their_dict_does(values: dict[str, Any]) -> None:
    packed = Packing().packed("x", values)
    assert packed == values
    assert values == packed
    assert as_text(plain(packed)) == as_text(values)
    assert (list(packed), len(packed)) == (list(values), len(values))
    assert as_text(dict(packed.items())) == as_text(values)
    assert as_text(list(packed.values())) == as_text(list(values.values()))
    assert as_text({name: packed[name] for name in values}) == as_text(values)
    assert all(name in packed for name in values)
    assert copy.deepcopy(packed) == pickle.loads(pickle.dumps(packed)) == values
    assert packed.get("no such name, surely", 5) == 5


def test_readings_cannot_be_changed() -> None:
    packed = Packing().packed("x", {"busy": {"busy": 1}})
    packed["busy"]["busy"] = 2
    plain(packed)["busy"] = 3
    assert packed == {"busy": {"busy": 1}}
    with pytest.raises(TypeError):
        packed["busy"] = 4  # type: ignore[index]
    with pytest.raises(KeyError):
        packed["idle"]
    assert packed != {"busy": {"busy": 2}}
    five: object = 5
    assert packed != five
    assert repr(packed) == "Readings({'busy': {'busy': 1}})"


def test_what_no_file_can_hold_stays_as_it_is() -> None:
    odd = {"governor": "\ud800"}
    assert Packing().packed("x", odd) is odd


def test_equal_readings_of_a_field_are_held_once() -> None:
    packing = Packing()
    first, again = packing.packed("before", {"a": 1}), packing.packed("before", {"a": 1})
    assert first is again
    assert packing.packed("after", {"a": 1}) is not first
    assert packing.packed("before", {"b": 1}) != first
    assert packing.packed("before", {"a": 1.0}) is not first


def test_what_is_not_packed_is_plain() -> None:
    value = {"a": 1}
    assert plain(value) is value
    assert plain(None) is None
    assert plain(Numbers([1.0])) == (1.0,)
    assert type(plain(Packing().packed("x", value))) is dict
    assert isinstance(Packing().packed("x", value), Readings)
