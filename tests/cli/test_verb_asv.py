"""bench asv import: which runs are refused, by name, with nothing written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_history import Repository
from made_trials import CSR_CASE, DENSE_CASE, made_end, made_host, made_results, made_trial

from bench.analysis.asv_results import BENCHMARKS
from bench.analysis.records import Record
from bench.analysis.redaction import redactor
from bench.analysis.store import Store
from bench.run import asv_benchmarks

CASES = (DENSE_CASE, CSR_CASE)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = Repository(tmp_path)
    made.commit("one")
    params = [[repr(case.id) for case in CASES]]
    found = {
        name: {"name": name, "version": "1", "params": params, "param_names": ["case"]}
        for name in (BENCHMARKS["params"], BENCHMARKS["ratio"])
    }
    monkeypatch.setattr(asv_benchmarks, "discover", lambda folder: found)
    return made


def write(folder: Path, revision: str, name: str = "r.jsonl", **changes: Any) -> Path:
    host = made_host("pi5", python="3.11.7", torch="2.13.0")
    trials = [made_trial(case, n, 1.0 + n / 1000, host=host) for case in CASES for n in range(7)]
    made = made_results(CASES, trials, revision=revision, **changes)
    records: list[Record] = [made.start, *made.counts.values(), *made.trials, made_end()]
    with Store(folder / name, redactor(True)) as store:
        for record in records:
            store.append(record)
    return folder / name


def test_a_run_of_a_commit_is_imported(
    bench: Callable[..., Any], repository: Repository, tmp_path: Path
) -> None:
    said = bench("asv", "import", write(tmp_path, repository.commits[0][:12]))
    assert said.code == 0, said
    (file,) = (tmp_path / "results" / "asv" / "pi5").glob(f"{repository.commits[0][:8]}-*.json")
    assert said.out == f"written: {file.relative_to(tmp_path)}\n"


@pytest.mark.parametrize(
    ("revision", "said"),
    [("0123456789ab-dirty", "commit first"), ("unknown", "no commit"), ("0123456789ab", "no commit of")],
)
def test_a_run_of_no_commit_is_refused_by_name(
    bench: Callable[..., Any], repository: Repository, tmp_path: Path, revision: str, said: str
) -> None:
    good = write(tmp_path, repository.commits[0][:12], "good.jsonl")
    found = bench("asv", "import", good, write(tmp_path, revision, "bad.jsonl"))
    assert (found.code, found.out) == (2, "")
    (line,) = found.err.splitlines()
    assert "bad.jsonl" in line
    assert said in line
    assert not (tmp_path / "results").exists()


def test_a_comparison_is_refused(bench: Callable[..., Any], repository: Repository, tmp_path: Path) -> None:
    file = write(tmp_path, repository.commits[0], arms={"base": "1", "head": "2"})
    found = bench("asv", "import", file)
    assert (found.code, "compares two revisions" in found.err) == (2, True)


def test_a_worse_run_is_refused(bench: Callable[..., Any], repository: Repository, tmp_path: Path) -> None:
    file = write(tmp_path, repository.commits[0])
    assert bench("asv", "import", file).code == 0
    lines = [line for line in file.read_text().splitlines() if '"round":6' not in line]
    worse = tmp_path / "worse.jsonl"
    worse.write_text("\n".join(lines) + "\n")
    found = bench("asv", "import", worse)
    assert (found.code, found.out) == (2, "")
    assert "--replace" in found.err
    assert bench("asv", "import", worse, "--replace").code == 0


def test_without_benchmarks_it_says_where_to_be(bench: Callable[..., Any], tmp_path: Path) -> None:
    made = Repository(tmp_path)
    made.commit("one")
    found = bench("asv", "import", write(tmp_path, made.commits[0]))
    assert (found.code, "run this in a checkout of csr-bench" in found.err) == (2, True)


def test_the_projects_own_benchmarks_are_found() -> None:
    found = asv_benchmarks.discover(Path(__file__).parents[2] / "bench" / "tracking")
    assert set(found) == set(BENCHMARKS.values())


def test_help_has_an_example(bench: Callable[..., Any]) -> None:
    assert "Example: bench asv import" in bench("asv", "import", "--help").out
    assert "import" in bench("asv", "--help").out
