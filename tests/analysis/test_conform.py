"""Published figures against this code: the verdict on each, and the verdict's own mistakes."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from typer.testing import CliRunner

import bench.cli.verb_conform  # noqa: F401 - registers the verb
from bench.analysis import conform as conform_module
from bench.analysis.conform import Finding, Status, conform, tally, tally_by_kind
from bench.analysis.published import COLUMNS, Kind, Published, read_published
from bench.cli.app import app
from bench.errors import InputError

ROW = Published(
    "csr_conv", "resnet20", "T=4", (3, 32, 32), "params", 0, 0, "by hand", "resnet20", (("dense", {}),), 10,
    "figures.csv:2",
)  # fmt: skip


@pytest.fixture(scope="module")
def findings() -> list[Finding]:
    return conform(read_published())


@pytest.mark.slow
def test_every_published_figure_that_can_be_computed_agrees(findings: list[Finding]) -> None:
    off = [f"{f.row.where} {f.row.metric} {f.row.value} {f.computed} {f.note}" for f in findings]
    off = [words for words, f in zip(off, findings, strict=True) if f.status is Status.OFF]
    assert off == []


@pytest.mark.slow
def test_exact_means_equal_and_within_means_within(findings: list[Finding]) -> None:
    assert {Status.EXACT, Status.WITHIN} <= {finding.status for finding in findings}
    for finding in findings:
        if finding.status is Status.EXACT:
            assert finding.computed == finding.row.value
        if finding.status is Status.WITHIN:
            assert finding.computed is not None
            assert 0 < abs(finding.computed - finding.row.value) <= finding.row.tolerance


@pytest.mark.slow
def test_nothing_shipped_is_not_computable(findings: list[Finding]) -> None:
    assert [f.note for f in findings if f.status is Status.NOT_COMPUTABLE] == []


@pytest.mark.slow
def test_the_readme_says_what_the_command_says(findings: list[Finding]) -> None:
    """How many figures are reproduced as printed: the number of the text is the command's."""
    own = tally_by_kind(findings)["published"]
    whole = sum(own.values())
    for page in ("README.md", "docs/coverage.md"):
        text = " ".join((Path(__file__).parents[2] / page).read_text(encoding="utf-8").split())
        assert f"{own['exact'] + own['within tolerance']} of {whole} published figures" in text, page
        assert f"{own['exact']} to the last digit" in text, page


@pytest.mark.slow
def test_only_what_has_no_name_here_is_not_computable(findings: list[Finding]) -> None:
    for finding in findings:
        if finding.status is Status.NOT_COMPUTABLE:
            assert finding.note.endswith("not in the registry")
    systems = {f.row.system for f in findings if f.status is not Status.NOT_COMPUTABLE}
    assert systems >= {"csr_conv", "psconv", "ghostnet", "ghostnetv2", "synflow", "simplenet", "torchvision"}


@pytest.mark.parametrize(
    ("metric", "value", "status"),
    [
        ("params", 269722, Status.EXACT),
        ("params", 269721, Status.OFF),
        ("conv_macs", 40550400, Status.EXACT),
        ("macs", 40551040, Status.EXACT),  # and the classifier's 640
        ("weights", 269722 - 2 * 688 - 10, Status.EXACT),  # BatchNorm's and the classifier's bias left out
        ("conv_weights", 269722 - 2 * 688 - 650, Status.EXACT),
        ("feature_params", 269722 - 650, Status.EXACT),
        ("feature_macs", 40550400, Status.EXACT),
        ("weight_bytes", 4 * 269722 + 4 * 2 * 688 + 8 * 19, Status.EXACT),  # and BatchNorm's statistics
        ("layer_density:20", 1, Status.EXACT),  # the classifier
        ("params_ratio", 1, Status.EXACT),
        ("params_reduction_percent", 0, Status.EXACT),
    ],
)
def test_metrics_by_hand(metric: str, value: float, status: Status) -> None:
    (finding,) = conform([replace(ROW, metric=metric, value=value)])
    assert finding.status is status, finding.computed


def test_masked_weights_do_not_count() -> None:
    """PS4_P4 keeps 4 of 9 taps of every 3×3 kernel but the first one's."""
    rest = (269722 - 2 * 688 - 650 - 432) * 4 // 9
    methods = (("psconv", {"variant": "PS4_P4"}),)
    row = replace(ROW, methods=methods)
    found = conform([replace(row, metric="conv_weights"), replace(row, metric="params")])
    assert [f.computed for f in found] == [432 + rest, 432 + rest + 2 * 688 + 650]


