"""The plots: what is in them, what plotly accepts, and words where there is nothing to plot."""

from __future__ import annotations

import json

import plotly.graph_objects as go
import pytest
from report_lab import Net, around, rows, run

from bench.report.curves import curve_plots, steps
from bench.report.figures import log_ticks
from bench.report.pareto import pareto_front, pareto_plots

NETS = (
    Net(),
    Net("csr_conv", around(1.5e-3), {"T": 2}, params=500, macs=6_000),
    Net("csr_conv", around(0.8e-3), {"T": 4}, params=100, macs=3_000),
    Net("csr_conv", around(0.9e-3), {"T": {"expand": 3}}, params=100),
    Net("filter_l1", around(0.5e-3), params=400),
)


def test_plotly_accepts_the_figures() -> None:
    for plots in (pareto_plots(rows(run(*NETS))), curve_plots(rows(run(*NETS)))):
        assert plots.figures
        for figure in plots.figures:
            go.Figure(json.loads(figure.json))


def test_pareto_has_one_trace_per_method_and_the_front() -> None:
    (figure,) = pareto_plots(rows(run(*NETS))).figures
    traces = {trace["name"]: trace for trace in figure.data}
    assert set(traces) == {"Pareto front", "dense", "csr_conv", "filter_l1"}
    assert traces["Pareto front"]["x"] == [100, 400]
    assert traces["csr_conv"]["x"] == [500, 100, 100]
    reach = traces["filter_l1"]["error_y"]
    assert reach["array"][0] == pytest.approx(5.0, rel=0.01)  # microseconds
    assert "resnet20/filter_l1/eager" in traces["filter_l1"]["hovertext"][0]


def test_front_keeps_what_no_other_beats_in_both() -> None:
    assert pareto_front([(1, 9), (2, 5), (3, 6), (4, 5), (5, 1), (1, 10)]) == [(1, 9), (2, 5), (5, 1)]
    assert pareto_front([]) == []


def test_curves_run_over_whole_numbers_of_steps_with_the_promise_beside() -> None:
    (figure,) = curve_plots(rows(run(*NETS))).figures
    delivered, promised = figure.data
    assert (delivered["x"], promised["x"]) == ([2, 4], [2, 4])
    assert delivered["y"] == pytest.approx([1.5, 0.8], rel=0.01)
    assert promised["y"] == pytest.approx([0.6, 0.3])
    assert promised["line"]["dash"] == "dash"
    assert figure.layout["shapes"][0]["y0"] == 1


def test_other_settings_and_other_knobs_do_not_share_a_line() -> None:
    literal = Net("csr_conv", around(2e-3), {"T": 2, "order": "literal"})
    other = [Net(n.method, n.medians, n.knobs, runtime="compile") for n in NETS]
    plots = curve_plots(rows(run(*NETS, literal, *other)))
    assert [figure.title for figure in plots.figures] == ["eager", "compile"]
    assert [t["name"] for t in plots.figures[0].data[::2]] == ["resnet20", "resnet20 order=literal"]


def test_nothing_to_plot_is_said_in_words() -> None:
    failed = rows(run(Net(error="boom")))
    assert pareto_plots(failed).figures == ()
    assert "nothing to plot" in pareto_plots(failed).missing
    assert "nothing to plot" in curve_plots(rows(run(Net()))).missing
    assert "nothing to plot" in pareto_plots([]).missing


def test_one_round_has_points_without_bars() -> None:
    one = rows(run(Net(medians=[1e-3]), Net("csr_conv", [2e-3], {"T": 2})))
    for plots in (pareto_plots(one), curve_plots(one)):
        (figure,) = plots.figures
        assert figure.data[-2]["error_y"]["array"] == [None]
        json.loads(figure.json)


def test_steps_takes_whole_numbers_only() -> None:
    found = [
        steps(row)
        for row in rows(run(*NETS, Net("csr_conv", knobs={"T": True}), Net("psconv", knobs={"T": 2})))
    ]
    assert found == [None, 2, 4, None, None, None, 2]


def test_any_method_with_a_whole_number_for_the_knob_has_its_own_line() -> None:
    own = Net("own_conv", around(1.1e-3), {"T": 3}, params=300, macs=4_000)
    (figure,) = curve_plots(rows(run(*NETS, own))).figures
    assert [trace["name"] for trace in figure.data[::2]] == ["resnet20 csr_conv", "resnet20 own_conv"]
    assert figure.layout["xaxis"]["title"]["text"] == "T of csr_conv, own_conv"


def test_json_cannot_end_its_script() -> None:
    bad = "</script><script>alert(1)</script>"
    (figure,) = pareto_plots(rows(run(Net(backbone=bad)))).figures
    assert "<" not in figure.json
    assert "<script" not in json.dumps(json.loads(figure.json))


@pytest.mark.parametrize(("low", "high"), [(0.9, 1.1), (1, 9), (30, 300_000), (1e-6, 1e6)])
def test_ticks_are_few_and_inside(low: float, high: float) -> None:
    ticks = log_ticks(low, high)
    assert 1 <= len(ticks) <= 13
    assert all(low <= tick <= high for tick in ticks)
    assert ticks == sorted(set(ticks))
