"""This project with planted commits: each is named by `bench history` and failed by `bench gate`.

The commits are real: each is checked out, and its own counting process counts a network. What is timed is
made up elsewhere, as no test asserts a time.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_history import Repository
from made_trials import made_end, made_results, made_start

from bench.analysis.records import CountRecord, Record
from bench.analysis.store import Results, Store
from bench.case import Case, MethodCall
from bench.cli import two_revisions
from bench.run.counting import CountingProcess

ROOT = Path(__file__).resolve().parents[2]
CSR = Case("resnet20", (MethodCall("csr_conv", {"T": 2}),))
OPERATOR = "bench/methods/csr_conv.py"
PARTS = ("bench", "suites", "pyproject.toml")

DISCARDED = (
    "        u = u.reshape(x.shape[0], self.T, self.go, u.shape[2], u.shape[3])\n        h = [u[:, 0]]\n",
    "        u = u.reshape(x.shape[0], self.T, self.go, u.shape[2], u.shape[3])\n        h = [u[:, 0]]\n"
    "        F.conv2d(h[0], self.v, self.bias_v, 1, (self.kernel_size - 1) // 2)\n",
)
"""A V convolution that is computed and thrown away."""

ADDED = (
    "        self.beta = nn.Parameter(torch.empty((), device=device, dtype=dtype))\n",
    "        self.beta = nn.Parameter(torch.empty((), device=device, dtype=dtype))\n"
    "        self.gamma = nn.Parameter(torch.zeros((), device=device, dtype=dtype))\n",
)
REMOVED = (
    "        self.alpha = nn.Parameter(torch.empty((), device=device, dtype=dtype))\n",
    '        self.register_buffer("alpha", torch.empty((), device=device, dtype=dtype))\n',
)


class Planted(Repository):
    """This project as it stands, then ten neutral commits with the planted ones among them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / part)
        self.git("add", ".")
        self.commit("the project")
        self.planted: dict[str, str] = {}
        for number in range(10):
            self.commit(f"neutral {number}", **{"note.md": f"{number}\n"})
            if number in (2, 5, 8):
                name, change = {2: ("discard", DISCARDED), 5: ("add", ADDED), 8: ("remove", REMOVED)}[number]
                self.planted[name] = self.edit(f"planted: {name}", *change)

    def edit(self, subject: str, before: str, after: str) -> str:
        """A commit that changes the operator."""
        text = (self.folder / OPERATOR).read_text(encoding="utf-8")
        assert text.count(before) == 1
        return self.commit(subject, **{OPERATOR: text.replace(before, after)})


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return Planted(tmp_path_factory.mktemp("planted") / "project")


@pytest.fixture(scope="module")
def counted(planted: Planted, tmp_path_factory: pytest.TempPathFactory) -> dict[str, CountRecord]:
    """Tree of `bench` -> what the counting process of a commit with it says: equal code is counted once."""
    folder = tmp_path_factory.mktemp("checkouts")
    trees = {planted.git("rev-parse", f"{commit}:bench"): commit for commit in planted.commits}
    for tree, commit in trees.items():
        planted.git("worktree", "add", "--quiet", "--detach", str(folder / tree), commit)

    def count(tree: str) -> CountRecord:
        with CountingProcess((), checkout=folder / tree) as process:
            answer = process.ask(CSR)
        assert answer.error is None, answer.error
        return CountRecord("r", CSR.count_id, "ok", None, answer.counts)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(trees, pool.map(count, trees), strict=True))


@pytest.fixture
def results(planted: Planted, counted: dict[str, CountRecord]) -> Iterator[Callable[[], None]]:
    """Writes a results file of every commit, as `bench run` would, in place of those there."""
    folder = planted.folder / "results"

    def write() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        line = planted.git("log", "--first-parent", "--format=%H").splitlines()
        for number, commit in enumerate(line):
            count = counted[planted.git("rev-parse", f"{commit}:bench")]
            records: list[Record] = [made_start([CSR], revision=commit[:12]), count, made_end()]
            with Store(folder / f"{number:04}.jsonl") as store:
                for record in records:
                    store.append(record)

    yield write
    shutil.rmtree(folder, ignore_errors=True)
    planted.git("checkout", "--quiet", "main")


