"""Scales, ticks, places and marks: what every chart is drawn with."""

from __future__ import annotations

import itertools
import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from report_lab import Net, rows, run

from bench.report import svg
from bench.report.palette import COLOURS, Palette
from bench.report.svg import SHAPES, Axis, Scale

positive = st.floats(1e-9, 1e9)


def test_a_logarithmic_scale_by_hand() -> None:
    scale = Scale(0.25, 4.0, 100.0, 300.0, log=True)
    assert [scale(value) for value in (0.25, 0.5, 1.0, 4.0)] == pytest.approx([100, 150, 200, 300])
    assert scale.holds(4.0)
    assert not scale.holds(4.01)
    assert (scale.inside(9.0), scale.inside(-1.0)) == (300.0, 100.0)


def test_a_linear_scale_may_run_upwards() -> None:
    scale = Scale(0.0, 10.0, 200.0, 0.0)
    assert [scale(value) for value in (0.0, 2.5, 10.0)] == [200.0, 150.0, 0.0]


@pytest.mark.parametrize(
    ("low", "high", "log"), [(1, 1, False), (2, 1, False), (0, 1, True), (math.nan, 1, False)]
)
def test_a_scale_without_an_extent_is_refused(low: float, high: float, log: bool) -> None:
    with pytest.raises(ValueError, match="scale"):
        Scale(low, high, 0.0, 1.0, log)


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, -1.0])
def test_what_has_no_place_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="no place"):
        Scale(0.1, 1.0, 0.0, 1.0, log=True)(value)


@given(st.lists(positive, min_size=1))
def test_a_scale_over_values_holds_them_all(values: list[float]) -> None:
    scale = svg.log_scale([*values, math.nan, -1.0], 0.0, 100.0)
    assert all(0 <= scale(value) <= 100 for value in values)


def test_a_scale_over_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a value"):
        svg.log_scale([math.nan, 0.0], 0.0, 1.0)


@given(positive, st.floats(1.001, 1e9), st.integers(3, 8))
def test_ticks_are_few_in_order_and_inside(low: float, factor: float, most: int) -> None:
    high = low * factor
    ticks = svg.log_ticks(low, high, most)
    assert 1 <= len(ticks) <= most
    assert ticks == sorted(set(ticks))
    assert all(low * (1 - 1e-9) <= tick <= high * (1 + 1e-9) for tick in ticks)


def test_ticks_by_hand() -> None:
    assert svg.log_ticks(0.2, 4.0) == [0.2, 0.5, 1.0, 2.0]
    assert svg.log_ticks(30, 300_000) == [100, 1000, 10_000, 100_000]
    assert svg.log_ticks(2.1, 2.4, 4) == pytest.approx([2.1, 2.2, 2.3, 2.4])
    assert svg.linear_ticks(0, 10) == [0, 2, 4, 6, 8, 10]
    assert svg.linear_ticks(-1, 1, 5) == [-1, -0.5, 0, 0.5, 1]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_linear_ticks_are_few_and_inside(low: float, width: float) -> None:
    ticks = svg.linear_ticks(low, low + width)
    assert 1 <= len(ticks) <= 6
    slack = width * 1e-6
    assert all(low - slack <= tick <= low + width + slack for tick in ticks)


@given(st.lists(st.floats(-50, 150), min_size=1, max_size=12), st.floats(1, 40))
def test_spread_places_keep_their_distance_their_order_and_their_room(
    places: list[float], gap: float
) -> None:
    moved = svg.spread(places, gap, 0.0, 100.0)
    room = min(gap, 100 / max(1, len(places) - 1))
    ordered = sorted(moved)
    assert all(b - a >= room - 1e-6 for a, b in itertools.pairwise(ordered))
    assert ordered[0] >= -1e-6
    assert ordered[-1] <= 100 + 1e-6
    assert [moved[at] for at in sorted(range(len(places)), key=lambda at: places[at])] == pytest.approx(
        ordered
    )


def test_places_far_apart_stay_where_they_are() -> None:
    assert svg.spread([10, 80, 40], 12, 0, 100) == [10, 80, 40]
    assert svg.spread([50, 50], 10, 0, 100) == [45, 55]


def test_text_cannot_become_markup() -> None:
    bad = '</text><script>alert("1")</script>&\''
    drawn = svg.drawing(10, svg.text(0, 0, bad, bad), label=bad)
    assert isinstance(drawn, Markup)
    assert "<script" not in drawn
    assert ElementTree.fromstring(str(drawn)).findtext("text") == bad


