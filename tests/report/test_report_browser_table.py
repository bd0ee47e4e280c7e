"""Table, details, hosts, history and profiles in Chromium: each test names what a reader asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, View, browsing
from golden import HTML, after, before, golden
from report_lab import Net, rows, run

from bench.analysis.store import Results
from bench.report import write_report
from bench.report.export import FORMATS, export

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WIDTHS = (1280, 400)


@dataclass(frozen=True)
class Lab:
    """A browser and a folder for pages."""

    browser: Browser
    folder: Path

    def open(self, name: str = "after", width: int = 1280, dark: bool = False, at: str = "") -> View:
        """A page of PAGES, made once; ``at``: what stands behind ``#`` in the address."""
        file = self.folder / f"{name}.html"
        if not file.exists():
            write_report(PAGES[name], file)
        view = self.browser.open(file, width, dark=dark)
        if at:
            view.ask(f"location.hash = {json.dumps(at)}, new Promise((done) => setTimeout(done, 60))")
        return view


PAGES: dict[str, list[Results]] = {
    "after": [after()],
    "golden": golden(),
    "pair": [before(), after()],
    "one": [run(Net())],
    "long": [run(Net(backbone="n" * 300), Net("m" * 300, backbone="n" * 300))],
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One browser for the whole file."""
    folder = tmp_path_factory.mktemp("pages")
    with browsing(folder) as browser:
        yield Lab(browser, folder)


SHOWN = "[...document.querySelectorAll('#table tbody tr')].filter((one) => one.getClientRects().length)"
METHODS = f"{SHOWN}.map((one) => one.cells[1].textContent)"


def typed(words: str) -> str:
    """Typing these words into the filter."""
    return (
        f"(() => {{ const box = document.getElementById('filter'); box.value = {json.dumps(words)};"
        " box.dispatchEvent(new Event('input')); })()"
    )


def pressed(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)}).click()"


def copied(view: View, form: str) -> str:
    """What the button gives to the clipboard."""
    view.ask("Object.defineProperty(navigator, 'clipboard', {configurable: true, value:"
             " {writeText: (text) => { window.given = text; return Promise.resolve(); }}})")  # fmt: skip
    view.ask(pressed(f"[data-copy={form}]"))
    text: str = view.ask("new Promise((done) => setTimeout(() => done(window.given), 20))")
    return text


def test_item_7_bars_by_layer_in_order_of_execution_and_a_roofline(lab: Lab) -> None:
    view = lab.open()
    section = "document.querySelector('section[aria-labelledby=time]')"
    titles = view.ask(f"[...{section}.querySelectorAll('figcaption b')].map((one) => one.textContent)")
    assert titles == ["resnet20: csr_conv(T=4) beside dense", "resnet20: csr_conv(T=4) under the roof"]
    bars = view.ask(f"[...{section}.querySelector('svg').querySelectorAll('[data-case] title')]"
                    ".map((one) => one.textContent.split(':')[0])")  # fmt: skip
    assert bars == ["a forward", "conv1", "layer1.conv1"] * 2
    words = view.ask(f"{section}.querySelector('.summary').textContent")
    assert "dense 1.00" in words
    assert "U convolutions 24" in words
    places = view.ask(f"[...{section}.querySelector('svg').querySelectorAll('[data-case]')].slice(1, 3)"
                      ".map((one) => one.getBoundingClientRect().left)")  # fmt: skip
    assert places == sorted(places)
    lengths = view.ask(f"[0, 3].map((at) => {section}.querySelector('svg')"
                       ".querySelectorAll('[data-case]')[at].getBoundingClientRect().width)")  # fmt: skip
    assert lengths[1] / lengths[0] == pytest.approx(2.5, rel=0.02)  # one scale for both


def test_item_7_what_was_not_measured_names_its_command(lab: Lab) -> None:
    words = lab.open("pair").ask("document.querySelector('section[aria-labelledby=time]').textContent")
    assert "beside dense" in words
    words = lab.open("one").ask("document.querySelector('section[aria-labelledby=time]').textContent")
    assert "bench run SUITE --profile CASE" in words
    assert "bench profile CASE --store" in words


@pytest.mark.parametrize("width", WIDTHS)
def test_item_8_hosts_in_one_row_and_verdicts_that_turn(lab: Lab, width: int) -> None:
    view = lab.open("golden", width)
    section = "document.querySelector('section[aria-labelledby=by-host]')"
    heads = view.ask(f"[...{section}.querySelectorAll('thead th')].map((one) => one.textContent)")
    assert heads == ["backbone", "method", "rack (aa11)", "board", "rack (cc33)", "mark"]
    marked = view.ask(f"[...{section}.querySelectorAll('tbody tr')]"
                    ".filter((one) => one.querySelector('.turned'))"
                      ".map((one) => one.cells[1].textContent)")  # fmt: skip
    assert marked == ["csr_conv(T=2)"]
    assert "turns from faster to slower in 1 of" in view.ask(f"{section}.textContent")
    assert view.ask("document.documentElement.scrollWidth") <= width


def test_item_8_base_against_head_with_the_verdict_of_compare(lab: Lab) -> None:
    view = lab.open("pair")
    section = "document.querySelector('section[aria-labelledby=change]')"
    lines = view.ask(f"[...{section}.querySelectorAll('tbody tr')].map((one) => one.innerText.trim())")
    (csr,) = [line for line in lines if "csr_conv(T=4)" in line and "order" not in line]
    assert "faster" in csr
    assert "params 500 → 501" in csr
    assert "counts changed in 1" in view.ask(f"{section}.textContent")


def test_item_8_history_with_its_steps(lab: Lab) -> None:
    view = lab.open("golden")
    section = "document.querySelector('section[aria-labelledby=history]')"
    assert "1 step in" in view.ask(f"{section}.textContent")
    marks = view.ask(f"[...{section}.querySelectorAll('td span.step')].map((one) => one.textContent)")
    assert any(mark.startswith("▼ −2") for mark in marks)


def test_item_9_one_line_a_row_and_decimals_that_stand_below_each_other(lab: Lab) -> None:
    view = lab.open()
    heights = view.ask(f"{SHOWN}.map((one) => one.getBoundingClientRect().height)")
    assert max(heights) < 32
    ends = view.ask(
        "[...document.querySelectorAll('#table tbody td.number')].filter((one) => one.getClientRects().length"
        " && one.cellIndex === 6).map((one) => { const range = document.createRange();"
        " range.selectNodeContents(one); return Math.round(range.getBoundingClientRect().right); })"
    )
    assert len(set(ends)) <= 1


def test_item_9_sorting_stays_within_a_backbone_below_its_dense_row(lab: Lab) -> None:
    view = lab.open()
    view.ask(pressed("th[data-key=ratio] button"))
    first = view.ask(METHODS)
    view.ask(pressed("th[data-key=ratio] button"))
    second = view.ask(METHODS)
    assert first[0] == second[0] == first[8] == second[8] == "dense"
    assert first != second
    assert view.ask("document.querySelector('th[data-key=ratio]').getAttribute('aria-sort')") == "descending"
    ratios = view.ask(
        "[...document.querySelectorAll('#table tbody')].map((body) => [...body.rows].slice(1)"
        ".map((row) => row.querySelector('td.card').dataset.sort).filter(Boolean).map(Number))"
    )
    assert any(len(group) > 1 for group in ratios)
    assert all(group == sorted(group, reverse=True) for group in ratios)


def test_item_9_what_a_row_is_stays_in_sight(lab: Lab) -> None:
    view = lab.open(width=700)
    places = view.ask(
        "(() => { const box = document.querySelector('.cases .scroll');"
        " const cells = document.querySelector('#table tbody tr').cells;"
        " const at = () => [0, 1].map((n) => cells[n].getBoundingClientRect().left);"
        " const before = at(); box.scrollLeft = 300; return [box.scrollLeft, before, at()]; })()"
    )
    assert places[0] > 100
    assert places[1] == places[2]


def test_item_9_cards_at_400_pixels(lab: Lab) -> None:
    view = lab.open(width=400)
    seen = view.ask(f"{SHOWN}.slice(0, 2).map((one) => [...one.cells]"
                    ".filter((cell) => cell.getClientRects().length)"
                    ".map((cell) => cell.innerText.trim()))")  # fmt: skip
    method, ratio, interval, verdict = seen[1]
    assert method == "csr_conv(T=4)"
    assert ratio.startswith("2.5")
    assert "–" in interval
    assert "slower" in verdict
    assert view.ask("document.documentElement.scrollWidth") <= 400
    boxes = view.ask("(() => { const box = document.querySelector('.cases .scroll');"
                     " return [box.scrollWidth, box.clientWidth]; })()")  # fmt: skip
    assert boxes[0] <= boxes[1] + 1


def test_item_9_words_and_words_that_must_not_be_there(lab: Lab) -> None:
    view = lab.open()
    view.ask(typed("resnet20 -csr -dense"))
    assert view.ask(METHODS) == [
        "filter_l1(ratio=0.5)", "psconv(variant=pSC4)", "magnitude(density=0.1)", "tucker2", "int8",
    ]  # fmt: skip
    assert view.ask("document.getElementById('shown').textContent") == "5 of 11 cases"
    view.ask(pressed("#everything"))
    assert len(view.ask(METHODS)) == 11


def test_item_9_chips_and_the_plots_follow(lab: Lab) -> None:
    view = lab.open()
    view.ask(pressed("[data-choice=method] [data-value=csr_conv]"))
    view.ask(pressed("[data-choice=backbone] [data-value=resnet20]"))
    assert view.ask(METHODS) == ["csr_conv(T=4)", "csr_conv(T=2)"]
    marks = ("[...document.querySelectorAll('section[aria-labelledby=forest] [data-case]')]"
             ".filter((one) => one.getClientRects().length).map((one) => one.dataset.case)")  # fmt: skip
    assert sorted(set(view.ask(marks))) == ["case-2", "case-3"]
    view.ask(pressed("[data-choice=verdict] [data-value=slower]"))
    assert view.ask(METHODS) == ["csr_conv(T=4)"]


def test_item_9_the_address_keeps_filter_order_and_columns(lab: Lab) -> None:
    view = lab.open()
    view.ask(typed("csr_conv"))
    view.ask(pressed("[data-choice=backbone] [data-value=resnet20]"))
    view.ask(pressed("th[data-key=ratio] button"))
    view.ask(pressed(".chooser input[value=allocator_peak]"))
    kept = view.ask("location.hash")
    assert "q=csr_conv" in kept
    assert "sort=ratio%3Aup" in kept
    again = lab.open(at=kept.removeprefix("#"))
    assert again.ask(METHODS) == ["csr_conv(T=2)", "csr_conv(T=4)"]
    assert again.ask("document.getElementById('filter').value") == "csr_conv"
    assert again.ask("document.querySelector('.chooser input[value=allocator_peak]').checked")
    assert again.ask("document.querySelector('th[data-key=allocator_peak]').getClientRects().length") == 1
    assert again.complaints() == []


def test_bug_the_address_forgot_the_axis_of_the_frontier(lab: Lab) -> None:
    view = lab.open()
    chosen = "document.querySelector('input[name=frontier-x]:checked').value"
    assert view.ask(chosen) == "1"
    view.ask(pressed("input[name=frontier-x][value='2']"))
    kept = view.ask("location.hash")
    assert kept == "#axis=2"
    assert lab.open(at=kept.removeprefix("#")).ask(chosen) == "2"
    assert lab.open(at="axis=none").ask(chosen) == "1"
    view.ask(pressed("input[name=frontier-x][value='1']"))
    assert view.ask("location.hash") == ""


def test_item_9_an_address_that_says_nothing_is_no_mistake(lab: Lab) -> None:
    view = lab.open(at="q=%E0%A4%A&sort=nothing:sideways&columns=none&backbone=%25zz")
    assert view.complaints() == []
    view.ask(pressed("#everything"))
    assert len(view.ask(METHODS)) == 11


def test_item_9_columns_are_chosen(lab: Lab) -> None:
    view = lab.open()
    head = (
        "[...document.querySelectorAll('#table thead th')]"
        ".filter((one) => one.getClientRects().length).map((one) => one.dataset.key)"
    )
    before_it = view.ask(head)
    view.ask(pressed(".chooser input[value=macs_ratio]"))
    assert view.ask(head) == [key for key in before_it if key != "macs_ratio"]
    assert view.ask("document.querySelectorAll('.chooser label[hidden]').length") == 2


@pytest.mark.parametrize("form", FORMATS)
def test_item_9_copying_gives_the_bytes_of_bench_export(lab: Lab, form: str) -> None:
    every = rows(*PAGES["golden"])
    view = lab.open("golden")
    assert copied(view, form) == export(every, form)


@pytest.mark.parametrize("form", FORMATS)
def test_item_9_copying_takes_the_rows_and_columns_that_are_shown(lab: Lab, form: str) -> None:
    view = lab.open(at="q=csr_conv&columns=ratio%2Cverdict")
    text = copied(view, form)
    assert text.count("csr") >= 3
    assert "filter_l1" not in text
    assert "dense" not in text.replace("÷ dense", "").replace("\\div$ dense", "") or form == "csv"
    if form == "markdown":
        assert text.splitlines()[0] == "| backbone | method | latency ÷ dense | verdict |"


def test_item_9_a_browser_without_a_clipboard_shows_the_text(lab: Lab) -> None:
    view = lab.open()
    view.ask(
        "Object.defineProperty(navigator, 'clipboard', {value: undefined}),"
        " document.execCommand = () => false"
    )
    view.ask(pressed("[data-copy=csv]"))
    shown = view.ask("new Promise((done) => setTimeout(() => { const box = document.getElementById('copied');"
                     " done([box.hidden, box.value.slice(0, 5)]); }, 20))")  # fmt: skip
    assert shown == [False, "case,"]


def test_item_10_a_share_that_says_nothing_is_a_dash(lab: Lab) -> None:
    view = lab.open()
    at = view.ask(
        "[...document.querySelectorAll('#table thead th')]"
        ".findIndex((one) => one.dataset.key === 'delivered')"
    )
    found: dict[str, Any] = dict(
        view.ask(
            f"{SHOWN}.map((one) => [one.cells[1].textContent,"
            f" [one.cells[{at}].textContent, one.cells[{at} + 1].textContent]])"
        )
    )
    assert found["filter_l1(ratio=0.5)"] == ["—", "—"]
    share, interval = found["csr_conv(T=4)"]
    assert share.startswith("−")
    assert "to" in interval


def test_item_11_a_row_leads_to_its_command_trials_rounds_and_marks(lab: Lab) -> None:
    view = lab.open()
    view.ask(f"{SHOWN}[1].querySelector('a').click()")
    case = "document.getElementById('case-2')"
    assert view.ask(f"{case}.open")
    assert "open=case-2" in view.ask("location.hash")
    command = view.ask(f"{case}.querySelector('.command code').textContent")
    assert command == (
        "bench run suites/golden.yaml --only 'resnet20/csr_conv(T=4)/eager/cpu/b1/3x32x32' --seed 7"
    )
    assert view.ask(f"{case}.querySelector('.trials-strip').getBoundingClientRect().width") > 200
    assert view.ask(f"{case}.querySelector('.rounds').textContent").startswith("1: 2.5")
    view.ask("document.getElementById('case-6').open = true")
    assert "1 trial failed, RuntimeError in sample: out of memory: round 1" in view.ask(
        "document.getElementById('case-6').textContent"
    )


def test_item_11_what_repeats_a_run_stands_at_the_end(lab: Lab) -> None:
    words = lab.open().ask("document.querySelector('section[aria-labelledby=repeat]').textContent")
    assert "hash d" in words
    assert "aa11" in words
    assert "not recorded" in words  # these runs are older than what is recorded


def test_item_15_the_index_lists_every_page(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    for name, results in (("one", PAGES["one"]), ("after", PAGES["after"])):
        write_report(results, folder / f"{name}.html")
    view = lab.browser.open(folder / "index.html")
    assert view.complaints() == []
    assert view.ask("[...document.querySelectorAll('td a, th a')].map((one) => one.textContent)") == [
        "after.html", "one.html",
    ]  # fmt: skip


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", PAGES)
def test_no_complaint_no_request_and_nothing_beyond_the_edge(
    lab: Lab, name: str, width: int, dark: bool
) -> None:
    view = lab.open(name, width, dark)
    assert view.complaints() == []
    assert view.requests() == []
    assert view.ask("document.documentElement.scrollWidth") <= width
    assert view.ask("document.querySelectorAll('img').length") == 0
    if name == "after":
        assert HTML in view.ask("document.getElementById('table').textContent")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", ["after", "golden", "pair", "long"])
def test_axe_finds_nothing_with_everything_unfolded(lab: Lab, name: str, width: int, dark: bool) -> None:
    view = lab.open(name, width, dark)
    view.ask("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert view.violations() == []
