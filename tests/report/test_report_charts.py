"""Forest plot, sweep over T, frontier, promise: what is drawn, and words where nothing can be."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest
from markupsafe import Markup
from report_lab import HOST, Net, around, rows, run

from bench.analysis.crossover import crossover
from bench.analysis.stats import Interval
from bench.analysis.store import Results
from bench.report.forest import forest
from bench.report.frontier import Frontiers, frontiers, pareto_front
from bench.report.palette import Palette
from bench.report.promise import QUADRANTS, promise, quadrant, rho_words
from bench.report.svg import Chart
from bench.report.t_sweep import crossover_words, steps, t_sweep

NETS = (
    Net(),
    Net("csr_conv", around(1.5e-3), {"T": 2}, params=500, macs=6_000),
    Net("csr_conv", around(0.8e-3), {"T": 4}, params=100, macs=3_000),
    Net("csr_conv", around(0.9e-3), {"T": {"expand": 3}}, params=100),
    Net("filter_l1", around(0.5e-3), params=400, macs=4_000),
)
WILD = [0.5e-3, 2e-3, 0.9e-3, 1.4e-3, 0.7e-3]


def of_forest(*results: Results) -> Chart:
    found = rows(*results)
    return forest(found, results, Palette.of(found))


def of_sweep(*results: Results) -> Chart:
    found = rows(*results)
    return t_sweep(found, Palette.of(found))


def of_frontier(*results: Results) -> Frontiers:
    found = rows(*results)
    return frontiers(found, Palette.of(found))


def of_promise(*results: Results) -> Chart:
    found = rows(*results)
    return promise(found, Palette.of(found))


def marks(drawing: Markup) -> list[ElementTree.Element]:
    return [g for g in ElementTree.fromstring(str(drawing)).iter("g") if g.get("data-case")]


def words(mark: ElementTree.Element) -> str:
    return " ".join(text.text or "" for text in mark.iter("text"))


def test_a_forest_has_a_row_a_case_from_the_fastest_on_and_none_for_dense() -> None:
    (panel,) = of_forest(run(*NETS)).panels
    found = marks(panel.drawing)
    assert [words(mark).split()[0] for mark in found] == [
        "filter_l1", "csr_conv(T=4)", "csr_conv(T=expand:3)", "csr_conv(T=2)",
    ]  # fmt: skip
    assert [mark.get("data-case") for mark in found] == ["case-5", "case-3", "case-4", "case-2"]
    assert panel.summary.startswith("Lowest filter_l1 0.5")


def test_a_forest_stands_per_backbone_and_setting() -> None:
    other = [Net(n.method, n.medians, n.knobs, runtime="compile") for n in NETS]
    third = [Net(n.method, n.medians, n.knobs, backbone="vgg") for n in NETS]
    panels = of_forest(run(*NETS, *other, *third)).panels
    assert [(panel.title, panel.setting) for panel in panels] == [
        ("resnet20", "eager"), ("resnet20", "compile"), ("vgg", "eager"),
    ]  # fmt: skip


def test_cannot_tell_is_hollow_and_what_has_no_ratio_says_why() -> None:
    (panel,) = of_forest(run(Net(), Net("psconv", WILD), Net("ghost", error="boom"), NETS[4])).panels
    pruned, unsure, failed = marks(panel.drawing)
    assert "hollow" in ElementTree.tostring(unsure, encoding="unicode")
    assert "hollow" not in ElementTree.tostring(pruned, encoding="unicode")
    assert words(failed) == "ghost failed"
    assert panel.summary.endswith("1 without a verdict.")


def test_beyond_the_axis_is_an_arrow_with_its_number() -> None:
    (panel,) = of_forest(run(Net(), Net("penni", around(9e-3)), Net("filter_l1", around(0.1e-3)))).panels
    low, high = marks(panel.drawing)
    assert [len(list(mark.iter("circle"))) for mark in (low, high)] == [0, 0]
    assert re.search(r" 9\.00\s×", words(high))
    for mark in (low, high):
        (points,) = [one.get("points") for one in mark.iter("polygon") if one.get("class") == "dot"]
        assert points is not None
        assert len(points.split()) == 3


def test_the_promise_is_a_tick_in_the_same_row() -> None:
    (panel,) = of_forest(
        run(Net(), Net("psconv", around(1e-3), macs=3_000, executed_macs=10_000), NETS[4])
    ).panels
    pruned, masked = marks(panel.drawing)
    ticks = [
        next(one for one in mark.iter("line") if one.get("class") == "promise") for mark in (pruned, masked)
    ]
    one = ElementTree.fromstring(str(panel.drawing)).find("line[@class='one']")
    assert one is not None
    assert ticks[1].get("x1") == one.get("x1")  # masked: executes what dense does
    assert float(str(ticks[0].get("x1"))) < float(str(one.get("x1")))


def test_the_band_is_the_runs_resolution() -> None:
    def width(asked: float) -> float:
        (panel,) = of_forest(run(*NETS, resolution=asked)).panels
        (band,) = [
            r for r in ElementTree.fromstring(str(panel.drawing)).iter("rect") if r.get("class") == "band"
        ]
        return float(str(band.get("width")))

    span = 156.0 / math.log(20)
    assert width(0.1) == pytest.approx(2 * math.log(1.1) * span, abs=0.02)
    assert width(0.001) == 1.5


def test_a_sweep_has_three_lines_and_a_mark_per_case() -> None:
    (panel,) = of_sweep(run(*NETS)).panels
    drawn = ElementTree.fromstring(str(panel.drawing))
    assert [mark.get("data-case") for mark in marks(panel.drawing)] == ["case-2", "case-3"]
    lines = [one.get("class") for one in drawn.iter("polyline")]
    assert lines.count("series") == lines.count("series dashed") == lines.count("series dotted") == 1
    names = [text.text or "" for text in drawn.iter("text") if text.get("class") == "own small"]
    assert [name.split()[0] for name in names] == ["latency", "MACs", "params"]
    assert panel.summary.startswith("Crossover: T = 3.")


def test_the_guides_stand_where_the_plot_holds_them() -> None:
    (panel,) = of_sweep(run(*NETS)).panels
    found = [text.text for text in ElementTree.fromstring(str(panel.drawing)).iter("text")]
    assert {"1/T²", "2/T"} <= set(found)


def test_backbones_settings_and_other_knobs_do_not_share_a_panel() -> None:
    literal = [Net("csr_conv", around(2e-3 / T), {"T": T, "order": "literal"}) for T in (2, 4)]
    other = [Net(n.method, n.medians, n.knobs, runtime="compile") for n in NETS]
    own = [Net("own_conv", around(1e-3 / T), {"T": T}, params=300, macs=4_000) for T in (2, 3)]
    panels = of_sweep(run(*NETS, *literal, *other, *own)).panels
    assert [panel.setting for panel in panels] == [
        "csr_conv, eager", "csr_conv, order=literal, eager", "own_conv, eager", "csr_conv, compile",
    ]  # fmt: skip


def test_steps_takes_whole_numbers_above_zero_only() -> None:
    odd = [Net("csr_conv", knobs={"T": T}) for T in (True, 0)]
    found = [steps(row) for row in rows(run(*NETS, *odd, Net("psconv", knobs={"T": 2})))]
    assert found == [None, 2, 4, None, None, None, None, 2]


@pytest.mark.parametrize(
    ("ratios", "spread", "words"),
    [
        ({2: 2.0, 8: 0.5}, 1.0, "T = 4.0 (4.0 to 4.0)"),
        ({1: 4.0, 4: 1.0, 16: 0.25}, 2.0, "T = 4.0 (2.0 to 8.0)"),
        ({2: 3.0, 8: 1.5}, 1.01, "none up to 8"),
        ({2: 3.0, 8: 1.1}, 1.2, "none up to 8 (by the lower ends of the intervals from 7.1)"),
        ({2: 0.9, 8: 0.5}, 1.01, "T = 2 or below"),
        ({2: 0.95, 8: 0.5}, 1.1, "T = 2 or below (2 or below to 2.2)"),
        ({2: 3.0, 8: 0.95}, 1.1, "T = 7.5 (6.7 to beyond 8)"),
    ],
)
def test_the_crossover_in_words(ratios: dict[int, float], spread: float, words: str) -> None:
    points = [(T, Interval(ratio, ratio / spread, ratio * spread, 5)) for T, ratio in ratios.items()]
    assert crossover_words(crossover(points)) == words


def test_a_crossover_without_intervals_is_said_so() -> None:
    points = [(T, Interval(ratio, math.nan, math.nan, 1)) for T, ratio in ((2, 2.0), (8, 0.5))]
    assert crossover_words(crossover(points)) == "T = 4.0 (no interval)"


def test_front_keeps_what_no_other_beats_in_both() -> None:
    assert pareto_front([(1, 9), (2, 5), (3, 6), (4, 5), (5, 1), (1, 10)]) == [(1, 9), (2, 5), (5, 1)]
    assert pareto_front([]) == []


def test_a_frontier_for_each_size_and_never_across_backbones() -> None:
    vgg = [Net(n.method, n.medians, n.knobs, backbone="vgg", params=n.params) for n in NETS]
    found = of_frontier(run(*NETS, *vgg))
    assert [size.column for size, _ in found.charts] == [
        "params",
        "executed_macs",
        "live_peak",
        "weight_bytes",
    ]
    for _, chart in found.charts:
        assert [panel.title for panel in chart.panels] == ["resnet20", "vgg"]
        for panel in chart.panels:
            assert {mark.get("data-backbone") for mark in marks(panel.drawing)} == {panel.title}
    assert (
        found.charts[0][1].panels[0].summary == "On the frontier, smallest first: csr_conv(T=4), filter_l1."
    )


def test_the_cases_on_the_frontier_are_named_in_the_plot() -> None:
    panel = of_frontier(run(*NETS)).charts[0][1].panels[0]
    drawn = ElementTree.fromstring(str(panel.drawing))
    names = [text.text for text in drawn.iter("text") if "own" in str(text.get("class"))]
    assert names == ["csr_conv(T=4)", "filter_l1"]


def test_a_method_has_the_same_colour_in_every_plot() -> None:
    found = rows(run(*NETS))
    palette = Palette.of(found)
    drawings = [panel.drawing for chart in (
        forest(found, [], palette), t_sweep(found, palette), promise(found, palette),
        *(chart for _, chart in frontiers(found, palette).charts),
    ) for panel in chart.panels]  # fmt: skip
    seen: dict[str, set[str]] = {}
    for drawing in drawings:
        for mark in marks(drawing):
            colours = set(re.findall(r"\bc\d\b", str(mark.get("class"))))
            seen.setdefault(str(mark.get("data-method")), set()).update(colours)
    assert {method: len(colours) for method, colours in seen.items()} == {
        "csr_conv": 1,
        "filter_l1": 1,
        "dense": 1,
    }
    assert len({next(iter(colours)) for colours in seen.values()}) == 3


def test_promise_has_a_panel_per_host_with_its_correlation() -> None:
    other = {**HOST, "id": "p", "name": "pi"}
    panels = of_promise(run(*NETS), run(*NETS, name="run-2", host=other)).panels
    assert [panel.title for panel in panels] == ["run run-1, board", "run run-2, pi"]
    assert re.match(r"Spearman's ρ = −?\d\.\d\d \(−?\d\.\d\d to \d\.\d\d\) over 4 cases: ", panels[0].summary)


@pytest.mark.parametrize(
    ("macs", "latency", "word"), [(0.5, 0.5, 0), (0.5, 1.5, 1), (1.5, 0.5, 2), (1.5, 1.5, 3), (1.0, 1.0, 3)]
)
def test_quadrants(macs: float, latency: float, word: int) -> None:
    assert quadrant(macs, latency) == QUADRANTS[word]


def test_rho_in_words() -> None:
    assert rho_words(Interval(-0.5, -0.8, 0.1, 9)) == "Spearman's ρ = −0.50 (−0.80 to 0.10)"
    assert rho_words(Interval(math.nan, math.nan, math.nan, 3)).startswith("no rank correlation")


SHAPES: dict[str, list[Results]] = {
    "nothing": [],
    "dense alone": [run(Net())],
    "all failed": [run(Net(error="boom"), Net("csr_conv", error="boom", knobs={"T": 2}))],
    "no baseline": [run(Net("csr_conv", around(1e-3), {"T": 2}), Net("csr_conv", around(1e-3), {"T": 4}))],
    "one round": [run(Net(medians=[1e-3]), *(Net("csr_conv", [2e-3 / T], {"T": T}) for T in (2, 4)))],
    "broken clock": [run(Net(medians=[math.nan] * 5), Net("csr_conv", [math.nan] * 5, {"T": 2}))],
    "long names": [run(Net(backbone="n" * 300), Net("m" * 300, around(2e-3), backbone="n" * 300))],
    "from right to left": [run(Net(backbone="שלום"), Net("مرحبا<b>", around(2e-3), backbone="שלום"))],
    "far apart": [
        run(Net(), Net("csr_conv", around(1e3), {"T": 2}), Net("csr_conv", around(1e-9), {"T": 90}))
    ],
    "no macs": [run(Net(macs=0), Net("psconv", around(2e-3), macs=0))],
}


@pytest.mark.parametrize("name", SHAPES)
def test_any_results_are_drawn_or_the_words_say_what_is_missing(name: str) -> None:
    results = SHAPES[name]
    sized = of_frontier(*results)
    charts = [
        of_forest(*results),
        of_sweep(*results),
        of_promise(*results),
        *(chart for _, chart in sized.charts),
    ]
    assert bool(sized.charts) != bool(sized.missing)
    for chart in charts:
        assert bool(chart.panels) != bool(chart.missing)
        for panel in chart.panels:
            drawn = ElementTree.fromstring(str(panel.drawing))
            assert not re.search(r"\b(nan|inf|None)\b", ElementTree.tostring(drawn, encoding="unicode"))
            assert panel.title
            assert panel.summary.endswith(".")
