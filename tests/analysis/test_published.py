"""Reading tables of published figures."""

import math
from pathlib import Path

import pytest

from bench.analysis.published import COLUMNS, TABLE, Kind, Published, read_published
from bench.errors import InputError

HEADER = ",".join(COLUMNS)
ROW = "csr_conv,resnet20,T=4,3x32x32,params,1000,0,a paper,resnet20,csr_conv: {T: 4},10"


def write(folder: Path, *lines: str) -> Path:
    file = folder / "figures.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def test_every_row_of_the_own_table_has_a_source() -> None:
    rows = read_published()
    assert len(rows) >= 37
    assert all(row.source and row.system and row.backbone for row in rows)
    assert all(row.where.startswith(f"{TABLE}:") for row in rows)


def test_bug_tolerances_are_half_of_the_last_printed_digit() -> None:
    """What is printed in full must be met; else 5 behind the last digit, or what the source says."""
    for row in read_published():
        if row.tolerance == 0:
            continue
        assert row.kind is Kind.PUBLISHED, row.where
        if "noise between" in row.source or "truncated" in row.source:
            continue
        digits = f"{row.tolerance:.10f}".strip("0.").replace(".", "").strip("0")
        assert digits == "5", f"{row.where}: {row.tolerance}"
        unit = 2 * row.tolerance
        assert math.isclose(row.value / unit, round(row.value / unit), abs_tol=1e-6), row.where


def test_figures_printed_in_full_are_eleven() -> None:
    full = [row for row in read_published() if row.kind is Kind.PUBLISHED and row.tolerance == 0]
    assert len(full) == 11


def test_the_kind_is_read_and_may_be_left_out(tmp_path: Path) -> None:
    assert read_published(write(tmp_path, HEADER, ROW))[0].kind is Kind.PUBLISHED
    assert read_published(write(tmp_path, f"{HEADER},kind", f"{ROW},derived"))[0].kind is Kind.DERIVED
    with pytest.raises(InputError, match=r":2: unknown kind 'formular'; did you mean 'formula'"):
        read_published(write(tmp_path, f"{HEADER},kind", f"{ROW},formular"))


def test_a_row_is_read_with_its_types(tmp_path: Path) -> None:
    (row,) = read_published(write(tmp_path, HEADER, ROW))
    assert row.methods == (("csr_conv", {"T": 4}),)
    assert (row.input, row.value, row.classes) == ((3, 32, 32), 1000.0, 10)


def test_methods_in_a_list_are_a_chain(tmp_path: Path) -> None:
    text = ROW.replace("csr_conv: {T: 4}", '"[csr_conv: {T: 4}, int8]"')
    (row,) = read_published(write(tmp_path, HEADER, text))
    assert row.methods == (("csr_conv", {"T": 4}), ("int8", {}))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (",1000,", ",many,", ":2: value takes a number from 0 up, not 'many'"),
        (",1000,0,", ",1000,nan,", ":2: tolerance takes a number from 0 up, not 'nan'"),
        ("3x32x32", "32", ":2: input '32' is no shape"),
        ("csr_conv: {T: 4}", "csr_conv: 4", ":2: methods: write a name"),
        ("csr_conv: {T: 4}", "{", ":2: methods: '{' is no YAML"),
        ("csr_conv: {T: 4}", "[]", ":2: methods: the list is empty"),
        (",resnet20,csr_conv: {T: 4},10", "", ":2: the row has fewer than"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in ROW
    with pytest.raises(InputError) as caught:
        read_published(write(tmp_path, HEADER, ROW.replace(old, new)))
    assert words in str(caught.value)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the column 'value' is missing"):
        read_published(write(tmp_path, HEADER.replace(",value", ""), ROW))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.csv"):
        read_published(tmp_path / "nothing.csv")


def test_a_whole_row_by_hand(tmp_path: Path) -> None:
    file = write(tmp_path, f"{HEADER},kind", f"{ROW},formula")
    assert read_published(file) == [
        Published(
            "csr_conv", "resnet20", "T=4", (3, 32, 32), "params", 1000.0, 0.0, "a paper", "resnet20",
            (("csr_conv", {"T": 4}),), 10, f"{file}:2", Kind.FORMULA,
        )
    ]  # fmt: skip


def test_classes_may_be_left_out_and_an_empty_kind_is_published(tmp_path: Path) -> None:
    (row,) = read_published(write(tmp_path, f"{HEADER},kind", ROW.removesuffix("10") + ","))
    assert (row.classes, row.kind) == (None, Kind.PUBLISHED)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (",1000,", ",inf,", "value takes a number from 0 up, not 'inf'"),
        (",1000,", ",-1,", "value takes a number from 0 up, not '-1'"),
        ("4},10", "4},ten", "classes takes a number from 0 up, not 'ten'"),
        ("csr_conv: {T: 4}", "3", "methods: write a name, or csr_conv: {T: 4}, or a list of them"),
        (
            "csr_conv: {T: 4}",
            '"{a: {}, b: {}}"',
            "methods: write a name, or csr_conv: {T: 4}, or a list of them",
        ),
        ("csr_conv: {T: 4}", "[]", "methods: the list is empty; 'dense' is the backbone as it is"),
        (",resnet20,csr_conv: {T: 4},10", "", "the row has fewer than 11 columns"),
    ],
)
def test_what_is_wrong_is_said_in_full(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert ROW.count(old) == 1
    file = write(tmp_path, HEADER, ROW, ROW.replace(old, new))
    with pytest.raises(InputError) as caught:
        read_published(file)
    assert str(caught.value) == f"{file}:3: {words}"


def test_words_of_a_table_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "figures.csv"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError) as caught:
        read_published(file)
    assert str(caught.value) == f"{file}: not a CSV file that can be read"
    with pytest.raises(InputError, match=r"figures\.csv:1: the column 'system' is missing$"):
        read_published(write(tmp_path))
    with pytest.raises(InputError, match=r":1: the column 'value' is missing; did you mean 'values'"):
        read_published(write(tmp_path, HEADER.replace(",value", ",values"), ROW))
    with pytest.raises(InputError, match=r": unknown kind 'x'; .*: published, derived, formula work$"):
        read_published(write(tmp_path, f"{HEADER},kind", f"{ROW},x"))
    assert read_published(write(tmp_path, HEADER)) == []
