"""Which columns of the table a sheet of A4 has room for."""

from __future__ import annotations

from report_lab import HOST, Net, around, rows, run

from bench.report.paper import left_out, paper_rule, paper_words
from bench.report.table import table
from bench.report.table_columns import Column

NETS = (Net(), Net("csr_conv", around(1.5e-3), {"T": 4}, params=500), Net("ghost", around(2e-3)))


def columns(*nets: Net) -> tuple[Column, ...]:
    return table(rows(run(*nets))).columns


def test_where_all_have_room_nothing_is_left_out() -> None:
    few = tuple(column for column in columns(*NETS) if column.key in ("backbone", "method", "ratio"))
    assert left_out(few) == []
    assert paper_rule(few) == ""
    assert paper_words(few) == ""


def test_what_names_a_case_and_its_verdict_stay_the_longest() -> None:
    found = columns(*NETS)
    keys = [found[at - 1].key for at in left_out(found, 400.0)]
    assert keys
    assert not {"backbone", "method", "ratio", "verdict"} & set(keys)
    assert left_out(found, 0.0) == [at for at, column in enumerate(found, start=1) if column.shown]


def test_hidden_columns_take_no_room_and_are_not_told() -> None:
    found = columns(*NETS)
    hidden = [at for at, column in enumerate(found, start=1) if not column.shown]
    assert hidden
    assert not set(hidden) & set(left_out(found, 0.0))


def test_the_rule_is_for_paper_alone_and_told_in_words() -> None:
    other = run(*NETS, name="run-2", host={**HOST, "id": "p", "name": "a-host-with-a-rather-long-name"})
    wide = table(rows(run(*NETS), other)).columns
    places = left_out(wide)
    assert places
    assert str(paper_rule(wide)).startswith("@media print{#table tr > :nth-child(")
    assert str(paper_rule(wide)).count("nth-child") == len(places)
    assert paper_words(wide).startswith("Without room on paper: ")
