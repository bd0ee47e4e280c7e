"""The page in Chromium, as a person would look at it: each test is named after what a reader asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from browser import Browser, View, browsing, pages
from report_lab import HOST, Net, around, run

from bench.analysis.store import Results
from bench.report import write_report

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WIDTHS = (1280, 400)
MOST_BYTES = 1_500_000
MOST_PAGES = 6


BACKBONES = (
    "vgg16_bn", "resnet56", "resnet50", "resnet110", "densenet40_k12", "mobilenet_v2",
    "efficientnet_b0",
)  # fmt: skip
FAMILIES = (
    "psconv", "magnitude", "lean_conv", "depthwise_separable", "ghost", "tucker2", "penni", "int8",
    "filter_l1",
)  # fmt: skip


def suite() -> list[Net]:
    """56 cases as of the shipped suite: seven sweeps over T, two backbones with all families, one failure."""
    nets: list[Net] = []
    for number, name in enumerate(BACKBONES):
        dense = 1e-3 * (number + 1)
        nets.append(Net(medians=around(dense), backbone=name, params=1_000_000, macs=50_000_000))
        for T in (2, 3, 4, 8):
            medians = around(dense * (0.7 + 0.5 * number) * (4 / T) ** 0.6)
            params, macs = 2_000_000 // T**2, 100_000_000 // T
            nets.append(Net("csr_conv", medians, {"T": T}, backbone=name, params=params, macs=macs))
    knobs = {"ratio": 0.13, "variant": "PSD1_P16"}
    for name in BACKBONES[:2]:
        for place, method in enumerate(FAMILIES):
            medians, macs = around(1e-3 * (0.15 + 0.6 * place)), 10_000_000 * (place + 1)
            nets.append(Net(method, medians, knobs, backbone=name, params=130_000 + place, macs=macs))
    nets.append(Net("filter_l1", error="out of memory", backbone="mobilenet_v2"))
    nets.append(Net(medians=around(2e-3), backbone="mobilenet_v2_csr", params=2_000_000))
    nets.append(Net("csr_conv", around(1e-3), {"T": {"expand": 3}}, backbone="mobilenet_v2_csr"))
    return nets


@dataclass(frozen=True)
class Lab:
    """A browser and a folder for pages."""

    browser: Browser
    folder: Path

    def page(self, name: str, *results: Results) -> Path:
        """The page of these results, written once."""
        file = self.folder / f"{name}.html"
        if not file.exists():
            write_report(results, file)
        return file

    def open(self, width: int = 1280, dark: bool = False) -> View:
        """The page of the 56 cases."""
        return self.browser.open(self.page("suite", run(*suite(), suite="cifar")), width, dark=dark)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One browser for the whole file."""
    folder = tmp_path_factory.mktemp("pages")
    with browsing(folder) as browser:
        yield Lab(browser, folder)


def top(view: View, selector: str) -> float:
    """Where an element begins on the page, in CSS pixels."""
    found: float = view.ask(f"document.querySelector({selector!r}).getBoundingClientRect().top + scrollY")
    return found


SECTIONS = "[...document.querySelectorAll('main > section')].map((one) => one.querySelector('h2').id)"

OVERFLOWING = """
[...document.querySelectorAll('header *, figure, figcaption, svg, nav, details.fold')]
  .filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth + 1)
  .map((one) => one.outerHTML.slice(0, 120))
"""

OUTSIDE = """
[...document.querySelectorAll('figure.panel')].filter((one) => one.getClientRects().length)
  .flatMap((panel) => {
    const room = panel.getBoundingClientRect();
    return [...panel.querySelectorAll('svg text')].filter((one) => {
      const place = one.getBoundingClientRect();
      return place.left < room.left - 1 || place.right > room.right + 1 || place.bottom > room.bottom + 1;
    }).map((one) => panel.querySelector('b').textContent + ': ' + one.textContent);
  })
"""

COVERED = """
[...document.querySelectorAll('figure.panel svg')].filter((one) => one.getClientRects().length)
  .flatMap((svg) => {
    const texts = [...svg.querySelectorAll('text:not(.corner)')];
    const places = texts.map((one) => [one, one.getBoundingClientRect()]);
    return places.flatMap(([one, a], at) => places.slice(at + 1)
      .filter(([, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
                         && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4)
      .map(([other]) => `${svg.getAttribute('aria-label')}: ${one.textContent} | ${other.textContent}`));
  })
"""

FAINT = """
(() => {
  const light = (colour) => {
    const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  const contrast = (colour) => {
    const own = light(colour);
    return (Math.max(own, paper) + 0.05) / (Math.min(own, paper) + 0.05);
  };
  const found = new Set();
  for (const one of document.querySelectorAll('svg text')) {
    if (contrast(getComputedStyle(one).fill) < 4.5) found.add('text ' + one.getAttribute('class'));
  }
  for (const one of document.querySelectorAll('svg .dot')) {
    if (contrast(getComputedStyle(one).stroke) < 3) found.add('dot ' + one.closest('g').className.baseVal);
  }
  return [...found];
})()
"""


