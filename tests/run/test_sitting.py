"""Sittings with real processes: seats, turns, a case that fails alone and one that ends its process."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench import api, plugins
from bench.analysis.frame import make_frame
from bench.analysis.records import Trial
from bench.analysis.store import Results
from bench.plan.suite import load_suite

PLUGIN = """\
import os, signal
from torch import nn
from bench.methods import Replaced, Rewritten, method

class Fatal(nn.Module):
    '''Counts well, and ends its process at the hundredth call.'''
    def __init__(self, network):
        super().__init__()
        self.network, self.calls = network, 0

    def forward(self, x):
        self.calls += 1
        if self.calls == 100:
            os.kill(os.getpid(), signal.SIGSEGV)
        return self.network(x)

@method("fatal")
def fatal(network, context):
    '''Ends its process.'''
    return Rewritten(Fatal(network), (Replaced("network", "a", "b"),))

@method("fails")
def fails(network, context):
    '''Cannot be built twice: in the counting process it can.'''
    if os.environ.get("MALLOC_TRIM_THRESHOLD_") and "bench.counting.count" not in __import__("sys").modules:
        raise RuntimeError("not here")
    return Rewritten(network, (Replaced("network", "a", "b"),))

@method("flips")
def flips(network, context):
    '''Builds another network than the counting process counted: twice the channels.'''
    counting = "bench.worker.counter" in __import__("sys").modules
    network = nn.Sequential(network, nn.Conv2d(4, 4 if counting else 8, 1))
    return Rewritten(network, (Replaced("network", "a", "b"),))

@method("drifts")
def drifts(network, context):
    '''Draws its weights from something else than the seed.'''
    from torch import randn
    generator = __import__("torch").Generator()
    generator.seed()
    for parameter in network.parameters():
        parameter.data = randn(parameter.shape, generator=generator)
    return Rewritten(network, (Replaced("network", "a", "b"),))