@pytest.mark.slow
@pytest.mark.parametrize("behind", [0, 1, 5, 30])
def test_every_planted_commit_is_named_wherever_it_stands(
    bench: Callable[..., Any],
    planted: Planted,
    results: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    behind: int,
) -> None:
    monkeypatch.chdir(planted.folder)
    for name, metrics in (
        ("discard", {"disputed_layers", "witnessed_macs"}),
        ("add", {"params", "logical_params", "weight_bytes"}),
        ("remove", {"params", "logical_params"}),
    ):
        planted.git("checkout", "--quiet", "--detach", planted.planted[name])
        for number in range(behind):
            planted.git("commit", "--quiet", "--allow-empty", "--message", f"behind {number}", "--no-verify")
        results()
        said = json.loads(bench("history", "--json").out)
        of_commit = [step for step in said["steps"] if step["candidates"] == [planted.planted[name]]]
        assert {step["metric"] for step in of_commit} == metrics
        assert {step["rise"] for step in of_commit} == {name != "remove"}
        others = {c for step in said["steps"] for c in step["candidates"]}
        assert others <= set(planted.planted.values())


@pytest.mark.slow
def test_the_third_witness_sees_what_is_thrown_away(
    planted: Planted, counted: dict[str, CountRecord]
) -> None:
    """About a seventh more by torch's count, and no other count of the network differs."""
    before = counted[planted.git("rev-parse", f"{planted.planted['discard']}~1:bench")].counts
    after = counted[planted.git("rev-parse", f"{planted.planted['discard']}:bench")].counts
    assert before is not None
    assert after is not None
    for name in ("params", "logical_params", "macs", "executed_macs", "other_elements", "weight_bytes"):
        assert getattr(before, name) == getattr(after, name), name
    assert (before.disputed_layers, after.disputed_layers) == (0, 18)
    assert after.witnessed_macs > 1.1 * before.witnessed_macs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "metric"), [("discard", "witnessed_macs"), ("add", "params"), ("remove", "params")]
)
def test_the_gate_fails_each_planted_commit_by_counts_and_passes_it_once_declared(
    bench: Callable[..., Any],
    planted: Planted,
    counted: dict[str, CountRecord],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    metric: str,
) -> None:
    """With the counts that the commits' own processes gave."""

    def measure(both: two_revisions.Both, _: str) -> Results:
        trees = {arm: planted.git("rev-parse", f"{commit}:bench") for arm, commit in both_of(both).items()}
        counts = [replace(counted[tree], arm=arm) for arm, tree in trees.items()]
        return made_results([CSR], [], counts, arms=both_of(both), measure={"timed": False})

    monkeypatch.chdir(planted.folder)
    monkeypatch.setattr(two_revisions, "measure", measure)
    words = ("gate", "suites/asv.yaml", "--fail-on", "bigger")
    planted.git("checkout", "--quiet", "--detach", planted.planted[name])
    said = bench(*words, "--base", "HEAD~1", "--json")
    data = json.loads(said.out)
    assert said.code == 1
    assert metric in {change[1] for change in data["undeclared"]}
    declared = "\n".join(data["to_paste"]).replace("REASON", "planted")
    planted.commit("declared", **{"suites/expected.yaml": declared + "\n"})
    assert bench(*words, "--base", "HEAD~2").code == 0
    assert bench(*words, "--base", "HEAD~1").code == 2  # declared once more than it happened


@pytest.mark.slow
def test_a_gate_counts_both_commits_itself(
    bench: Callable[..., Any], planted: Planted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(planted.folder)
    (tmp_path / "s.yaml").write_text("name: s\nbackbones: [layer/16-16-k3]\nmethods: [csr_conv: {T: 2}]\n")
    planted.git("checkout", "--quiet", "--detach", planted.planted["discard"])
    words = ("--base", "HEAD~1", "--fail-on", "bigger", "--results", tmp_path, "--json")
    said = bench("gate", tmp_path / "s.yaml", *words)
    changed = {change[1]: tuple(change[2:]) for change in json.loads(said.out)["undeclared"]}
    assert said.code == 1
    assert changed["disputed_layers"] == (0, 1)
    assert len(planted.git("worktree", "list").splitlines()) == 1 + 4  # those of the counts alone


def both_of(both: two_revisions.Both) -> dict[str, str]:
    return {"base": both.base, "head": both.head}
