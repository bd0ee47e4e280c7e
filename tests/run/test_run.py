"""Runs: each case once per round, every record kept, and a resumed run measures exactly what is missing."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from command import command
from made_trials import made_answer, made_count, made_error

from bench.analysis.frame import make_frame
from bench.analysis.records import Trial
from bench.analysis.store import Results, Store, read_results
from bench.case import Case
from bench.errors import InputError
from bench.plan.plan import Plan, make_plan
from bench.plan.suite import load_suite
from bench.run import counting, probing, rounds
from bench.run import run as runs
from bench.run.run import begin, execute, unfinished
from bench.run.session import GIVE_UP_AFTER, Outcome, Session
from bench.run.sitting import Lost, Place, Unseated, job_of, trial_of
from bench.worker.counter import Counted
from bench.worker.protocol import Failure, Job, Measured

SUITE = """\
name: tiny
backbones: [layer/4-4-k3]
methods: [dense, csr_conv: {T: [2, 4]}]
inputs: [8x8]
measure: {rounds: 3, min_samples: 3, min_seconds: 0.001, max_seconds: 0.05, warmup_max_seconds: 0.01}
"""
NO = made_error("no\nsecond line")


class Quiet:
    """A listener that remembers what it was told."""

    def __init__(self) -> None:
        self.counted: list[tuple[int, int]] = []
        self.told: list[tuple[int, int, Trial | None]] = []

    def counting(self, done: int, total: int) -> None:
        self.counted.append((done, total))

    def probing(self, done: int, total: int) -> None: ...
    def remaining(self, seconds: float) -> None: ...

    def trial(self, done: int, total: int, trial: Trial | None) -> None:
        self.told.append((done, total, trial))


@dataclass
class Workshop:
    """Stands in for the measuring and counting processes."""

    jobs: list[Job] = field(default_factory=list)
    counted: list[str] = field(default_factory=list)
    probed: list[str] = field(default_factory=list)
    seatings: list[tuple[str, bool]] = field(default_factory=list)
    crashing: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    uncountable: set[str] = field(default_factory=set)
    interrupt_at: int | None = None
    cuts: int = 0
    session: Session | None = None

    def probe(self, place: Place) -> Measured:
        self.probed.append(place.case.id)
        return made_answer(more="than is known")

    def sit(self, session: Session, places: Sequence[Place], apart: bool, note: str = "") -> list[Trial]:
        """One trial after the other: an interruption loses the whole sitting."""
        self.session = session
        if self.cuts:
            self.cuts -= 1
            raise Lost(Failure("launch", "ConnectionLost", "ssh ended with code 255"))
        for place in places:
            if place.case.id in self.crashing and len(places) > 1 and not apart:
                raise Unseated("a process that they shared: ended")
        trials = []
        for place in places:
            if self.interrupt_at == len(self.jobs):
                raise KeyboardInterrupt
            self.jobs.append(job_of(session, place))
            self.seatings.append((place.case.id, apart))
            answer = made_answer(error=NO) if place.case.id in self.broken else made_answer()
            trials.append(
                trial_of(
                    answer,
                    run="r",
                    case=place.case.id,
                    arm=place.arm.name,
                    round=place.number,
                    position=place.position,
                    started="",
                    wall_seconds=1.0,
                    note=note,
                )
            )
        return trials

    def counting_pool(self, *_: Any, **__: Any) -> Workshop:
        return self

    def __enter__(self) -> Workshop:
        return self

    def __exit__(self, *_: object) -> None: ...

    def ask(self, cases: list[Case]) -> Iterator[Counted]:
        return map(self.count_one, cases)

    def count_one(self, case: Case) -> Counted:
        self.counted.append(case.id)
        if case.id in self.uncountable:
            return Counted(error=Failure(**NO))
        return Counted(counts=made_count(case).counts, recipes=(f"recipe of {case.id}",))


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch) -> Workshop:
    shop = Workshop()
    monkeypatch.setattr(rounds, "sit", shop.sit)
    monkeypatch.setattr(probing.ProbingProcess, "_answer", shop.probe)
    monkeypatch.setattr(counting, "CountingPool", shop.counting_pool)
    return shop


@pytest.fixture
def plan(suite_file: Callable[[str], Path]) -> Plan:
    return make_plan(load_suite(suite_file(SUITE)))


def go(plan: Plan, folder: Path, resumed: Results | None = None, seed: int = 1) -> Outcome:
    file, start = (resumed.file, resumed.start) if resumed else begin(plan, folder, seed)
    return execute(plan, file, start, Quiet(), resumed)


def visits(trials: list[Trial]) -> Counter[tuple[str, int]]:
    return Counter((trial.case, trial.round) for trial in trials)


def each_once(trials: list[Trial], plan: Plan) -> bool:
    """Every case in every round, and none twice but the baseline, which sits with whoever was missing."""
    base = plan.cases[0].baseline().id
    found = visits(trials)
    return found.keys() == everything(plan).keys() and all(
        n == 1 for (case, _), n in found.items() if case != base
    )


def everything(plan: Plan) -> Counter[tuple[str, int]]:
    return Counter((case.id, number) for case in plan.cases for number in range(plan.measure.planned_rounds))


def test_nothing_is_written_before_a_run_begins(plan: Plan, tmp_path: Path) -> None:
    file, start = begin(plan, tmp_path / "results", 5)
    assert not (tmp_path / "results").exists()
    assert file.name == f"{start.run}.jsonl"
    assert "-tiny-" in start.run
    assert start.seed == 5
    assert start.versions["torch"] != "not installed"
    assert start.suite_digest == plan.digest()


def test_a_seed_is_drawn_where_none_is_given(plan: Plan, tmp_path: Path) -> None:
    assert begin(plan, tmp_path, None)[1].seed != begin(plan, tmp_path, None)[1].seed


def test_every_case_is_measured_once_per_round(workshop: Workshop, plan: Plan, tmp_path: Path) -> None:
    outcome = go(plan, tmp_path, seed=9)
    found = read_results(outcome.file)
    assert visits(found.trials) == everything(plan)
    ids = [case.id for case in plan.cases]
    for number in range(3):
        of_round = [t for t in found.trials if t.round == number]
        assert [t.case for t in of_round] == ids
        assert [t.position for t in of_round] == [0, 1, 2]
    assert [t.round for t in found.trials] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert found.complete
    assert (outcome.failed, outcome.interrupted) == ({}, False)


def test_every_network_is_counted_once_before_anything_is_timed(
    workshop: Workshop, plan: Plan, tmp_path: Path
) -> None:
    outcome = go(plan, tmp_path)
    assert workshop.counted == [case.id for case in plan.cases]
    kinds = [json.loads(line)["kind"] for line in outcome.file.read_text().splitlines()]
    assert kinds == ["run", *["count"] * 3, *["probe"] * 3, *["trial"] * 9, "end"]
    assert workshop.probed[-3:] == workshop.counted  # and the first of them alone before


def test_a_job_holds_case_protocol_and_recipes(workshop: Workshop, plan: Plan, tmp_path: Path) -> None:
    go(plan, tmp_path)
    assert {job.case.id for job in workshop.jobs} == {case.id for case in plan.cases}
    for job in workshop.jobs:
        assert job.recipes == (f"recipe of {job.case.id}",)
        assert job.protocol == plan.measure.protocol()
        assert (job.device, job.plugins) == ("cpu", ())
        assert Job.from_json(json.loads(json.dumps(job.to_json()))) == job


def test_a_person_is_told_how_far_it_is(workshop: Workshop, plan: Plan, tmp_path: Path) -> None:
    listener = Quiet()
    execute(plan, *begin(plan, tmp_path, 1), listener)
    assert listener.counted == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert [told[:2] for told in listener.told] == [(done, 9) for done in range(10)]
    assert listener.told[0][2] is None


def test_a_failing_case_is_recorded_given_up_and_the_others_go_on(
    workshop: Workshop, plan: Plan, tmp_path: Path
) -> None:
    bad = plan.cases[1].id
    workshop.broken = {bad}
    outcome = go(plan, tmp_path)
    found = read_results(outcome.file)
    assert outcome.failed == {bad: "RuntimeError in build: no"}
    of_bad = [t for t in found.trials if t.case == bad]
    assert [(t.status, t.error) for t in of_bad] == [("failed", Failure(**NO))] * GIVE_UP_AFTER
    assert len(found.trials) == 2 * 3 + GIVE_UP_AFTER
    assert found.complete


def test_a_case_that_cannot_be_counted_is_not_timed(workshop: Workshop, plan: Plan, tmp_path: Path) -> None:
    bad = plan.cases[2]
    workshop.uncountable = {bad.id}
    outcome = go(plan, tmp_path)
    found = read_results(outcome.file)
    assert outcome.failed == {bad.id: "RuntimeError in build: no"}
    assert {t.case for t in found.trials} == {case.id for case in plan.cases[:2]}
    assert found.counts["", bad.count_id].error == Failure(**NO)


@pytest.mark.parametrize("at", range(9))
def test_a_run_interrupted_anywhere_is_resumed_with_exactly_what_is_missing(
    workshop: Workshop, plan: Plan, tmp_path: Path, at: int
) -> None:
    workshop.interrupt_at = at
    outcome = go(plan, tmp_path)
    assert outcome.interrupted
    before = read_results(outcome.file)
    assert len(before.trials) == at // 3 * 3  # a sitting is kept whole or not at all
    assert [end.status for end in before.ends] == ["interrupted"]
    workshop.interrupt_at = None
    workshop.counted.clear()
    resumed = unfinished(plan, tmp_path)
    assert resumed.file == outcome.file
    assert not go(plan, tmp_path, resumed).interrupted
    after = read_results(outcome.file)
    assert visits(after.trials) == everything(plan)
    assert after.complete
    assert after.start == before.start
    assert workshop.counted == []
    assert [t.case for t in after.trials] == [case.id for case in plan.cases] * 3


def test_an_interruption_while_counting_is_resumed(
    workshop: Workshop, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = workshop.count_one

    def stop_at_the_second(case: Case) -> Counted:
        if workshop.counted:
            raise KeyboardInterrupt
        return count(case)

    monkeypatch.setattr(workshop, "count_one", stop_at_the_second)
    assert go(plan, tmp_path).interrupted
    monkeypatch.setattr(workshop, "count_one", count)
    outcome = go(plan, tmp_path, unfinished(plan, tmp_path))
    found = read_results(outcome.file)
    assert visits(found.trials) == everything(plan)
    assert len(found.counts) == 3
    assert len(workshop.counted) == 3


def test_a_run_cut_off_in_the_middle_of_a_line_is_resumed(
    workshop: Workshop, plan: Plan, tmp_path: Path
) -> None:
    outcome = go(plan, tmp_path)
    lines = outcome.file.read_bytes().splitlines(keepends=True)
    outcome.file.write_bytes(b"".join(lines[:8]) + lines[8][:30])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        resumed = unfinished(plan, tmp_path)
        assert len(resumed.trials) == 1
        go(plan, tmp_path, resumed)
        found = read_results(outcome.file)
    assert each_once(found.trials, plan)
    assert found.complete


@pytest.mark.parametrize(("rounds", "kept"), [("rounds: 3", False), ("min_rounds: 2, max_rounds: 2", True)])
def test_bug_every_sample_of_a_long_run_stayed_in_memory(
    workshop: Workshop, suite_file: Callable[[str], Path], tmp_path: Path, rounds: str, kept: bool
) -> None:
    """They are asked for again only where rounds go on until a verdict is known."""
    plan = make_plan(load_suite(suite_file(SUITE.replace("rounds: 3", rounds))))
    outcome = go(plan, tmp_path)
    assert workshop.session is not None
    remembered = workshop.session.trials
    assert len(remembered) == len(read_results(outcome.file).trials)
    assert {trial.latency is not None for trial in remembered} == {kept}
    assert {trial.host for trial in remembered} == {None}
    assert workshop.session.last is not None
    assert workshop.session.last.latency is not None


def test_what_could_not_be_counted_is_tried_again_when_resuming(
    workshop: Workshop, plan: Plan, tmp_path: Path
) -> None:
    workshop.uncountable, workshop.interrupt_at = {plan.cases[1].id}, 2
    go(plan, tmp_path)
    workshop.uncountable, workshop.interrupt_at = set(), None
    outcome = go(plan, tmp_path, unfinished(plan, tmp_path))
    assert outcome.failed == {}
    assert each_once(read_results(outcome.file).trials, plan)


def test_failures_before_an_interruption_are_remembered(
    workshop: Workshop, plan: Plan, tmp_path: Path
) -> None:
    bad = plan.cases[0].id
    workshop.broken, workshop.interrupt_at = {bad}, 7
    go(plan, tmp_path)
    workshop.interrupt_at = None
    outcome = go(plan, tmp_path, unfinished(plan, tmp_path))
    found = read_results(outcome.file)
    assert bad in outcome.failed
    assert sum(t.case == bad for t in found.trials) == GIVE_UP_AFTER
    assert all(visits(found.trials)[key] == 1 for key in everything(plan) if key[0] != bad)


def test_the_newest_unfinished_run_of_this_plan_is_resumed(
    workshop: Workshop, plan: Plan, suite_file: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "results"
    workshop.interrupt_at = 1
    for name in ("20260101-000000-tiny-old", "20260102-000000-tiny-new"):
        _, start = begin(plan, folder, 1)
        execute(plan, folder / f"{name}.jsonl", start, Quiet())
        workshop.interrupt_at = len(workshop.jobs) + 1
    workshop.interrupt_at = None
    _, start = begin(plan, folder, 1)
    execute(plan, folder / "20260103-000000-tiny-done.jsonl", start, Quiet())
    assert unfinished(plan, folder).file.stem == "20260102-000000-tiny-new"
    others = [
        SUITE.replace("name: tiny", "name: other"),
        SUITE.replace("[2, 4]", "[2]"),
        SUITE.replace("min_samples: 3", "min_samples: 4"),
    ]
    for text in others:
        with pytest.raises(InputError, match="holds no unfinished run"):
            unfinished(make_plan(load_suite(suite_file(text))), folder)


def test_more_rounds_can_be_asked_for_when_resuming(
    workshop: Workshop, plan: Plan, suite_file: Callable[[str], Path], tmp_path: Path
) -> None:
    workshop.interrupt_at = 2
    go(plan, tmp_path)
    workshop.interrupt_at = None
    longer = make_plan(load_suite(suite_file(SUITE)), rounds=5)
    outcome = go(longer, tmp_path, unfinished(longer, tmp_path))
    assert visits(read_results(outcome.file).trials) == everything(longer)


def test_nothing_to_resume_is_refused(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--resume: .* holds no unfinished run of suite tiny"):
        unfinished(plan, tmp_path / "nothing")


def test_the_revision_of_a_folder_without_a_repository_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "__file__", str(tmp_path / "run.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert runs.revision() == "unknown"


# From here on with real processes.

REAL = """\
name: real
backbones: [layer/4-4-k3]
methods: [dense]
inputs: [8x8]
batches: [1, 2]
measure: {rounds: 4, min_samples: 3, min_seconds: 0.001, max_seconds: 0.05, warmup_max_seconds: 0.01}
"""


@dataclass
class Story:
    """A run that was interrupted, resumed, killed, and resumed again."""

    plan: Plan
    code: int
    err: str
    interrupted: Results
    killed: Results
    ended: subprocess.CompletedProcess[str]
    whole: Results
    again: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("story")
    (folder / "real.yaml").write_text(REAL)
    words = command(folder / "lock", "run", "real.yaml", "--report", "page.html")
    env = {**os.environ, "PYTHONPATH": str(Path(runs.__file__).parents[2])}

    def start(*more: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen([*words, *more], cwd=folder, env=env, stdout=pipe, stderr=pipe, text=True)

    def wait_for_trials(count: int, process: subprocess.Popen[str]) -> None:
        for _ in range(6000):
            text = "".join(file.read_text() for file in folder.glob("results/*.jsonl"))
            if text.count('"kind":"trial"') >= count or process.poll() is not None:
                return
            time.sleep(0.01)

    def read() -> Results:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (file,) = folder.glob("results/*.jsonl")
            return read_results(file)

    def finish() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*words, "--resume"], cwd=folder, env=env, capture_output=True, text=True, check=False
        )

    first = start()
    wait_for_trials(1, first)
    first.send_signal(signal.SIGINT)
    _, err = first.communicate(timeout=60)
    interrupted = read()
    second = start("--resume")
    wait_for_trials(len(interrupted.trials) + 1, second)
    second.kill()
    second.communicate(timeout=60)
    killed = read()
    ended = finish()
    plan = make_plan(load_suite(folder / "real.yaml"))
    return Story(plan, first.returncode, err, interrupted, killed, ended, read(), finish())


@pytest.mark.slow
def test_an_interrupted_run_ends_with_130_and_a_readable_file(story: Story) -> None:
    assert story.code == 130, story.err
    assert "Traceback" not in story.err
    assert "--resume" in story.err
    assert 1 <= len(story.interrupted.trials) < 8
    assert story.interrupted.ends[-1].status == "interrupted"


@pytest.mark.slow
def test_a_killed_run_leaves_a_readable_file(story: Story) -> None:
    assert len(story.interrupted.trials) < len(story.killed.trials) < 8
    assert not story.killed.complete


@pytest.mark.slow
def test_a_resumed_run_has_each_trial_exactly_once(story: Story) -> None:
    assert story.ended.returncode == 0, story.ended.stderr
    assert visits(story.whole.trials) == everything(story.plan)
    assert {t.status for t in story.whole.trials} == {"ok"}
    assert story.whole.complete
    assert len({t.run for t in story.whole.trials}) == 1


@pytest.mark.slow
def test_a_complete_run_cannot_be_resumed(story: Story) -> None:
    assert story.again.returncode == 2
    assert story.again.stderr.startswith("bench: --resume: ")
    assert len(story.again.stderr.splitlines()) == 1


@pytest.mark.slow
def test_trials_of_one_case_agree_across_all_processes(story: Story) -> None:
    frame = make_frame([story.whole])
    assert list(frame["same_output"]) == [True, True]
    assert list(frame["trials"]) == [4, 4]
    assert list(frame["status"]) == ["ok", "ok"]


def test_bug_an_unreadable_file_or_an_ab_run_stopped_every_resume(
    workshop: Workshop, plan: Plan, tmp_path: Path
) -> None:
    folder = tmp_path / "results"
    workshop.interrupt_at = 2
    file, start = begin(plan, folder, seed=1)
    execute(plan, file, start, Quiet())
    (folder / "99999999-000000-tiny-aaaa.jsonl").write_text("")
    with Store(folder / "99999999-000001-tiny-bbbb.jsonl") as store:
        store.append(replace(start, arms={"base": "1", "head": "2"}))
    assert unfinished(plan, folder).file == file


def test_methods_that_measure_time_are_counted_alone_and_last(
    workshop: Workshop, suite_file: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A layer timed beside another counting process would be given the wrong rank."""
    pools: list[int] = []

    def pool(processes: int, *_: Any) -> Workshop:
        pools.append(processes)
        return workshop

    monkeypatch.setattr(counting, "CountingPool", pool)
    monkeypatch.setattr(counting, "PROCESSES", 2)
    methods = "[haloc: {budget: 0.5}, dense, csr_conv: {T: [2, 4]}]"
    text = SUITE.replace("[dense, csr_conv: {T: [2, 4]}]", methods)
    plan = make_plan(load_suite(suite_file(text)))
    go(plan, tmp_path)
    assert pools == [2, 1]
    assert "haloc" in workshop.counted[-1]