def test_an_attribute_without_a_value_is_left_out() -> None:
    assert svg.element("g", {"class": None, "x": 1.50, "y": -0.001}) == '<g x="1.5" y="0"/>'


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_drawn_around_its_place(shape: str) -> None:
    drawn = str(svg.dot(shape, 100.0, 50.0, 4.0))
    if shape == "circle":
        assert 'cx="100"' in drawn
        return
    corners = [tuple(map(float, pair.split(","))) for pair in re.findall(r"[\d.-]+,[\d.-]+", drawn)]
    assert all(abs(x - 100) < 6 and abs(y - 50) < 6 for x, y in corners)


def test_a_mark_names_its_case_for_the_filter() -> None:
    (row,) = rows(run(Net("psconv", backbone="a<b")))
    drawn = ElementTree.fromstring(str(svg.marked(row, "two\nlines", svg.dot("circle", 1, 1), css="c2")))
    names = {key: drawn.get(key) for key in ("data-case", "data-backbone", "data-method", "class")}
    assert names == {
        "data-case": "case-1",
        "data-backbone": "a<b",
        "data-method": "psconv",
        "class": "datum c2",
    }
    assert drawn.findtext("title") == "two\nlines"


def test_what_joins_cases_names_them_all_once() -> None:
    found = rows(run(Net(), Net("psconv")))
    assert 'data-cases="case-1 case-2"' in svg.joined(
        [*found, found[0]], svg.path([(0, 0), (1, 1)], "series")
    )


def test_an_interval_is_cut_at_the_edge_and_absent_where_unknown() -> None:
    scale = Scale(0.2, 4.0, 0.0, 100.0, log=True)
    assert 'x1="0"' in svg.whisker(scale, 0.1, 1.0, 5)
    assert svg.whisker(scale, math.nan, 1.0, 5) == ""
    assert svg.whisker(scale, 5.0, 6.0, 5) == ""
    assert svg.whisker_up(scale, 0.01, 0.1, 5) == ""


def test_long_words_are_cut() -> None:
    assert svg.cut("csr_conv(T=4)", 148) == "csr_conv(T=4)"
    cut = svg.cut("psconv(variant=PSD1_P16, form=executed)", 148)
    assert cut.endswith("…")
    assert len(cut) <= 148 / svg.LETTER


def test_an_axis_has_a_word_at_every_tick() -> None:
    axis = Axis(Scale(0.2, 4.0, 0.0, 100.0, log=True), "ratio", (0.2, 1.0, 4.0))
    for drawn in (svg.below(axis, 50, 0), svg.beside(axis, 10, 90)):
        words = [one.text for one in ElementTree.fromstring(str(drawn)).iter("text")]
        assert words == ["0.2", "1", "4", "ratio"]


def test_a_method_has_one_look_and_no_two_share_it() -> None:
    methods = [f"m{number}" for number in range(COLOURS * len(SHAPES) - 2)]
    palette = Palette(["filter_l1", *methods[1:], "filter_l1"])
    looks = {palette[method] for method in ("dense", "csr_conv", "filter_l1", *methods[1:])}
    assert len(looks) == len(methods) + 2
    assert len({look.css for look in looks}) == COLOURS


def test_dense_and_the_subject_look_the_same_on_every_page() -> None:
    one, other = Palette(["tucker2", "csr_conv"]), Palette(["csr_conv", "dense", "ghost"])
    assert (one["dense"], one["csr_conv"]) == (other["dense"], other["csr_conv"])


def test_the_legend_lists_the_methods_of_the_rows() -> None:
    found = rows(run(Net("ghost"), Net(), Net("<b>")))
    legend = Palette.of(found).legend(found)
    assert re.findall(r"</svg> ([^<]+)</li>", legend) == ["dense", "ghost", "&lt;b&gt;"]


def test_thousands_of_cases_draw_the_first_and_say_so() -> None:
    panel = svg.Panel("p", Markup("x" * 200_000), "s.")
    found = svg.chart("t", "i", [panel] * 5, "none")
    assert len(found.panels) == 1
    assert found.missing == "4 further panels are left out; the table has their cases."
    assert svg.chart("t", "i", [], "none").missing == "none"
    assert svg.chart("t", "i", [panel], "none").missing == ""
    many = rows(run(Net())) * 1200
    drawn, note = svg.first_marks(many)
    assert (len(drawn), note) == (500, " Drawn are the first 500 of 1,200 cases.")
    assert svg.first_marks(many[:500])[1] == ""


def test_bug_labels_that_differ_at_their_end_were_cut_to_the_same_words() -> None:
    labels = [f"psconv(variant={v},form={f})" for v in ("PSD1_P16", "pSC4") for f in ("fused", "executed")]
    cut = [svg.cut(label, 148) for label in labels]
    assert len(set(cut)) == 4
    assert cut[2] == "psconv(pSC4,fused)"
    assert svg.cut("csr_conv(T=4) @head", 30) == "csr…"
