"""Runtimes that run files: each written once, loaded by every trial, and what fails fails in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import api, plugins
from bench.analysis.compare import compare_runs
from bench.analysis.frame import make_frame
from bench.analysis.store import Results
from bench.case import DENSE, Case
from bench.plan.plan import Plan
from bench.plan.targets import Target
from bench.run.exporting import ExportingProcess, Question, name_of, places_to_export
from bench.run.launch import knows_exports
from bench.run.session import Arm
from bench.run.sitting import Place
from bench.worker.protocol import Job

PLUGIN = """\
import torch
from pathlib import Path
from bench.runtimes import runtime

LOG = Path(__file__).with_name("log")

def export(network, example, folder):
    with LOG.open("a") as log:
        log.write(f"{folder}\\n")
    torch.save(network, folder / "network.pt")

def cannot(network, example, folder):
    raise NotImplementedError("there is no operator of that name")

def leaves(network, example, folder):
    import os
    os.kill(os.getpid(), 11)

@runtime("filed", export=export)
def filed(folder, example):
    '''Loads a file.'''
    return torch.load(folder / "network.pt", weights_only=False).__call__

@runtime("wrong", export=export)
def wrong(folder, example):
    '''Answers something else.'''
    network = torch.load(folder / "network.pt", weights_only=False)
    return lambda x: 2 * network(x)

@runtime("unable", export=cannot)
def unable(folder, example):
    '''Takes nothing.'''

@runtime("crashing", export=leaves)
def crashing(folder, example):
    '''Ends the process that exports.'''

@runtime("far", export=export, needs=("no_such_package",), extra="far")
def far(folder, example):
    '''Is not installed.'''