@pytest.mark.parametrize(("cuts", "status", "note"), [(1, "ok", "repeated: ssh"), (2, "failed", "")])
def test_a_lost_connection_is_tried_once_more_and_then_recorded(
    workshop: Workshop, plan: Plan, tmp_path: Path, cuts: int, status: str, note: str
) -> None:
    """The run goes on, and its other sittings are as they were."""
    workshop.cuts = cuts
    found = read_results(go(plan, tmp_path).file)
    first = [trial for trial in found.trials if trial.round == 0]
    assert {trial.status for trial in first} == {status}
    assert all(trial.note.startswith(note) for trial in first)
    assert {trial.status for trial in found.trials if trial.round} == {"ok"}
    assert visits(found.trials) == everything(plan)


def test_a_case_that_ends_a_shared_process_is_measured_apart_from_then_on(
    workshop: Workshop, plan: Plan, tmp_path: Path
) -> None:
    """A crash costs the others this round's seats in one process, not their measurement."""
    workshop.crashing = {plan.cases[2].id}
    found = read_results(go(plan, tmp_path).file)
    alone = [trial for trial in found.trials if trial.note]
    assert {trial.round for trial in alone} == {0}
    assert "a process that they shared" in alone[0].note
    others = {case.id for case in plan.cases[1:]}
    assert {(t.case, t.round) for t in found.trials if t.case in others} == {
        (case, number) for case in others for number in range(3)
    }
    assert all(apart for _, apart in workshop.seatings)
    assert found.complete


