"""What goes to another machine and comes back is what went: plain facts, as text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_trials import made_answer, made_error

from bench.case import Case, MethodCall
from bench.plan.suite import Measure
from bench.plan.targets import Target
from bench.run import served
from bench.run.requests import Held, ProbeRequest, SittingRequest
from bench.worker.protocol import Failure, Job, Measured

CASE = Case("layer/4-4-k3", (MethodCall("csr_conv", {"T": 2}),), input=(4, 8, 8))
BOARD = Target("pi", "cpu", ("ssh", "pi@board"), "~/bench/bin/python", threads=2, cores="big")
LOST = Failure("launch", "ConnectionLost", "it is gone")


def sitting(*plugins: str, target: Target = BOARD) -> SittingRequest:
    jobs = (Job(CASE.baseline(), plugins=plugins), Job(CASE, recipes=({"a": [1]},), plugins=plugins))
    return SittingRequest(target, (jobs, jobs[:1]), Measure(passes=3, timeout=5.0), "7/0/x")


def test_a_sitting_comes_back_as_it_went() -> None:
    assert SittingRequest.from_json(json.loads(json.dumps(sitting().to_json()))) == sitting()
    assert [job.case for job in sitting().jobs] == [CASE.baseline(), CASE, CASE.baseline()]


def test_a_probe_comes_back_as_it_went() -> None:
    probe = ProbeRequest(BOARD, Job(CASE, timed=False), 5.0)
    assert ProbeRequest.from_json(json.loads(json.dumps(probe.to_json()))) == probe


@pytest.mark.parametrize(
    "held",
    [
        Held("2026-01-01T00:00:00+00:00", 1.5, (made_answer(), made_answer(error=made_error("no")))),
        Held("", 0.0, lost=LOST),
        Held("", 0.0, unseated="a process that two shared"),
    ],
    ids=["measured", "lost", "unseated"],
)
def test_what_was_held_comes_back_as_it_went(held: Held) -> None:
    assert Held.from_json(json.loads(json.dumps(held.to_json()))) == held


def test_an_answer_of_wrong_types_is_refused() -> None:
    data = Held("", 0.0, (made_answer(),)).to_json()
    data["answers"][0]["params"] = "many"
    with pytest.raises(ValueError, match="params"):
        Held.from_json(data)


def test_the_machine_that_offers_a_target_starts_it_without_ssh() -> None:
    here = served.as_here(BOARD)
    assert (here.prefix, here.python) == ((), None)
    assert (here.threads, here.cores, here.device) == (2, "big", "cpu")
    bound = Target("two", "cpu", ("taskset", "-c", "0-1"))
    assert served.as_here(bound) == bound


def test_the_users_own_files_travel_and_are_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text("# mine\n", encoding="utf-8")
    text = served.packed(sitting(str(plugin), str(tmp_path / "not there.py")))
    plugin.unlink()
    seen: list[Path] = []

    def hold(request: SittingRequest) -> Held:
        for job in request.jobs:
            mine, missing = map(Path, job.plugins)
            assert mine.read_text(encoding="utf-8") == "# mine\n"
            assert mine.name == "mine.py"
            assert missing == tmp_path / "not there.py"
            seen.append(mine)
        assert request.target == served.as_here(BOARD)
        return Held("now", 1.0, (made_answer(),) * 3)

    monkeypatch.setattr(served, "hold", hold)
    assert len(Held.from_json(json.loads(served.held(text))).answers) == 3
    assert len(seen) == 3
    assert not any(file.exists() for file in seen)


def test_probes_are_answered_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [ProbeRequest(BOARD, Job(CASE), 5.0), ProbeRequest(BOARD, Job(CASE.baseline()), 5.0)]

    def probe_here(asked: list[ProbeRequest]) -> list[Measured]:
        assert [one.job.case for one in asked] == [CASE, CASE.baseline()]
        return [made_answer(params=1), made_answer(params=2)]

    monkeypatch.setattr(served, "probe_here", probe_here)
    assert [answer["params"] for answer in json.loads(served.probed(served.packed(requests)))] == [1, 2]


def test_resources_name_targets_and_nothing_else() -> None:
    assert served.resources(["pi", "gpu"]) == {"csr-bench:pi": 1, "csr-bench:gpu": 1}
    assert served.offered({"csr-bench:pi": 1.0, "GPU": 2.0, "memory": 1}) == ["pi"]
