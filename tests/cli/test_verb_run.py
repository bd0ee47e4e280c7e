"""bench run, with real processes on tiny networks: measured, recorded, reported, and failures told apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.analysis.frame import make_frame
from bench.analysis.store import read_results

MEASURE = (
    "measure: {rounds: 1, min_samples: 3, min_seconds: 0.001, max_seconds: 0.05, warmup_max_seconds: 0.01}\n"
)
GOOD = "name: good\nbackbones: [layer/4-4-k3]\nmethods: [dense, csr_conv: {T: 2}]\ninputs: [8x8]\n" + MEASURE
# psconv finds nothing to replace in a 1×1 convolution, and no host has 4096 cores.
BAD = (
    "name: bad\nbackbones: [layer/4-4-k1]\nmethods: [dense, psconv: {variant: pSC4}]\ninputs: [8x8]\n"
    "threads: [1, 4096]\n" + MEASURE
)


def test_a_run_is_measured_recorded_and_reported(bench: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(GOOD)
    said = bench("run", "s.yaml", "--json", "--seed", "3")
    assert said.code == 0, said.err
    answer = json.loads(said.out)
    assert (answer["cases"], answer["failed"], answer["interrupted"]) == (2, {}, False)
    found = read_results(tmp_path / answer["results"])
    assert found.complete
    assert found.start.seed == 3
    assert len(found.trials) == 2
    frame = make_frame([found])
    assert list(frame["macs"]) == [9216, 6912]
    assert list(frame["witnesses_agree"]) == [True, True]
    assert (frame["latency"] > 0).all()
    assert (frame["ratio"] > 0).all()
    page = (tmp_path / answer["report"]).read_text()
    assert "csr_conv" in page
    assert Path(answer["report"]).parent == Path("reports")
    assert "\x1b" not in said.out + said.err
    assert "Traceback" not in said.err


def test_a_failing_case_is_code_3_and_the_others_are_measured(
    bench: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "s.yaml").write_text(BAD)
    said = bench("run", "s.yaml", "--results", "data", "--report", "page.html")
    assert said.code == 3, said.err
    (file,) = (tmp_path / "data").glob("*.jsonl")
    found = read_results(file)
    assert found.complete
    rows = make_frame([found]).set_index("case")
    assert rows["status"].to_dict() == {
        "layer/4-4-k1/dense/eager/cpu/b1/4x8x8": "ok",
        "layer/4-4-k1/dense/eager/cpu/b1/4x8x8/t4096": "failed",
        "layer/4-4-k1/psconv(variant=pSC4)/eager/cpu/b1/4x8x8": "failed",
        "layer/4-4-k1/psconv(variant=pSC4)/eager/cpu/b1/4x8x8/t4096": "failed",
    }
    errors = list(rows["error"])
    assert "4096 threads on " in errors[1]
    assert "nothing to replace" in errors[2]
    told = [line for line in said.err.splitlines() if line.startswith("failed: ") and " in " in line]
    assert len(told) == 3
    assert "Traceback" not in said.err
    assert said.out.splitlines() == [f"results: data/{file.name}", "report:  page.html"]
    assert (tmp_path / "page.html").is_file()


def test_nothing_to_resume_is_code_2_and_writes_nothing(bench: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(GOOD)
    said = bench("run", "s.yaml", "--resume")
    assert (said.code, said.out) == (2, "")
    assert said.err == ("bench: --resume: results holds no unfinished run of suite good with these cases\n")
    assert [file.name for file in tmp_path.iterdir()] == ["s.yaml"]


@pytest.mark.parametrize("wrong", ["0", "2", "x", "-1%"])
def test_a_wrong_resolution_is_code_2(bench: Callable[..., Any], tmp_path: Path, wrong: str) -> None:
    (tmp_path / "s.yaml").write_text(GOOD)
    said = bench("run", "s.yaml", f"--resolution={wrong}")
    assert said.code == 2
    assert said.err == f"bench: '{wrong}' is no resolution; 2% or 0.02 is one\n"
    assert [file.name for file in tmp_path.iterdir()] == ["s.yaml"]
