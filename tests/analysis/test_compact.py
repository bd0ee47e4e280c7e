"""Trials read from a file take little memory, and read as those that were never made small."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterable
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path
from typing import Any

import pytest
from made_trials import made_conditions, made_count, made_end, made_host, made_start, made_trial

from bench.analysis.frame import make_frame
from bench.analysis.records import Json, Record, Trial, from_line, to_line
from bench.analysis.store import Results, Store, read_results, without_collector
from bench.case import DENSE, Case, MethodCall
from bench.report.page import render

ROOT = Path(__file__).parents[2]
STORED = [*(ROOT / "results" / "reference").rglob("*.jsonl"), *(ROOT / "tests" / "data").rglob("*.jsonl")]
CASES = (Case("net", DENSE), Case("net", (MethodCall("csr_conv", {"T": 2}),)))
SAMPLES = 16


def plainly(file: Path) -> Results:
    """The results as the records' own reader gives them, one by one."""
    records = [from_line(json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]
    read = read_results(file)
    return replace(read, trials=[record for record in records if isinstance(record, Trial)])


def made_file(file: Path, rounds: int) -> Path:
    """Two cases that take turns, in processes that look at an idle host: all of it varies."""
    lines: list[Record] = [made_start(CASES, measure={"rounds": rounds}), *map(made_count, CASES)]
    for number in range(rounds):
        for at, case in enumerate(CASES):
            lines.append(made_one(case, number, at))
    with file.open("w", encoding="utf-8") as results:
        results.writelines(json.dumps(to_line(line)) + "\n" for line in [*lines, made_end()])
    return file


def made_one(case: Case, number: int, at: int) -> Trial:
    place = 2 * number + at
    facts = {f"fact{fact}": "x" * 20 for fact in range(20)}
    trial = to_line(
        made_trial(
            case,
            number,
            [(1 + at / 10) * (1 + (7 * place + sample) % 13 / 1000) for sample in range(SAMPLES)],
            host=made_host("host-a", **facts),
            before=looked(place),
            after=looked(place + 0.9),
            sitting=f"sitting {number}",
            stages={"build": 0.1 + place, "warm up": 0.2 + place},
            cores=[at],
            params=5,
        )
    )
    trial["latency"]["turns"] = [{"number": t, "at": 2 * t + at, "count": SAMPLES // 4} for t in range(4)]
    record = from_line(trial)
    assert isinstance(record, Trial)
    return record


def looked(clock: float) -> Json:
    busy = 1_000_000 + int(100 * clock)
    return made_conditions(clock, own=clock / 2, busy=busy, steal=int(clock), load=clock % 3)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_file(tmp_path_factory.mktemp("results") / "made.jsonl", 6)


@pytest.mark.parametrize("file", STORED, ids=lambda file: file.name)
def test_stored_results_read_as_their_lines_do(file: Path) -> None:
    same(read_results(file).trials, plainly(file).trials)


def test_made_results_read_as_their_lines_do(made: Path) -> None:
    same(read_results(made).trials, plainly(made).trials)


def same(small: list[Trial], big: list[Trial]) -> None:
    assert small == big
    assert big == small
    assert json.dumps([to_line(one) for one in small]) == json.dumps([to_line(one) for one in big])
    for mine, theirs in zip(small, big, strict=True):
        for field in fields(Trial):
            assert getattr(mine, field.name) == getattr(theirs, field.name), field.name
        assert repr(mine.log_median) == repr(theirs.log_median)


def test_frame_and_page_are_those_of_the_plain_records(made: Path) -> None:
    small, big = read_results(made), plainly(made)
    frames = [make_frame([one]) for one in (small, big)]
    assert frames[0].to_json() == frames[1].to_json()
    assert render(frames[0], [small]) == render(frames[1], [big])


def test_what_was_read_can_be_stored_again(made: Path, tmp_path: Path) -> None:
    trials = read_results(made).trials
    with Store(tmp_path / "again.jsonl") as store:
        store.append(made_start(CASES))
        for trial in trials:
            store.append(trial)
    again = read_results(tmp_path / "again.jsonl").trials
    assert [one.latency for one in again] == [one.latency for one in trials]
    assert [one.conditions_before for one in again] == [one.conditions_before for one in trials]


def test_what_others_have_too_is_held_once(made: Path) -> None:
    first, _, third, _ = read_results(made).trials[:4]
    assert first.latency is not None
    assert third.latency is not None
    for name in ("case", "host", "memory", "output", "cores"):
        assert getattr(first, name) is getattr(third, name), name
    assert all(a is b for a, b in zip(first.latency.turns, third.latency.turns, strict=True))


def test_a_trial_stays_as_it_is(made: Path) -> None:
    trial = read_results(made).trials[0]
    assert trial.latency is not None
    with pytest.raises(FrozenInstanceError):
        trial.round = 5  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        trial.latency.stop = "budget"  # type: ignore[misc]
    with pytest.raises(TypeError):
        trial.latency.samples[0] = 5.0  # type: ignore[index]
    with pytest.raises(TypeError):
        trial.conditions_before["clock"] = 5.0  # type: ignore[index]


def test_bug_a_trial_of_16_samples_took_4_kilobytes(tmp_path: Path) -> None:
    """So a million trials took 4 GB. Counted by the interpreter, so that it is the same everywhere."""
    file = made_file(tmp_path / "many.jsonl", 200)
    few = held(made_file(tmp_path / "few.jsonl", 10))
    assert (held(file) - few) / (2 * 190) < 1_300


def held(file: Path) -> int:
    """Bytes that reading a file leaves in memory."""
    read_results(file)  # what is made once is made
    tracemalloc.start()
    try:
        with without_collector():
            before = tracemalloc.get_traced_memory()[0]
            kept = read_results(file)
            after = tracemalloc.get_traced_memory()[0]
        assert kept.trials
        return after - before
    finally:
        tracemalloc.stop()


def test_trials_of_hosts_that_take_turns_share_what_is_theirs(tmp_path: Path) -> None:
    def lines() -> Iterable[Any]:
        yield made_start(CASES[:1])
        for number in range(4):
            yield made_trial(CASES[0], number, host=f"host-{number % 2}", checksum=f"of {number % 2}")

    file = tmp_path / "two.jsonl"
    file.write_text("".join(json.dumps(to_line(line)) + "\n" for line in lines()), encoding="utf-8")
    first, second, third, fourth = read_results(file).trials
    assert first.output is third.output
    assert second.output is fourth.output
    assert first.output is not second.output
    assert first.host is third.host
    assert first.host is not second.host
