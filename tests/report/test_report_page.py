"""The page as a whole: complete, closed to the network, safe against its data, the same every time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from report_lab import HOST, Net, Parsed, around, rows, run

from bench.analysis.frame import make_frame
from bench.analysis.store import Results
from bench.errors import InputError
from bench.report import page, write_report
from bench.report.details import details
from bench.report.table import table

NETS = (
    Net(),
    Net("csr_conv", around(1.5e-3), {"T": 2}, params=500, macs=6_000,
        replaced=[{"name": "layer1.conv1", "before": "Conv2d 16→16", "after": "CSRConv2d T=2"},
                  {"name": "layer1.conv2", "before": "Conv2d 16→16", "after": "CSRConv2d T=2"}],
        left=[{"name": "conv1", "reason": "first convolution"}, {"name": "dw1", "reason": "depthwise"},
              {"name": "dw2", "reason": "depthwise"}]),
    Net("psconv", around(1e-3), logical_params=300, macs=3_000, executed_macs=10_000),
    Net("filter_l1", error="out of memory\nsecond line"),
    Net("magic", count_error="no such layer"),
    Net("later", []),
)  # fmt: skip


def html(*results: Results) -> str:
    return page.render(make_frame(results), results)


def without_links(page: str) -> str:
    """The page's text without the list of its sections."""
    return Parsed(page[: page.index("<nav")] + page[page.index("</nav>") :]).text


SHAPES: dict[str, Sequence[Results]] = {
    "usual": [run(*NETS)],
    "nothing": [],
    "no case": [run()],
    "no baseline": [run(Net("csr_conv", around(1e-3), {"T": 2}))],
    "dense alone": [run(Net())],
    "one round": [run(Net(medians=[1e-3]), Net("psconv", [1e-3]))],
    "all failed": [run(Net(error="boom"), Net("psconv", error="boom"))],
    "not begun": [run(Net(medians=[]), ends=())],
    "several runs": [run(*NETS), run(*NETS, name="run-2", suite="other", host={**HOST, "id": "h2"})],
    "two arms": [run(*NETS, arms={"base": "a", "head": "b"})],
    "empty host": [run(Net(), host={"id": "bare", "cpu": None})],
    "broken clock": [run(Net(medians=[float("nan")] * 5), Net("psconv", [float("nan")] * 5))],
}


@pytest.mark.parametrize("name", SHAPES)
def test_never_prints_a_missing_number_as_a_word(name: str) -> None:
    parsed = Parsed(html(*SHAPES[name]))
    assert not re.search(
        r"\b(nan|none|inf|undefined behaviour)\b", parsed.text.replace("none up to", ""), re.I
    )
    assert not any(value in ("nan", "None", "inf") for _, found in parsed.tags for value in found.values())
    assert "What these numbers do not say" in parsed.text


@pytest.mark.parametrize("name", SHAPES)
def test_loads_nothing(name: str) -> None:
    text = html(*SHAPES[name])
    parsed = Parsed(text)
    assert not {"link", "img", "iframe", "object", "embed", "base"} & {tag for tag, _ in parsed.tags}
    for _, found in parsed.tags:
        assert "src" not in found
        assert (found.get("href") or "#").startswith("#")
    assert "@import" not in text
    assert "url(" not in text
    assert "default-src 'none'" in text


PAGES = """\
import hashlib, sys
sys.path[:0] = sys.argv[1:]
from test_report_page import SHAPES, html
for name, results in SHAPES.items():
    print(name, hashlib.sha256(html(*results).encode()).hexdigest())
"""