@pytest.mark.parametrize("width", WIDTHS)
def test_item_1_the_answer_comes_first(lab: Lab, width: int) -> None:
    view = lab.open(width)
    first = view.ask("document.querySelector('header > p').textContent")
    assert "csr_conv" in first
    assert "×" in first
    assert top(view, ".headline") < 120
    assert view.ask("document.querySelectorAll('.takeaways li').length") == 8
    held = view.ask("document.querySelector('details.fold summary').textContent")
    for name in ("processor", "instruction set", "threads", "batch", "runtime", "date", "bench doctor"):
        assert name in held


@pytest.mark.parametrize("width", WIDTHS)
def test_item_2_a_forest_plot_per_backbone(lab: Lab, width: int) -> None:
    view = lab.open(width)
    panels = "[...document.querySelectorAll('section[aria-labelledby=forest] figure.panel')]"
    assert view.ask(f"{panels}.length") == 8
    assert view.ask(f"{panels}.every((one) => one.querySelector('.one') && one.querySelector('.band'))")
    assert view.ask(f"{panels}[0].querySelectorAll('[data-case]').length") == 13
    assert view.ask(f"{panels}[0].querySelectorAll('.promise, .promise-beyond').length") == 13
    places = view.ask(f"[...{panels}[0].querySelectorAll('circle.dot, polygon.dot')]"
                      ".map((one) => one.getBoundingClientRect().x)")  # fmt: skip
    assert len(places) == 13


def test_item_3_the_order_of_the_sections(lab: Lab) -> None:
    view = lab.open()
    found = view.ask(SECTIONS)
    asked = ["forest", "cases", "sweep", "frontier", "promise", "how", "details", "limits"]
    assert [name for name in found if name in asked] == asked
    assert view.ask("[...document.querySelectorAll('header details')].every((one) => !one.open)")


def test_item_3_numbers_come_within_two_screens(lab: Lab) -> None:
    assert top(lab.open(), "section[aria-labelledby=forest] svg") < 900


@pytest.mark.parametrize("width", WIDTHS)
def test_item_4_one_sweep_per_backbone_with_its_crossover(lab: Lab, width: int) -> None:
    view = lab.open(width)
    panels = "[...document.querySelectorAll('section[aria-labelledby=sweep] figure.panel')]"
    assert view.ask(f"{panels}.length") == 7
    said = view.ask(f"{panels}.map((one) => one.querySelector('.summary').textContent)")
    assert all(text.startswith("Crossover: ") for text in said)
    assert any("none up to 8" in text for text in said)
    assert any("T = " in text for text in said)


@pytest.mark.parametrize("width", WIDTHS)
def test_item_5_the_size_of_the_frontier_can_be_chosen(lab: Lab, width: int) -> None:
    view = lab.open(width)
    shown = (
        "[...document.querySelectorAll('.choice .panels')]"
        ".map((one) => getComputedStyle(one).display !== 'none')"
    )
    assert view.ask(shown) == [True, False, False, False]
    view.ask("document.querySelectorAll('.choice input')[2].click()")
    assert view.ask(shown) == [False, False, True, False]
    backbones = view.ask(
        "[...document.querySelectorAll('.choice figure')].map((one) =>"
        " new Set([...one.querySelectorAll('[data-backbone]')].map((mark) => mark.dataset.backbone)).size)"
    )
    assert set(backbones) == {1}


def test_item_5_a_method_has_one_colour_and_shape_on_the_whole_page(lab: Lab) -> None:
    view = lab.open()
    looks = view.ask("""
    (() => {
      const found = {};
      for (const mark of document.querySelectorAll('svg [data-case]')) {
        const dot = mark.querySelector('.dot:not(.hollow)');
        if (!dot) continue;
        (found[mark.dataset.method] ??= new Set()).add(getComputedStyle(dot).stroke);
      }
      return Object.fromEntries(Object.entries(found).map(([name, colours]) => [name, [...colours]]));
    })()
    """)
    assert all(len(colours) == 1 for colours in looks.values())
    assert len(looks) == 11


@pytest.mark.parametrize("width", WIDTHS)
def test_item_6_promise_against_delivery(lab: Lab, width: int) -> None:
    view = lab.open(width)
    panel = "document.querySelector('section[aria-labelledby=promise] figure.panel')"
    assert "Spearman's ρ" in view.ask(f"{panel}.querySelector('.summary').textContent")
    assert view.ask(f"{panel}.querySelectorAll('[data-case]').length") == 47
    said = view.ask(f"{panel}.querySelector('svg').textContent")
    assert "promised and delivered" in said
    assert "paper only" in said