def test_rounds_end_by_themselves_when_every_verdict_is_known(
    workshop: Workshop, suite_file: Callable[[str], Path], tmp_path: Path
) -> None:
    """Equal medians in every process: the same within the resolution at the first look."""
    plan = make_plan(load_suite(suite_file(SUITE.replace("rounds: 3,", "min_rounds: 4, max_rounds: 9,"))))
    found = read_results(go(plan, tmp_path).file)
    assert {t.round for t in found.trials} == {0, 1, 2, 3}
    assert set(make_frame([found])["verdict"]) == {"", "same"}


def test_bug_the_time_left_forgot_the_groups_that_a_round_had_visited(
    workshop: Workshop, suite_file: Callable[[str], Path], tmp_path: Path
) -> None:
    """Half way through a round, the rounds behind it still have all of their groups."""
    left: list[float] = []

    class Listening(Quiet):
        def remaining(self, seconds: float) -> None:
            left.append(seconds)

    text = SUITE.replace("backbones: [layer/4-4-k3]", "backbones: [layer/4-4-k3, layer/4-4-k1]")
    plan = make_plan(load_suite(suite_file(text)))
    file, start = begin(plan, tmp_path, 1)
    ticks = itertools.count()
    execute(plan, file, start, Listening(), clock=lambda: float(next(ticks)))
    assert len(left) == 2 * 3
    later = left[1:]  # once the pace is known
    assert later == sorted(later, reverse=True)
    assert min(later) > 0