def test_same_input_same_bytes_in_every_process() -> None:
    """Sets and hashes have another order in each process: none may reach the page."""
    folder = Path(__file__).parent
    command = [sys.executable, "-c", PAGES, str(folder), str(folder.parent / "support")]
    said = [
        subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert said[0] == said[1]
    assert len(said[0].splitlines()) == len(SHAPES)


def test_a_page_of_many_cases_is_small() -> None:
    nets = [
        Net(method, around(1e-3 * (1 + T / 10)), {"T": T} if T > 1 else {}, backbone=f"net{number}",
            params=1000 // T, macs=10_000 // T)
        for number in range(7)
        for method, T in (("dense", 1), *(("csr_conv", T) for T in range(2, 9)))
    ]  # fmt: skip
    assert len(html(run(*nets))) < 600_000
    assert len(html(run(Net(error="boom")))) < 60_000


def test_every_part_is_there_in_order() -> None:
    text = without_links(html(run(*NETS)))
    parts = [
        "csr-bench: smoke",
        "resnet20, Some CPU, 1 thread: csr_conv(T=2) takes 1.5",
        "bench doctor",
        "Latency over dense, per backbone",
        "Cases",
        "Over the knob T: promised and delivered",
        "Frontier per backbone",
        "Promise against delivery",
        "How it was measured, on what",
        "Details per case",
        "Nothing about accuracy",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_data_cannot_become_markup() -> None:
    bad = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
    poisoned = [
        run(
            Net(backbone=bad, disagreements=[bad], left=[{"name": bad, "reason": bad}]),
            Net("csr_conv", around(1e-3), {"T": 2, "order": bad}, backbone=bad),
            Net(bad, error=bad, backbone=bad),
            name=bad,
            suite=bad,
            revision=bad,
            host={**HOST, "cpu": bad, bad: bad},
        )
    ]
    benign = [
        run(
            Net(disagreements=["b"], left=[{"name": "l", "reason": "r"}]),
            Net("csr_conv", around(1e-3), {"T": 2, "order": "o"}),
            Net("m", error="e"),
            host={**HOST, "k": "v"},
        )
    ]
    text, parsed = html(*poisoned), Parsed(html(*poisoned))
    assert "<script>alert" not in text
    assert "<img" not in text
    assert parsed.count("script") == Parsed(html(*benign)).count("script")
    assert bad in parsed.text


def test_failed_cases_have_rows_with_their_error() -> None:
    found = table(rows(run(*NETS)))
    lines = {line.cells[1].text: line for line in found.lines}
    assert len(lines) == len(NETS)
    assert lines["filter_l1"].verdict == "failed"
    notes = {name: [cell.note for cell in line.cells if cell.note] for name, line in lines.items()}
    assert notes["filter_l1"] == ["RuntimeError in sample: out of memory"]
    assert notes["magic"] == ["ValueError in method: no such layer"]
    assert lines["later"].verdict == "not run"
    text = without_links(html(run(*NETS)))
    assert text.index("RuntimeError in sample: out of memory") < text.index("Details per case")
    assert "second line" in text


def test_columns_have_their_own_names_and_meanings() -> None:
    found = table(rows(run(*NETS)))
    headers = [column.header for column in found.columns]
    keys = [column.key for column in found.columns]
    assert {"weight_bytes", "live_peak", "allocator_peak", "resident_growth"} < set(keys)
    assert "memory" not in headers
    assert all(column.meaning.endswith(".") for column in found.columns)
    assert all(len(line.cells) == len(headers) for line in found.lines)


def test_columns_for_settings_appear_only_where_they_vary() -> None:
    def headers(*nets: Net) -> list[str]:
        return [column.header for column in table(rows(run(*nets))).columns]

    assert "runtime" not in headers(Net())
    assert "runtime" in headers(Net(), Net(runtime="compile"))
    assert "runtime eager" in Parsed(html(run(Net()))).text


def test_logical_and_executed_numbers_are_shown_where_they_differ() -> None:
    found = table(rows(run(*NETS)))
    columns = {column.key: column for column in found.columns}
    cells = {key: found.lines[2].cells[at] for at, key in enumerate(columns)}
    assert (cells["params_ratio"].text, cells["logical_params_ratio"].text) == ("1.00", "0.30")
    assert (cells["macs_ratio"].text, cells["executed_ratio"].text) == ("0.30", "1.00")
    assert columns["logical_params_ratio"].shown
    assert columns["executed_ratio"].shown
    assert (cells["resident_growth"].text, cells["resident_growth"].sort) == ("—", None)
    assert cells["latency"].sort == pytest.approx(1e-3, rel=1e-3)
    assert columns["latency"].header == "latency, ms"


def test_disputed_rows_are_marked_and_listed() -> None:
    found = table(rows(run(Net(disagreements=["conv1: 1 against 2"]))))
    assert found.disputes == (("resnet20/dense/eager/cpu/b1/3x32x32", ("conv1: 1 against 2",)),)
    assert [cell.mark for cell in found.lines[0].cells if cell.mark] == ["⚠ disputed"]


def test_details_group_layers_and_drop_none() -> None:
    case = details(rows(run(*NETS))).cases[1]
    assert (case.replaced_count, case.left_count) == (2, 3)
    assert [(group.what, group.layers) for group in case.left] == [
        ("first convolution", ("conv1",)),
        ("depthwise", ("dw1", "dw2")),
    ]
    text = Parsed(html(run(*NETS))).text
    assert all(layer in text for layer in ("layer1.conv1", "layer1.conv2", "conv1", "dw1", "dw2"))
    assert "90th percentile" not in text


def test_table_links_lead_to_details() -> None:
    tags = Parsed(html(run(*NETS), run(*NETS, name="run-2"))).tags
    targets = [found["id"] for tag, found in tags if tag == "details" and "id" in found]
    links = [found["href"] for tag, found in tags if tag == "a" and str(found["href"]).startswith("#case-")]
    assert links[: len(targets)] == [f"#{target}" for target in targets]
    assert set(links) == set(links[: len(targets)])
    assert len(set(targets)) == 2 * len(NETS)


def test_quick_stands_beside_the_headline() -> None:
    text = Parsed(html(run(*NETS, quick=True))).text
    assert text.index("Not for a claim.") < text.index("Latency over dense, per backbone")
    assert "Not for a claim." not in Parsed(html(run(*NETS))).text


def test_two_arms_are_told_apart_wherever_a_case_is_named() -> None:
    text = Parsed(html(run(*NETS, arms={"base": "a", "head": "b"}))).text
    assert "csr_conv(T=2) @base" in text
    assert "csr_conv(T=2) @head" in text
    assert "resnet20/dense/eager/cpu/b1/3x32x32@head" in text


def test_an_at_sign_in_a_name_is_no_arm() -> None:
    (row,) = rows(run(Net(backbone="timm/net@v2")))
    assert (row["arm"], row["case"]) == ("", "timm/net@v2/dense/eager/cpu/b1/3x32x32")


def test_an_endless_message_is_cut_with_its_length() -> None:
    endless = "x" * 1_000_000
    text = html(
        run(
            Net(disagreements=[endless], left=[{"name": "l", "reason": endless}]),
            Net("psconv", error=endless),
            Net("magic", count_error=endless),
            host={**HOST, "cpu": endless},
        )
    )
    assert len(text) < 100_000
    assert "… (1,000,000 characters)" in text
    assert f"RuntimeError in sample: {'x' * 1000}" in text


def test_a_lone_surrogate_does_not_keep_the_page_from_being_written(tmp_path: Path) -> None:
    lone = "a\udc80b"
    results = run(
        Net(backbone=lone), Net("csr_conv", around(2e-3), {"T": 2, "order": lone}, backbone=lone),
        Net("psconv", error=lone, backbone=lone), suite=lone,
    )  # fmt: skip
    write_report([results], tmp_path / "r.html")
    assert "a\\udc80b" in (tmp_path / "r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("file/r.html", "file is a file, not a folder"),
        ("file/sub/r.html", "Not a directory"),
        ("folder", "Is a directory"),
        ("n" * 300 + ".html", "File name too long"),
    ],
)
def test_a_page_that_cannot_be_written_is_named_and_leaves_no_draft(
    tmp_path: Path, output: str, reason: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=f"cannot be written: .*{reason}"):
        write_report([run(*NETS)], tmp_path / output)
    assert {path.name for path in tmp_path.rglob("*")} == {"file", "folder"}
