"""YAML with positions: every mistake has its line, and no text can hang or crash the reader."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mistakes import assert_named

from bench.errors import InputError
from bench.plan.yaml_source import MAX_BYTES, MAX_NUMBER, parse_yaml, read_yaml

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_data_and_the_line_of_each_value() -> None:
    source = parse_yaml("a: 1\nb:\n  - x\n  - c: true\n", "s.yaml")
    assert source.data == {"a": 1, "b": ["x", {"c": True}]}
    assert source.where(("a",)) == "s.yaml:1"
    assert source.where(("b", 0)) == "s.yaml:3"
    assert source.where(("b", 1, "c")) == "s.yaml:4"


def test_a_path_that_is_not_there_gets_the_line_of_what_encloses_it() -> None:
    source = parse_yaml("a: 1\nb:\n  - x\n", "s.yaml")
    assert source.where(("b", 7, "z")) == "s.yaml:2"
    assert source.where(("nothing",)) == "s.yaml:1"


def test_an_anchor_may_be_used_again() -> None:
    assert parse_yaml("a: &x [1, 2]\nb: *x\n", "s.yaml").data == {"a": [1, 2], "b": [1, 2]}


def test_an_empty_text_has_no_data() -> None:
    assert parse_yaml("", "s.yaml").data is None
    assert parse_yaml("# only a comment\n", "s.yaml").data is None


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_bytes(b"\xef\xbb\xbfname: x\n")
    assert read_yaml(file).data == {"name": "x"}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: [1\nb: 2\n", 2, "YAML syntax error: expected ',' or ']'"),
        ("a: 1\n\tb: 2\n", 2, "YAML syntax error: found character"),
        ("a: 1\nb: *nothing\n", 2, "undefined alias 'nothing'"),
        ("a: 1\n---\nb: 2\n", 2, "another document"),
        ("a: 1\nb: 2\na: 3\n", 3, "key 'a' stands twice in one mapping"),
        ("a:\n  b: 1\n  b: 2\n", 3, "key 'b' stands twice in one mapping"),
        ("a: 1\n[b, c]: 2\n", 2, "a key must be one word"),
        ("a: 1\nb: !!python/object:os.system x\n", 2, "could not determine a constructor"),
        ("a: 1\nb: !!int x\n", 2, "invalid literal"),
        ("a: 1\nb: 2020-99-99\n", 2, "month must be in 1..12"),
        (LAUGHS, 1, "anchors expand to more than 100000 values"),
        ("a: 1\nb: &x [*x]\n", 2, "an anchor contains itself"),
        ("a: 1\nb: &x\n  c: *x\n", 2, "an anchor contains itself"),
        ("a: " + "[" * 60 + "]" * 60, 1, "nesting is too deep"),
        ("a: " + "[" * 1000 + "]" * 1000, 1, "nesting is too deep"),
        ("a: " + "{b: " * 1000 + "}" * 1000, 1, "nesting is too deep"),
        ("a: 1\nb: " + "9" * 5000, 2, "Exceeds the limit"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(text: str, line: int, words: str) -> None:
    assert_named(lambda: parse_yaml(text, "s.yaml"), "s.yaml", line, words)


def test_a_mistake_shows_no_excerpt_of_the_text() -> None:
    with pytest.raises(InputError) as caught:
        parse_yaml("a: !foo x\n", "s.yaml")
    assert "<unicode string>" not in str(caught.value)


def test_a_control_character_has_its_line() -> None:
    with pytest.raises(InputError, match=r"^s.yaml:3: YAML syntax error: character 0x7$"):
        parse_yaml("a: 1\nb: 2\nc: \x07\n", "s.yaml")


@pytest.mark.parametrize("text", ["0x" + "f" * 5000, str(MAX_NUMBER + 1), str(-MAX_NUMBER - 1)])
def test_a_number_too_large_for_64_bits_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"^s.yaml:2: a number above"):
        parse_yaml(f"a: 1\nb: {text}\n", "s.yaml")
    assert parse_yaml(f"b: {MAX_NUMBER}\n", "s.yaml").data == {"b": MAX_NUMBER}


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no\.yaml: no such file$"):
        read_yaml(tmp_path / "no.yaml")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r": Is a directory$"):
        read_yaml(tmp_path)


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_bytes(b"name: \xff\xfe\n")
    with pytest.raises(InputError, match=r"s\.yaml: not a UTF-8 text file$"):
        read_yaml(file)


@given(st.text(max_size=60) | st.text(alphabet="ab:-[]{}&*!|>'\"#,? \n\t0", max_size=60))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    message = ""
    try:
        parse_yaml(text, "s.yaml")
    except InputError as error:
        message = str(error)
    assert not message or message.startswith("s.yaml:")


def test_bug_a_file_without_end_was_read_to_its_end() -> None:
    with pytest.raises(InputError, match=r"^/dev/zero: not a regular file$"):
        read_yaml(Path("/dev/zero"))


def test_bug_a_pipe_that_nobody_writes_to_was_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="not a regular file"):
        read_yaml(tmp_path / "pipe")


def test_bug_ten_megabytes_of_line_ends_took_seconds(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_bytes(b"\n" * 10_000_000)
    with pytest.raises(InputError, match=r"s\.yaml: larger than 256 KiB, which no suite needs$"):
        read_yaml(file)
    file.write_bytes(b"#" * MAX_BYTES)
    assert read_yaml(file).data is None


@pytest.mark.parametrize("value", ["!!timestamp x", "!!bool x", '!!int ""', '"\\UFFFFFFFF"'])
def test_bug_scalars_that_pyyaml_cannot_make_ended_in_a_traceback(value: str) -> None:
    with pytest.raises(InputError, match=r"^s\.yaml:1: "):
        parse_yaml(f"a: {value}\n", "s.yaml")


def test_bug_a_version_of_thousands_of_digits_ended_in_a_traceback() -> None:
    with pytest.raises(InputError, match=r"^s\.yaml:1: "):
        parse_yaml(f"%YAML 1.{'9' * 5000}\n---\na: 1\n", "s.yaml")