"""
SUITE = """\
name: exports
backbones: [layer/4-4-k3]
methods: [dense, csr_conv: {T: 2}]
runtimes: [eager, filed, wrong, unable, crashing, far]
targets: [{name: near, prefix: [env]}]
inputs: [8x8]
plugins: [mine.py]
measure: {rounds: 2, passes: 2, min_samples: 3, min_seconds: 0.001, warmup_max_seconds: 0.01}
"""


class Story:
    """A run of all of them, and what it wrote."""

    def __init__(self, plan: Plan, results: Results, folder: Path) -> None:
        self.plan = plan
        self.results = results
        self.log = (folder / "log").read_text().splitlines()
        self.rows: dict[tuple[str, str], Any] = {
            (row["runtime"], row["method"]): row for row in make_frame([results]).to_dict("records")
        }


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("exports")
    (folder / "mine.py").write_text(PLUGIN)
    (folder / "s.yaml").write_text(SUITE)
    from bench.run import lock

    with pytest.MonkeyPatch.context() as patch, plugins.isolated():
        patch.setattr(lock, "default_path", lambda: folder / "host.lock")
        plan = api.make_plan(api.load_suite(folder / "s.yaml", trust=True))
        yield Story(plan, api.run(plan, folder / "results", seed=1, trust=True), folder)


@pytest.mark.slow
def test_each_case_is_exported_once_for_all_its_trials(story: Story) -> None:
    trials = Counter(trial.case.split("/")[3] for trial in story.results.trials)
    assert trials["filed"] == 2 * 2
    assert len(story.log) == len(set(story.log)) == 2 * 2  # two cases of two runtimes
    assert not any(Path(folder).exists() for folder in story.log), "the run's folder is gone with it"


@pytest.mark.slow
def test_what_exporting_took_is_recorded_beside_what_loading_takes(story: Story) -> None:
    for method in ("dense", "csr_conv"):
        row = story.rows["filed", method]
        assert row["status"] == "ok"
        assert row["exported_bytes"] > 4 * 4 * 4 * 3
        assert row["export_seconds"] > 0
        assert row["compile_seconds"] > 0
        assert row["same_output"]
        eager = story.rows["eager", method]
        assert eager["exported_bytes"] != eager["exported_bytes"]
        assert eager["export_seconds"] != eager["export_seconds"]
    assert {t.export_seconds for t in story.results.trials} == {None}
    sizes = {trial.exported_bytes for trial in story.results.trials if "/filed/" in trial.case}
    assert None not in sizes


@pytest.mark.slow
def test_torchs_allocator_says_nothing_about_a_runtime_of_its_own(story: Story) -> None:
    peaks = {p.case.split("/")[3]: p.memory.allocator_peak for p in story.results.probes if p.memory}
    assert peaks["filed"] is None
    assert peaks["eager"] is not None


@pytest.mark.slow
def test_a_case_with_wrong_outputs_fails_before_it_is_timed(story: Story) -> None:
    row = story.rows["wrong", "dense"]
    assert row["status"] == "failed"
    assert row["error"].startswith("OutputsDiffer in check: wrong answers ")
    assert "of the largest value apart, 0.01 is allowed" in row["error"]
    assert all(trial.latency is None for trial in story.results.trials if "/wrong/" in trial.case)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("runtime", "words"),
    [
        (
            "unable",
            "Untakeable in export: runtime unable cannot take this network: NotImplementedError: there is no",
        ),
        ("crashing", "Crash in export: the worker was ended by SIGSEGV"),
        ("far", "NotInstalled in export: runtime far: no_such_package is not installed here; `pip install "),
    ],
)
def test_what_cannot_be_exported_is_a_failed_case_that_nobody_tries_to_measure(
    story: Story, runtime: str, words: str
) -> None:
    for method in ("dense", "csr_conv"):
        row = story.rows[runtime, method]
        assert row["status"] == "failed"
        assert row["error"].startswith(words)
    assert not any(f"/{runtime}/" in trial.case for trial in story.results.trials)


@pytest.mark.slow
def test_a_comparison_says_why_such_a_case_has_no_trial(story: Story) -> None:
    found = {case.case.split("/")[3]: case for case in compare_runs(story.results, story.results, 0.03).cases}
    assert "there is no operator of that name" in found["unable"].note
    assert found["filed"].note == ""


@pytest.mark.slow
def test_a_plan_says_what_is_not_installed(story: Story) -> None:
    (words,) = story.plan.not_installed
    assert words.endswith("(cases that will fail: 2)")
    assert "csr-bench[far]" in words


def session(*targets: Target, runtime: str = "onnxruntime") -> Any:
    """As much of a session as is looked at before anything is exported."""
    cases = [Case("layer/4-4-k3", DENSE, runtime, target.name, input=(4, 8, 8)) for target in targets]
    plan = SimpleNamespace(targets={target.name: target for target in targets})
    return SimpleNamespace(arms=(Arm(),), plan=plan, measurable=lambda _: cases, hosts=None)


def test_what_another_host_or_interpreter_runs_is_not_exported_here() -> None:
    targets = (
        Target("cpu", "cpu"),
        Target("nice", "cpu", ("nice",)),
        Target("board", "cpu", ("ssh", "board")),
        Target("other", "cpu", python="/opt/python"),
    )
    assert [place.case.target for place in places_to_export(session(*targets))] == ["cpu", "nice"]
    assert places_to_export(session(Target("cpu", "cpu"), runtime="compile")) == []
    elsewhere = session(*targets)
    elsewhere.hosts = object()  # other machines measure, and export what they need
    assert places_to_export(elsewhere) == []


def test_cases_that_differ_in_nothing_that_a_file_holds_share_one() -> None:
    def name(arm: str = "", **changes: Any) -> str:
        return name_of(
            Place(Arm(arm), Case("resnet20", DENSE, **{"runtime": "onnxruntime", **changes}), 0, 0)
        )

    assert name() == name(threads=2) == name(target="other")
    others = [name("base"), name(runtime="openvino"), name(batch=2), name(seed=1), name(input=(3, 8, 8))]
    assert len({name(), *others}) == 6


def test_an_older_revision_knows_no_exports(tmp_path: Path) -> None:
    assert knows_exports(None)
    assert not knows_exports(tmp_path)


def test_an_exporting_process_that_cannot_start_is_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.run.exporting.sys.executable", str(tmp_path / "no-python"))
    process = ExportingProcess(1.0)
    answer = process.ask(Question(Arm(), Job(Case("resnet20", DENSE))))
    process.close()
    assert answer.error is not None
    assert answer.error.stage == "export"
