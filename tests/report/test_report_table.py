"""The table of cases: one unit and one number of decimals a column, groups with their dense row first."""

from __future__ import annotations

import math
import re

import pytest
from golden import HTML, after, golden
from hypothesis import given
from hypothesis import strategies as st
from report_lab import Net, around, rows, run

from bench.report.column_digits import COUNTS, Value, bounds, decimals_for, fixed, scale_for, told_apart
from bench.report.rows import Row
from bench.report.table import Table, table
from bench.report.table_columns import Column

NAN = math.nan


def columns(found: Table) -> dict[str, Column]:
    return {column.key: column for column in found.columns}


def texts(found: Table, key: str) -> list[str]:
    return [cell.text for cell in columns(found)[key].cells]


def of(*nets: Net) -> list[Row]:
    return rows(run(*nets))


@pytest.mark.parametrize(
    ("values", "decimals"),
    [
        ([Value(0.7712, 0.7619, 0.7807)], 3),  # half 0.0094 would bear four: no more than three digits
        ([Value(0.7712, 0.74, 0.80)], 3),
        ([Value(0.7712, 0.6, 0.94)], 2),  # half 0.17 bears two
        ([Value(2.58, 2.53, 2.63)], 2),
        ([Value(0.214, 0.212, 0.216), Value(2.58, 2.53, 2.63)], 2),
        ([Value(12.3, 12.2, 12.4), Value(0.214, 0.212, 0.216)], 2),  # two digits of the smallest stay
        ([Value(1.6, 0.09, 28.2), Value(0.9, 0.89, 0.91)], 3),  # what nobody knows has no say
        ([Value(123.4), Value(234.5)], 0),
        ([Value(NAN)], 2),
        ([], 2),
    ],
)
def test_decimals_of_a_column(values: list[Value], decimals: int) -> None:
    assert decimals_for(values) == decimals


def test_one_unit_for_a_column() -> None:
    assert scale_for([270_000, 14_700_000, 23_000_000], COUNTS).name == "M"
    assert scale_for([100, 200], COUNTS).name == ""
    assert scale_for([], COUNTS).name == ""


@given(st.floats(0.3, 3), st.floats(1e-4, 0.2))
def test_a_bound_never_looks_like_one_that_it_is_not(low: float, width: float) -> None:
    high = low + width
    shown = [float(word) for word in bounds(low, high, 2, watch=1.0).split("–")]
    for bound, text in zip((low, high), shown, strict=True):
        if abs(bound - 1) > 1e-8:
            assert (text < 1) == (bound < 1)
            assert (text > 1) == (bound > 1)


def test_what_differs_from_one_is_not_printed_as_one() -> None:
    assert told_apart([0.996, 2.0], 2) == 3
    assert told_apart([0.98], 2) == 2
    assert fixed(-0.001, 2) == "0.00"
    assert fixed(NAN, 2) == "—"
    assert fixed(-1.5, 1) == "−1.5"


def test_cells_of_a_column_have_the_same_decimals() -> None:
    intervals = ("interval", "latency_interval", "delivered_interval")
    numbers = [c for c in table(rows(*golden())).columns if c.numeric and c.key not in intervals]
    assert {"latency", "ratio", "macs_ratio"} <= {column.key for column in numbers}
    for column in numbers:
        decimals = {len(c.text.partition(".")[2]) for c in column.cells if c.text != "—"}
        assert len(decimals) <= 1, column.header


def test_one_line_a_row_with_units_in_the_header() -> None:
    found = table(rows(after()))
    headers = [column.header for column in found.columns]
    assert {"latency, ms", "weight bytes, KiB", "delivered share, %", "latency ÷ dense"} < set(headers)
    assert not any("\n" in cell.whole for line in found.lines for cell in line.cells)
    assert len(headers) == len(set(headers))
    assert all(column.meaning.endswith(".") for column in found.columns)


def test_rows_stand_by_backbone_with_the_dense_one_first() -> None:
    late = [Net("csr_conv", around(2e-3), {"T": 2}), Net(), Net(backbone="vgg"), Net("int8", backbone="vgg")]
    found = table(of(*late))
    assert [group.name for group in found.groups] == ["resnet20", "vgg"]
    assert [[line.method for line in group.lines] for group in found.groups] == [
        ["dense", "csr_conv"],
        ["dense", "int8"],
    ]
    assert [line.anchor for line in found.lines] == ["case-2", "case-1", "case-3", "case-4"]
    assert found.lines[0].cells[1].text == "dense"


def test_hosts_and_runs_are_groups_of_their_own() -> None:
    found = table(rows(*golden()))
    assert len(found.groups) == 8
    assert found.groups[0].name == "resnet20 (run 20260101-a, rack (aa11))"
    assert all(group.lines[0].is_baseline for group in found.groups)


def test_one_can_choose_by_what_differs() -> None:
    (backbones, methods, verdicts) = table(rows(after())).choices
    assert backbones.values == ("resnet20", HTML)
    assert "csr_conv" in methods.values
    assert {"baseline", "faster", "slower", "cannot tell", "failed", "not run"} <= set(verdicts.values)
    assert table(of(Net())).choices == ()


def test_the_delivered_share_is_told_with_its_interval_or_not_at_all() -> None:
    found = table(rows(after()))
    by_method = dict(
        zip(
            texts(found, "method"),
            zip(texts(found, "delivered"), texts(found, "delivered_interval"), strict=True),
            strict=True,
        )
    )
    share, interval = by_method["csr_conv(T=4)"]
    assert share.startswith("−")
    assert re.fullmatch(r"−\d+ to −\d+", interval)
    assert by_method["filter_l1(ratio=0.5)"] == ("—", "—")  # the interval of the ratio holds 1
    assert by_method["psconv(variant=pSC4)"] == ("—", "—")  # 5 % of the MACs saved
    assert by_method["dense"] == ("—", "—")


def test_an_error_stands_behind_the_verdict() -> None:
    found = table(rows(after()))
    (line,) = [line for line in found.lines if line.method == "magnitude"]
    cell = dict(zip(columns(found), line.cells, strict=True))["verdict"]
    assert (cell.text, cell.note) == ("failed", "RuntimeError in sample: out of memory")


def test_the_table_is_folded_beyond_a_bound() -> None:
    found = table(rows(after()), 4)
    assert (len(found.lines), found.all_lines) == (4, 11)
    assert len(table(rows(after()), None).lines) == 11


def test_columns_that_nobody_has_are_left_out() -> None:
    keys = columns(table(of(Net())))
    assert not {"energy", "launch_overhead", "float32_ratio", "exported_bytes", "instructions"} & set(keys)
    assert not columns(table(of(Net())))["executed_ratio"].shown
    assert columns(table(rows(after())))["executed_ratio"].shown


def test_a_rule_hides_the_columns_that_are_not_shown_at_first() -> None:
    found = table(rows(after()))
    hidden = {int(at) for at in re.findall(r"nth-child\((\d+)\)", found.hiding)}
    assert hidden == {at for at, column in enumerate(found.columns, 1) if not column.shown}
    assert found.hiding.endswith("{display:none}")