"""
SUITE = """\
name: sitting
backbones: [layer/4-4-k3]
methods: [dense, csr_conv: {{T: [2, 4]}}, {method}]
inputs: [8x8]
plugins: [mine.py]
measure: {{rounds: 2, passes: 6, min_samples: 3, min_seconds: 0.001, warmup_max_seconds: 0.01, {more}}}
"""


@pytest.fixture
def run(tmp_path: Path, suite_file: Callable[[str], Path]) -> Iterator[Callable[..., Results]]:
    def go(method: str = "dense", more: str = "seating: together") -> Results:
        (tmp_path / "mine.py").write_text(PLUGIN)
        text = SUITE.format(method=method, more=more)
        if method == "dense":  # a plugin of which no case has a method is wrong input
            text = text.replace(", dense]", "]").replace("plugins: [mine.py]\n", "")
        plan = api.make_plan(load_suite(suite_file(text), trust=True))
        return api.run(plan, tmp_path / "results", seed=1, trust=True)

    with plugins.isolated():
        yield go


def of(results: Results, name: str) -> list[Trial]:
    return [trial for trial in results.trials if f"/{name}" in trial.case]


def test_cases_share_a_process_and_keep_their_turns(run: Callable[..., Results]) -> None:
    results = run()
    assert {(t.seating, t.seats, t.status) for t in results.trials} == {("together", 3, "ok")}
    assert len({t.sitting for t in results.trials}) == 2
    for trial in results.trials:
        assert trial.latency is not None
        assert trial.latency.stop == "turns"
        assert sum(turn.count for turn in trial.latency.turns) == len(trial.latency.samples)
        assert {turn.number for turn in trial.latency.turns} == set(range(6))
    places = [turn.at for t in results.trials if t.round == 0 and t.latency for turn in t.latency.turns]
    assert sorted(places) == list(range(len(places)))
    assert {p.case for p in results.probes} == {t.case for t in results.trials}
    outputs = {p.case: p.output for p in results.probes}
    assert all(t.output == outputs[t.case] for t in results.trials)


def test_apart_each_case_has_a_process_and_they_take_turns(run: Callable[..., Results]) -> None:
    results = run(more="seating: apart")
    assert {(t.seating, t.seats, t.status) for t in results.trials} == {("apart", 1, "ok")}
    places = [turn.at for t in results.trials if t.round == 0 and t.latency for turn in t.latency.turns]
    assert sorted(places) == list(range(len(places)))


def test_layouts_are_drawn_anew_and_answer_the_same(run: Callable[..., Results]) -> None:
    results = run(more="layouts: 3")
    outputs = {p.case: p.output for p in results.probes}
    assert all(t.output == outputs[t.case] for t in results.trials)


def test_a_case_that_cannot_be_built_fails_alone(run: Callable[..., Results]) -> None:
    results = run("fails")
    assert {t.status for t in of(results, "fails")} == {"failed"}
    assert of(results, "fails")[0].error is not None
    assert {(t.status, t.seating) for t in results.trials if "/fails" not in t.case} == {("ok", "together")}


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("flips", "parameters were counted"),
        ("drifts", "the counted network answers the fixed image with"),
    ],
)
def test_bug_a_network_that_was_not_counted_was_measured(
    run: Callable[..., Results], method: str, words: str
) -> None:
    """It stood beside the counts of another, with exit code 0 and no caution."""
    results = run(method)
    (probe,) = [probe for probe in results.probes if f"/{method}" in probe.case]
    assert probe.error is not None
    assert (probe.status, probe.error.stage) == ("failed", "proof")
    assert words in probe.error.message
    assert of(results, method) == []  # its rounds would be spent on a network that nobody counted
    rows = {row["label"]: row for row in make_frame([results]).to_dict("records")}
    assert rows[method]["status"] == "failed"
    assert words in rows[method]["error"]
    assert {row["status"] for label, row in rows.items() if label != method} == {"ok"}


def test_a_crash_in_a_shared_process_costs_no_other_case_its_round(run: Callable[..., Results]) -> None:
    results = run("fatal")
    assert {t.status for t in of(results, "fatal")} == {"failed"}
    rest = [t for t in results.trials if "/fatal" not in t.case]
    assert {t.status for t in rest} == {"ok"}
    assert {(t.case, t.round) for t in rest} == {(t.case, n) for t in rest for n in range(2)}
    assert {t.seating for t in rest} == {"apart"}
    assert "a process that 4 cases shared" in next(t.note for t in rest if t.note)
    assert results.complete


def test_no_process_is_left_after_a_run(run: Callable[..., Results]) -> None:
    run("fatal")
    time.sleep(0.2)
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(status[1]) == os.getpid() and status[0] not in "ZX":
                found.append((entry / "cmdline").read_text())
    assert not [words for words in found if "bench.worker" in words or "bench.counter" in words]


def test_half_precision_takes_turns_with_its_own_baseline(run: Callable[..., Results]) -> None:
    results = run(more="seating: together}\ndtypes: [float32, bfloat16]\nseeds: [0]  # {")
    assert {t.status for t in results.trials} == {"ok"}
    halves = [t for t in results.trials if t.case.endswith("/bfloat16")]
    assert len(halves) == 3 * 2
    for number in range(2):
        sittings = {(t.sitting, t.case.endswith("/bfloat16")) for t in results.trials if t.round == number}
        assert len(sittings) == 2
    rows = make_frame([results])
    assert (rows["weight_bytes"] > 0).all()
    by_dtype = rows.groupby("dtype")
    assert by_dtype["weight_bytes"].sum()["bfloat16"] * 2 == by_dtype["weight_bytes"].sum()["float32"]
    assert list(rows[rows["dtype"] == "bfloat16"]["macs"]) == list(rows[rows["dtype"] == "float32"]["macs"])
    assert rows[rows["dtype"] == "bfloat16"]["float32_ratio"].notna().all()
    assert set(rows[rows["is_baseline"]]["dtype"]) == {"float32", "bfloat16"}
