"""bench profile: every layer with its part of the time, and what cannot be profiled in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_trials import made_end, made_start, made_trial

from bench.analysis.store import Store, read_results
from bench.case import Case
from bench.plan.case_id import parse_case_id
from bench.run import profiling
from bench.worker.protocol import Failure, Profiled, ProfiledLayer

CASE = "layer/4-4-k3/csr_conv(T=2)/eager/cpu/b1/4x8x8"
PARTS = {"U convolutions": 1e-6, "V convolutions": 1e-6, "element-wise": 1e-6, "dispatch": 1e-6}
PARTS["split and concatenate"] = 0.0


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for the process that profiles: one layer of eight microseconds, on host ``h``."""
    answer = Profiled(host={"id": "h"}, seconds=16e-6, layers=(ProfiledLayer("conv", 8e-6, PARTS),))
    monkeypatch.setattr(profiling, "run_worker", lambda *_, **__: answer)


def test_layers_for_machines_with_what_the_host_could_reach(
    bench: Callable[..., Any], tmp_path: Path, worker: None
) -> None:
    row = {"threads": 1, "flops": {"float32": 1e12}, "bandwidth": 1e9}
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "peaks.json").write_text(json.dumps({"host": {"id": "h"}, "peaks": [row]}))
    said = bench("profile", CASE, "--json")
    assert (said.code, said.err) == (0, "")
    answer = json.loads(said.out)
    (layer,) = answer["layers"]
    layer_params = 2 * 4 * 9 + 2
    assert (answer["case"], answer["seconds"], layer["layer"]) == (CASE, 16e-6, "conv")
    assert layer["bytes"] == 4 * (4 * 64 + 4 * 64 + layer_params)
    assert layer["attainable_seconds"] == pytest.approx(layer["bytes"] / 1e9)
    assert layer["fraction"] == pytest.approx(layer["bytes"] / 1e9 / 8e-6)
    assert layer["parts"] == PARTS


def test_layers_for_a_person(bench: Callable[..., Any], worker: None) -> None:
    said = bench("profile", CASE)
    assert said.code == 0
    first, forward, parts = said.out.splitlines()
    assert first.split("\t")[:2] == ["conv", "CSRConv2d"]
    assert forward == f"{CASE}: 0.016 ms a forward, 50% in the layers above"
    assert parts.startswith("layers with parts: U convolutions 25%")
    assert said.err == "no peaks of this host are stored: `bench doctor --peaks` measures them\n"


def test_a_case_that_fails_is_code_3(bench: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Profiled(error=Failure("launch", "Crash", "gone\x1b[2J"))
    monkeypatch.setattr(profiling, "run_worker", lambda *_, **__: gone)
    said = bench("profile", CASE)
    assert (said.code, said.out, said.err) == (3, "", f"bench: {CASE}: gone\\x1b[2J\n")


@pytest.mark.parametrize(
    "case",
    [
        "resnet20/csr_conv(T=[)",
        "resnet20/csr_conv(T=2026-13-45)",
        "resnet20/csr_conv(T=" + "9" * 5000 + ")",
        "resnet20/csr_conv(T=" + "[" * 5000 + ")",
        "resnet20/dense/b" + "9" * 5000,
        "resnet20/csr_conv(T=['",
    ],
)
def test_a_case_that_cannot_be_read_is_one_line_and_code_2(bench: Callable[..., Any], case: str) -> None:
    said = bench("profile", case)
    assert (said.code, said.out) == (2, "")
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("bench: ")
    assert "Traceback" not in said.err


@pytest.mark.parametrize("text", ["[]", '{"host": {"id": "h"}, "peaks": 3}', "{"])
def test_odd_peaks_are_named_with_code_2(
    bench: Callable[..., Any], tmp_path: Path, worker: None, text: str
) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "peaks.json").write_text(text)
    said = bench("profile", CASE)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("bench: results/peaks.json: n")
    assert len(said.err.splitlines()) == 1


def run_of(folder: Path, name: str, *cases: Case) -> Path:
    """A run of those cases that is over."""
    file = folder / f"{name}.jsonl"
    with Store(file) as store:
        store.append(made_start(cases, run=name))
        store.append(made_trial(cases[0], run=name))
        store.append(made_end(name))
    return file


def test_a_profile_is_stored_with_the_newest_run_of_the_case_and_beside_its_baseline(
    bench: Callable[..., Any], tmp_path: Path, worker: None
) -> None:
    case = parse_case_id(CASE)
    results = tmp_path / "results"
    older = run_of(results, "20260101-a", case.baseline(), case)
    newer = run_of(results, "20260102-b", case.baseline(), case)
    run_of(results, "20260103-c", case.baseline())
    (results / "20260104-odd.jsonl").write_text("[]")
    said = bench("profile", CASE, "--store")
    assert said.code == 0
    assert "stored in results/20260102-b.jsonl" in said.err
    found = read_results(newer)
    assert list(found.profiles) == [case.baseline().id, case.id]
    profile = found.profiles[case.id]
    assert (profile.run, profile.host, profile.seconds) == ("20260102-b", {"id": "h"}, 16e-6)
    assert (profile.layers[0].layer, profile.layers[0].parts) == ("conv", PARTS)
    assert found.complete
    assert read_results(older).profiles == {}


def test_a_profile_has_no_run_to_go_to(bench: Callable[..., Any], tmp_path: Path, worker: None) -> None:
    said = bench("profile", CASE, "--store")
    assert (said.code, said.out) == (2, "")
    assert (
        said.err == f"bench: --store: no run in results has the case {CASE}; `bench run` measures it first\n"
    )


def test_a_revision_that_knows_no_profiles_says_so_and_others_are_read(tmp_path: Path) -> None:
    """Lines of other kinds keep their schema: only a file with a profile is a newer one."""
    case = parse_case_id(CASE)
    file = run_of(tmp_path, "a", case)
    schemas = [json.loads(line)["schema"] for line in file.read_text().splitlines()]
    assert schemas == [3, 3, 3]