def test_layer_densities_by_hand() -> None:
    """The stem stays dense, layers 2 to 19 keep 4 of 9 taps; there is no layer 21."""
    row = replace(ROW, methods=(("psconv", {"variant": "PS4_P4"}),), value=4 / 9)
    found = conform([replace(row, metric=f"layer_density:{number}") for number in (1, 2, 19, 21)])
    assert [f.computed for f in found] == [1.0, 4 / 9, 4 / 9, None]
    assert found[-1].note.endswith("there is no layer 21: the network has 20")


def test_any_layer_is_a_backbone_although_its_family_lists_few() -> None:
    row = replace(ROW, backbone="layer/10-7-k3", input=(10, 8, 8), classes=None, value=630)
    assert conform([row])[0].status is Status.EXACT


def test_kinds_are_tallied_apart() -> None:
    kinds = (Kind.PUBLISHED, Kind.PUBLISHED, Kind.DERIVED)
    values = (269722, 1, 269722)
    found = conform([replace(ROW, value=v, kind=k) for v, k in zip(values, kinds, strict=True)])
    by_kind = tally_by_kind(found)
    assert (by_kind["published"]["exact"], by_kind["published"]["off"]) == (1, 1)
    assert (by_kind["derived"]["exact"], sum(by_kind["formula"].values())) == (1, 0)


def test_threads_are_as_before() -> None:
    before = torch.get_num_threads()
    conform([ROW])
    assert torch.get_num_threads() == before


def test_file_size_is_that_of_the_saved_state() -> None:
    (finding,) = conform([replace(ROW, metric="file_size_mb", value=1.03, tolerance=0.05)])
    assert finding.status is Status.WITHIN  # 269722 floats are 1.029 MB of 2**20 bytes


def test_a_method_that_fails_is_off_with_its_words() -> None:
    (finding,) = conform([replace(ROW, methods=(("csr_conv", {"T": 4, "skip": ["*"]}),))])
    assert finding.status is Status.OFF
    assert "nothing to replace" in finding.note


def test_unknown_names_are_not_computable_and_both_are_said() -> None:
    (finding,) = conform([replace(ROW, backbone="resnet21", methods=(("sorcery", {}),))])
    assert finding.status is Status.NOT_COMPUTABLE
    assert finding.note == "method sorcery and backbone resnet21 not in the registry"


def test_a_wrong_knob_is_a_mistake_of_the_table() -> None:
    with pytest.raises(InputError, match=r"figures\.csv:2: method csr_conv has no knob 't'"):
        conform([replace(ROW, methods=(("csr_conv", {"t": 4}),))])


def test_a_wrong_metric_is_a_mistake_of_the_table() -> None:
    with pytest.raises(InputError, match=r"figures\.csv:2: unknown metric 'parms'; did you mean 'params'"):
        conform([replace(ROW, metric="parms", backbone="not there")])


def write(folder: Path, *values: int) -> str:
    file = folder / "figures.csv"
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for value in values:
            writer.writerow(
                ["he", "resnet20", "-", "3x32x32", "params", value, 0, "a page", "resnet20", "dense", ""]
            )
    return str(file)


def test_the_command_exits_1_when_a_figure_is_off(tmp_path: Path) -> None:
    good = CliRunner().invoke(app, ["conform", "--table", write(tmp_path, 269722)])
    assert good.exit_code == 0
    assert good.output.splitlines()[-4:] == [
        "published: 1 exact, 0 within tolerance, 0 off, 0 not computable",
        "derived: 0 exact, 0 within tolerance, 0 off, 0 not computable",
        "formula: 0 exact, 0 within tolerance, 0 off, 0 not computable",
        "1 exact, 0 within tolerance, 0 off, 0 not computable",
    ]
    bad = CliRunner().invoke(app, ["conform", "--table", write(tmp_path, 269722, 270000)])
    assert bad.exit_code == 1
    lines = bad.output.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["exact", "off"]
    assert lines[0].index("a page") == lines[1].index("a page")
    assert "\x1b" not in bad.output


def test_json_carries_rows_and_summary(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["conform", "--json", "--table", write(tmp_path, 270000)])
    data = json.loads(answer.stdout)
    assert data["summary"]["off"] == data["by_kind"]["published"]["off"] == 1
    assert data["rows"][0]["kind"] == "published"
    assert data["rows"][0]["computed"] == 269722
    assert data["rows"][0]["source"] == "a page"
    assert data["rows"][0]["methods"] == [{"name": "dense", "knobs": {}}]


def test_only_that_fits_nothing_is_wrong_input(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["conform", "--only", "hee", "--table", write(tmp_path, 1)])
    assert isinstance(answer.exception, InputError)
    assert "did you mean 'he'" in str(answer.exception)


