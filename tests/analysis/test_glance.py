"""A results file at a glance tells what reading all of it tells, and costs less."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_trials import CSR_CASE, DENSE_CASE, made_conditions, made_count, made_end, made_start, made_trial

from bench.analysis import glance as glances
from bench.analysis.glance import glance, may_go_on
from bench.analysis.records import Json, Probe, Record, from_line
from bench.analysis.store import Store, read_results
from bench.errors import InputError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "r.jsonl"
    records: list[Record] = [
        made_start([DENSE_CASE, CSR_CASE], suite_digest="0123456789abcdef"),
        made_count(DENSE_CASE),
        made_count(CSR_CASE, error="no"),
        Probe(run="r", case=DENSE_CASE.id, status="ok"),
        *(made_trial(DENSE_CASE, n, before=made_conditions(), after=made_conditions()) for n in range(5)),
        made_trial(DENSE_CASE, 5, error='odd "quotes", {braces} and \n line ends'),
        made_trial(DENSE_CASE, 6, note="repeated: {odd} [note]"),
        made_end(),
    ]
    with Store(file) as store:
        for record in records:
            store.append(record)
    return file


def test_it_tells_what_reading_all_of_it_tells(file: Path) -> None:
    seen, whole = glance(file), read_results(file)
    assert seen.start == whole.start
    assert (seen.trials, seen.complete) == (len(whole.trials), whole.complete)
    assert seen.failed == 2  # a case with a failed trial, a network that was not counted


def test_trials_are_not_parsed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []

    def parse(data: Json) -> Record:
        parsed.append(data["kind"])
        return from_line(data)

    monkeypatch.setattr(glances, "from_line", parse)
    glance(file)
    assert sorted(parsed) == ["count", "count", "end", "run", "trial"]  # the one whose note has braces


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"schema": 99}', "schema 99"),
        ("[1]", "not a csr-bench result"),
        ('{"schema":3,"run":"r","case":["a"],"round":0,"kind":"trial"}', "case: input should be"),
        ('{"schema":3,"status":"ok","ended":1,"run":"r","kind":"end"}', "ended: input should be"),
    ],
)
def test_a_line_that_is_no_record_is_named(file: Path, line: str, words: str) -> None:
    with file.open("a") as handle:
        handle.write(line + "\n")
    with pytest.raises(InputError, match=rf"r\.jsonl:13: .*{words}"):
        glance(file)


def test_a_torn_line_is_left_out_with_a_warning(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.warns(UserWarning, match="line 12 is cut off and was left out"):
        assert not glance(file).complete


def test_a_file_without_a_run_or_none_at_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text("\n")
    with pytest.raises(InputError, match="holds no run"):
        glance(tmp_path / "r.jsonl")
    with pytest.raises(InputError, match="no such file"):
        glance(tmp_path / "no.jsonl")
    with pytest.raises(InputError, match="Is a directory"):
        glance(tmp_path)
    with pytest.raises(InputError, match="Is a directory"):
        may_go_on(tmp_path, "x")


def test_a_run_may_go_on_that_has_the_digest_and_did_not_come_to_its_end(file: Path) -> None:
    assert not may_go_on(file, "0123456789abcdef")  # complete
    assert not may_go_on(file, "fedcba9876543210")
    lines = file.read_text().splitlines(keepends=True)
    for rest in (lines[:-1], lines[:1], [*lines[:-1], '{"schema'], [*lines, lines[-2]]):
        file.write_text("".join(rest))
        assert may_go_on(file, "0123456789abcdef")
    interrupted = json.loads(lines[-1]) | {"status": "interrupted"}
    file.write_text("".join([*lines, json.dumps(interrupted) + "\n"]))
    assert may_go_on(file, "0123456789abcdef")
