"""A case: readable stable ids, and a record that reads back as the same case."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.case import DENSE, DTYPES, Case, MethodCall, parse_shape
from bench.errors import InputError

words = st.text("abcdefgXYZ0123456789_.*", min_size=1, max_size=8)
numbers = st.integers(1, 1000)
knob_values = st.one_of(
    numbers,
    st.floats(0.001, 0.999),
    words,
    st.lists(words, min_size=1, max_size=3).map(tuple),
    st.dictionaries(words, numbers, min_size=1, max_size=3),
)
calls = st.builds(MethodCall, words, st.dictionaries(words, knob_values, max_size=3))
cases = st.builds(
    Case,
    backbone=words,
    methods=st.lists(calls, min_size=1, max_size=3).map(tuple),
    runtime=words,
    target=words,
    batch=numbers,
    input=st.tuples(numbers, numbers, numbers),
    seed=st.integers(0, 2**63 - 1),
    threads=numbers,
    memory_format=st.sampled_from(["contiguous", "channels_last"]),
    classes=st.none() | numbers,
    dtype=st.sampled_from(DTYPES),
)


def test_usual_values_are_left_out_of_the_id() -> None:
    assert Case("resnet20", DENSE).id == "resnet20/dense/eager/cpu/b1/3x32x32"


def test_unusual_values_stand_in_the_id() -> None:
    case = Case(
        "resnet20",
        (MethodCall("csr_conv", {"T": 4}), MethodCall("psconv", {"variant": "pSC4", "skip": ["a", "b"]})),
        "compile",
        "board",
        8,
        (3, 64, 48),
        seed=7,
        threads=2,
        memory_format="channels_last",
        classes=100,
        dtype="bfloat16",
    )
    assert case.id == (
        "resnet20/csr_conv(T=4)+psconv(variant=pSC4,skip=a+b)/compile/board/b8/3x64x48"
        "/t2/channels_last/bfloat16/c100/seed7"
    )


def test_blanks_and_slashes_in_a_knob_do_not_reach_the_id() -> None:
    assert MethodCall("m", {"k": "a /b"}).label == "m(k=a:b)"


@given(cases)
def test_a_case_reads_back_from_json_as_it_was(case: Case) -> None:
    back = Case.from_dict(json.loads(json.dumps(case.as_dict())))
    assert back == case
    assert back.id == case.id
    assert back.count_id == case.count_id


@given(cases, cases)
def test_different_cases_have_different_ids(one: Case, other: Case) -> None:
    assert (one.id == other.id) == (one == other)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("backbone", "resnet32"),
        ("methods", (MethodCall("csr_conv", {"T": 2}),)),
        ("runtime", "compile"),
        ("target", "cuda"),
        ("batch", 2),
        ("input", (3, 32, 33)),
        ("seed", 1),
        ("threads", 2),
        ("memory_format", "channels_last"),
        ("classes", 10),
        ("dtype", "float16"),
    ],
)
def test_each_field_changes_the_id(field: str, value: Any) -> None:
    data = {**vars(Case("resnet20", DENSE)), field: value}
    del data["id"]
    assert Case(**data).id != Case("resnet20", DENSE).id


def test_a_baseline_differs_in_the_method_alone() -> None:
    case = Case("resnet20", (MethodCall("csr_conv", {"T": 4}),), batch=8, threads=2, seed=3)
    assert case.baseline() == Case("resnet20", DENSE, batch=8, threads=2, seed=3)
    assert case.baseline().baseline() == case.baseline()


def test_a_baseline_keeps_the_dtype() -> None:
    half = Case("resnet20", (MethodCall("csr_conv", {"T": 4}),), dtype="bfloat16")
    assert half.baseline() == Case("resnet20", DENSE, dtype="bfloat16")


def test_the_usual_dtype_is_in_no_record_so_that_older_revisions_read_it() -> None:
    assert "dtype" not in Case("resnet20", DENSE).as_dict()
    assert Case("resnet20", DENSE, dtype="float16").as_dict()["dtype"] == "float16"


def test_an_unknown_dtype_and_an_unknown_key_are_refused() -> None:
    with pytest.raises(ValueError, match="dtype 'float8' is none of float32, bfloat16, float16"):
        Case("resnet20", DENSE, dtype="float8")
    with pytest.raises(TypeError, match="sparsity"):
        Case.from_dict({**Case("resnet20", DENSE).as_dict(), "sparsity": "2:4"})


def test_cases_with_the_same_network_share_their_counts() -> None:
    one = Case("resnet20", DENSE)
    assert one.count_id == Case("resnet20", DENSE, "compile", "cuda", 8, threads=2).count_id
    assert one.count_id == Case("resnet20", DENSE, dtype="bfloat16").count_id
    assert one.count_id != Case("resnet20", DENSE, seed=1).count_id
    assert one.count_id != Case("resnet20", DENSE, classes=100).count_id
    assert one.count_id != Case("resnet20", DENSE, input=(3, 64, 64)).count_id


@pytest.mark.parametrize("data", [{}, {"methods": [], "input": [3, 32]}, {"methods": 3}])
def test_what_is_no_case_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Case.from_dict(data)


@pytest.mark.parametrize(
    ("text", "shape"),
    [("3x32x32", (3, 32, 32)), ("1x1x1", (1, 1, 1)), ("8x9", (5, 8, 9))],
)
def test_a_shape_is_read(text: str, shape: tuple[int, int, int]) -> None:
    assert parse_shape(text, channels=5) == shape


@pytest.mark.parametrize(
    "text", ["", "3", "3x", "9" * 5000 + "x1", "x3x3", "3x32x32x1", "3X32X32", "-3x4", "03x4", "3x4\n", "a"]
)
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no shape; 3x32x32 is one"):
        parse_shape(text)