def test_the_filter_hides_marks_and_empty_panels_too(lab: Lab) -> None:
    view = lab.open()
    view.ask(
        "(() => { const box = document.getElementById('filter'); box.value = 'resnet56';"
        " box.dispatchEvent(new Event('input')); })()"
    )
    seen = view.ask(
        "[...document.querySelectorAll('section[aria-labelledby=forest] figure.panel')]"
        ".filter((one) => one.getClientRects().length).map((one) => one.querySelector('b').textContent)"
    )
    assert seen == ["resnet56"]
    assert view.ask(
        "[...document.querySelectorAll('section[aria-labelledby=promise] [data-case]')]"
        ".filter((one) => one.getClientRects().length).every((one) => one.dataset.backbone === 'resnet56')"
    )


def test_item_12_on_paper_it_has_six_pages_at_most(lab: Lab) -> None:
    view = lab.open()
    assert 1 <= pages(view.paper()) <= MOST_PAGES


def test_item_12_on_paper_the_table_can_be_read_and_details_stay_folded(lab: Lab) -> None:
    view = lab.open()
    view.on_paper()
    sizes = view.ask(
        "[...document.querySelectorAll('#table *')].filter((one) => one.getClientRects().length)"
        ".map((one) => parseFloat(getComputedStyle(one).fontSize))"
    )
    assert round(min(sizes) * 0.75, 3) >= 7  # pixels to points
    assert (
        view.ask("getComputedStyle(document.querySelector('#table thead')).display") == "table-header-group"
    )
    assert view.ask("[...document.querySelectorAll('details.case')].every((one) => !one.open)")
    assert view.ask(OVERFLOWING) == []
    assert view.ask("document.getElementById('table').getBoundingClientRect().right <= innerWidth + 1")
    assert view.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize("dark", [False, True])
def test_item_13_dark_and_light_can_be_read_in_every_plot(lab: Lab, dark: bool) -> None:
    view = lab.open(dark=dark)
    ground = view.ask("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") is not dark
    assert view.ask(FAINT) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_item_13_nothing_is_cut_off_or_covered(lab: Lab, width: int) -> None:
    view = lab.open(width)
    assert view.ask("document.documentElement.scrollWidth") <= width
    assert view.ask(OVERFLOWING) == []
    assert view.ask(OUTSIDE) == []
    assert view.ask(COVERED) == []


def test_item_13_at_400_pixels_panels_stand_in_one_column(lab: Lab) -> None:
    columns = """[...document.querySelectorAll('.panels')].filter((one) => one.getClientRects().length)
        .map((one) => getComputedStyle(one).gridTemplateColumns.split(' ').length)"""
    assert set(lab.open(400).ask(columns)) == {1}
    assert set(lab.open(1280).ask(columns)) == {3}


def test_item_13_every_plot_has_a_summary_in_words_and_nothing_to_focus(lab: Lab) -> None:
    view = lab.open()
    summaries = "[...document.querySelectorAll('figure.panel')].map((one) => one.querySelector('.summary'))"
    assert view.ask(f"{summaries}.every((one) => one.textContent.length > 10)")
    assert (
        view.ask("document.querySelectorAll('[role=img] a, [role=img] button, [role=img] [tabindex]').length")
        == 0
    )


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dark", [False, True])
def test_item_13_axe_finds_nothing(lab: Lab, width: int, dark: bool) -> None:
    view = lab.open(width, dark)
    assert view.violations() == []


def test_item_14_it_is_small_asks_for_nothing_and_complains_about_nothing(lab: Lab) -> None:
    view = lab.open()
    assert lab.page("suite").stat().st_size <= MOST_BYTES
    assert view.requests() == []
    assert view.complaints() == []


OTHERS: dict[str, list[Results]] = {
    "nothing": [],
    "one case": [run(Net())],
    "no baseline": [run(Net("csr_conv", around(1e-3), {"T": 2}))],
    "all failed": [run(Net(error="boom"), Net("psconv", error="boom"))],
    "not a number": [run(Net(medians=[float("nan")] * 5), Net("psconv", [float("nan")] * 5))],
    "long names": [run(Net(backbone="n" * 300), Net("m" * 300, around(2e-3), backbone="n" * 300))],
    "from right to left": [run(Net(backbone="שלום"), Net("مرحبا<b>", around(2e-3), backbone="שלום"))],
    "three hosts": [
        run(*suite(), name=f"run-{n}", host={**HOST, "id": f"h{n}", "name": f"host{n}"}) for n in range(3)
    ],
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", OTHERS)
def test_other_results_have_a_page_too(lab: Lab, name: str, width: int) -> None:
    view = lab.browser.open(lab.page(name.replace(" ", "-"), *OTHERS[name]), width)
    assert view.complaints() == []
    assert view.requests() == []
    assert view.ask("document.documentElement.scrollWidth") <= width
    assert view.ask(OUTSIDE) == []
    missing = view.ask("[...document.querySelectorAll('section.chart')].filter((one) =>"
                       " !one.querySelector('figure, .note')).length")  # fmt: skip
    assert missing == 0