def test_a_finding_as_plain_data() -> None:
    row = replace(ROW, value=1.0, methods=(("csr_conv", {"T": 4}), ("int8", {})), kind=Kind.DERIVED)
    assert Finding(row, Status.WITHIN, 2.0, "why").as_dict() == {
        "system": "csr_conv",
        "network": "resnet20",
        "variant": "T=4",
        "input": "3x32x32",
        "metric": "params",
        "value": 1.0,
        "tolerance": 0,
        "source": "by hand",
        "backbone": "resnet20",
        "methods": [{"name": "csr_conv", "knobs": {"T": 4}}, {"name": "int8", "knobs": {}}],
        "classes": 10,
        "where": "figures.csv:2",
        "kind": "derived",
        "status": "within tolerance",
        "computed": 2.0,
        "note": "why",
    }


@pytest.mark.parametrize(
    ("value", "tolerance", "status"),
    [(630, 0, Status.EXACT), (628, 2, Status.WITHIN), (632, 2, Status.WITHIN), (627, 2, Status.OFF)],
)
def test_a_tolerance_that_is_just_met(value: float, tolerance: float, status: Status) -> None:
    row = replace(
        ROW, backbone="layer/10-7-k3", input=(10, 8, 8), classes=None, value=value, tolerance=tolerance
    )
    (finding,) = conform([row])
    assert (finding.status, finding.computed, finding.note) == (status, 630, "")


def test_a_figure_beside_that_of_the_dense_network() -> None:
    row = replace(
        ROW, backbone="layer/8-8-k3", input=(8, 8, 8), classes=None, methods=(("csr_conv", {"T": 2}),)
    )
    metrics = ("params", "params_ratio", "params_reduction_percent", "conv_macs_ratio", "macs_ratio")
    found = conform([replace(row, metric=metric) for metric in metrics])
    # 9 · 4 · (4 + 4) + 2 of 576 parameters; 9 · 4 · (2 · 4 + 4) of 576 MACs at each place
    computed = [290, 576 / 290, 100 * (1 - 290 / 576), 576 / 432, 576 / 432]
    assert [f.computed for f in found] == pytest.approx(computed)


def test_a_network_without_a_classifier_has_no_features_of_its_own() -> None:
    row = replace(ROW, backbone="layer/8-8-k3", input=(8, 8, 8), classes=None, metric="feature_params")
    (finding,) = conform([row])
    assert (finding.status, finding.computed) == (Status.OFF, None)
    assert finding.note.endswith("which is no linear layer")
    assert ": ValueError: the network ends with " in finding.note


def test_names_that_are_missing_are_told_one_by_one() -> None:
    (method,) = conform([replace(ROW, methods=(("sorcery", {}), ("dense", {})))])
    (backbone,) = conform([replace(ROW, backbone="resnet21")])
    assert method.note == "method sorcery not in the registry"
    assert backbone.note == "backbone resnet21 not in the registry"
    assert (method.computed, backbone.computed) == (None, None)


def test_every_status_and_kind_is_tallied() -> None:
    assert tally([]) == {"exact": 0, "within tolerance": 0, "off": 0, "not computable": 0}
    found = [Finding(ROW, status, None) for status in (Status.OFF, Status.OFF, Status.EXACT)]
    assert tally(found) == {"exact": 1, "within tolerance": 0, "off": 2, "not computable": 0}
    assert list(tally_by_kind(iter(found))) == ["published", "derived", "formula"]
    assert tally_by_kind(iter(found))["published"] == tally(found)


@pytest.mark.parametrize(
    "metric", ["layer_density:0", "layer_density:x", "layer_density:", "macs_ratios", "_ratio"]
)
def test_a_metric_that_is_none_is_refused(metric: str) -> None:
    with pytest.raises(InputError, match=rf"figures\.csv:2: unknown metric '{metric}'"):
        conform([replace(ROW, metric=metric)])


def test_one_thread_while_counting_and_as_before_after() -> None:
    torch.set_num_threads(2)
    seen: list[int] = []
    try:
        with conform_module._one_thread():
            seen.append(torch.get_num_threads())
        seen.append(torch.get_num_threads())
    finally:
        torch.set_num_threads(1)
    assert seen == [1, 2]


def test_witnesses_that_disagree_make_a_figure_off(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = SimpleNamespace(disagreements=("conv: closed form 1, fvcore 2, torch 2", "more"), layers=())
    monkeypatch.setattr(conform_module, "count", lambda *_: counts)
    (finding,) = conform(
        [replace(ROW, backbone="layer/8-8-k3", input=(8, 8, 8), classes=None, metric="macs")]
    )
    assert finding.note.endswith(
        ": ValueError: the witnesses disagree: conv: closed form 1, fvcore 2, torch 2"
    )
