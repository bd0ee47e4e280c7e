"""Results files: what is appended reads back, and a torn, foreign or newer file never crashes the reader."""

from __future__ import annotations

import json
import math
import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_trials import DENSE_CASE, made_count, made_end, made_host, made_start, made_trial

from bench.analysis.records import SCHEMA, Probe, Record, from_line, to_line
from bench.analysis.store import Store, list_results, read_results
from bench.errors import InputError

START = made_start([DENSE_CASE], run="r1", description="wörds", versions={"torch": "2"})
COUNT = made_count(DENSE_CASE, run="r1")
HOST = made_host("a", name="host-0a1b2c", cpu="some processor")
"""As a store writes it, which hides names."""

TRIAL = made_trial(DENSE_CASE, 0, [0.1, 0.2], run="r1", position=3, host=HOST)
FAILED = made_trial(DENSE_CASE, 1, error="no", run="r1", host=HOST)
END = made_end("r1")
RECORDS: list[Record] = [START, COUNT, TRIAL, FAILED, END]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "results" / "r1.jsonl"
    write(file, RECORDS)
    return file


def write(file: Path, records: list[Record]) -> None:
    with Store(file) as store:
        for record in records:
            store.append(record)


def test_what_is_appended_reads_back(file: Path) -> None:
    found = read_results(file)
    assert found.start == START
    assert found.counts == {("", DENSE_CASE.count_id): COUNT}
    assert found.trials == [TRIAL, FAILED]
    assert found.ends == [END]
    assert found.complete
    assert found.file == file


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.kind)
def test_each_kind_of_record_survives_json(record: Record) -> None:
    assert from_line(json.loads(json.dumps(to_line(record)))) == record


def test_each_line_is_one_json_object_with_its_schema(file: Path) -> None:
    lines = file.read_text().splitlines()
    assert [json.loads(line)["schema"] for line in lines] == [SCHEMA] * len(RECORDS)
    assert [json.loads(line)["kind"] for line in lines] == ["run", "count", "trial", "trial", "end"]


def test_a_record_is_on_the_disk_before_the_next(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    with Store(file) as store:
        store.append(START)
        assert read_results(file).start == START
        store.append(TRIAL)
        assert read_results(file).trials == [TRIAL]


def test_opening_again_appends(file: Path) -> None:
    write(file, [TRIAL])
    assert read_results(file).trials == [TRIAL, FAILED, TRIAL]


def test_a_store_that_is_not_open_refuses() -> None:
    with pytest.raises(RuntimeError, match="not open"):
        Store(Path("never.jsonl")).append(START)


def test_a_run_without_an_end_or_with_an_interruption_is_not_complete(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    write(file, [START, TRIAL])
    assert not read_results(file).complete
    write(file, [made_end("r1", "interrupted")])
    assert not read_results(file).complete
    write(file, [END])
    assert read_results(file).complete


def test_a_torn_last_line_is_left_out_with_one_warning(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    with pytest.warns(UserWarning, match="line 5 is cut off") as caught:
        found = read_results(file)
    assert len(caught) == 1
    assert found.trials == [TRIAL, FAILED]
    assert found.ends == []


@given(st.integers(1, 400))
def test_a_file_cut_anywhere_loses_no_whole_line(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    file = tmp_path_factory.getbasetemp() / "cut.jsonl"
    file.unlink(missing_ok=True)
    write(file, RECORDS)
    whole = file.read_bytes()
    file.write_bytes(whole[:-cut])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = read_results(file)
    kept = whole[:-cut].count(b"\n")
    read = 1 + len(found.counts) + len(found.trials) + len(found.ends)
    assert kept <= read <= kept + 1  # a line that lacks its line end alone is whole


def test_what_follows_a_torn_line_is_not_glued_to_it(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])
    write(file, [FAILED, END])
    with pytest.warns(UserWarning, match="line 5 is cut off"):
        found = read_results(file)
    assert found.trials == [TRIAL, FAILED, FAILED]
    assert found.complete


def test_several_torn_lines_are_one_warning(file: Path) -> None:
    for _ in range(2):
        with file.open("ab") as handle:
            handle.write(b'{"schema":1,"ki')
        write(file, [END])
    with pytest.warns(UserWarning, match="line 6, 8 is cut off") as caught:
        read_results(file)
    assert len(caught) == 1


@pytest.mark.parametrize("torn", [b"[" * 100_000, b'{"schema": ' + b"9" * 5000, b"\x00\xff\xfe", b"{"])
def test_a_line_that_no_json_reader_takes_is_left_out(file: Path, torn: bytes) -> None:
    with file.open("ab") as handle:
        handle.write(torn + b"\n")
    with pytest.warns(UserWarning, match="line 6 is cut off"):
        assert read_results(file).trials == [TRIAL, FAILED]


def test_a_newer_schema_is_named_with_its_line(file: Path) -> None:
    with file.open("a") as handle:
        handle.write(json.dumps({**to_line(TRIAL), "schema": SCHEMA + 1}) + "\n")
    with pytest.raises(
        InputError, match=rf"r1\.jsonl:6: schema {SCHEMA + 1}, .*; update csr-bench to read it"
    ):
        read_results(file)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{}", "schema None"),
        ('{"schema": "x"}', "schema 'x'"),
        ('{"schema": 1, "kind": "song"}', "unknown kind of record 'song'"),
        ('{"schema": 1, "kind": "end", "run": "r"}', "status: field required"),
        ('{"schema": 1, "kind": "end", "run": "r", "status": 7, "ended": "e"}', "status: input should be"),
        ('{"schema": 1, "kind": "trial", "run": "r", "case": []}', "case: input should be"),
        ("[1, 2]", "not a csr-bench result"),
        ("3", "not a csr-bench result"),
    ],
)
def test_a_line_that_is_no_record_is_named(file: Path, line: str, words: str) -> None:
    with file.open("a") as handle:
        handle.write(line + "\n")
    with pytest.raises(InputError) as caught:
        read_results(file)
    assert str(caught.value).startswith(f"{file}:6: ")
    assert words in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\x89PNG\r\n\x1a\n\x00\xff", b"not json\nat all\n"])
def test_a_file_that_holds_no_run_is_refused(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "r.jsonl"
    file.write_bytes(data)
    with pytest.raises(InputError, match="holds no run"):
        read_results(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; `bench results` lists"):
        read_results(tmp_path / "no.jsonl")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Is a directory"):
        read_results(tmp_path)


def test_nan_survives_a_file(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    write(file, [START, made_trial(DENSE_CASE, 0, [math.nan, math.inf])])
    (trial,) = read_results(file).trials
    assert trial.latency is not None
    assert math.isnan(trial.latency.samples[0])
    assert trial.latency.samples[1] == math.inf


def test_the_first_run_record_names_the_run(file: Path) -> None:
    write(file, [replace(START, run="later")])
    assert read_results(file).start == START


def test_files_are_listed_oldest_first(tmp_path: Path) -> None:
    for name in ("20260102-a.jsonl", "20260101-b.jsonl", "note.txt"):
        (tmp_path / name).touch()
    assert [file.name for file in list_results(tmp_path)] == ["20260101-b.jsonl", "20260102-a.jsonl"]
    assert list(list_results(tmp_path / "nothing")) == []


ODD = [
    {"latency": {"samples": "abc"}},
    {"latency": [1]},
    {"memory": {"weight_bytes": "many"}},
    {"output": 5},
    {"host": {"name": "no id"}},
    {"host": []},
    {"conditions_before": {"busy_jiffies": {"busy": []}}},
    {"conditions_after": {"load_1m": {}}},
    {"stages": {"build": "long"}},
    {"error": "a word"},
    {"round": None},
    {"arm": 3},
]


@pytest.mark.parametrize("change", ODD, ids=json.dumps)
def test_bug_one_odd_value_in_a_trial_ended_report_and_compare_in_a_traceback(
    file: Path, change: dict[str, object]
) -> None:
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    lines[2] |= change
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError, match=rf"{file.name}:3: {next(iter(change))}"):
        read_results(file)


@pytest.mark.parametrize(
    "change",
    [
        {"cases": [5]},
        {"cases": [{}]},
        {"cases": [{"backbone": "x"}]},
        {"cases": "all"},
        {"measure": []},
        {"arms": {"base": 1}},
        {"targets": [1]},
        {"versions": None},
    ],
    ids=json.dumps,
)
def test_bug_odd_cases_in_the_first_record_ended_in_a_traceback(
    file: Path, change: dict[str, object]
) -> None:
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    lines[0] |= change
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError, match=rf"{file.name}:1: {next(iter(change))}"):
        read_results(file)


def test_a_key_that_a_later_version_adds_is_left_out(file: Path) -> None:
    lines = [{**json.loads(line), "later": 1} for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_results(file).trials == [TRIAL, FAILED]


def test_bug_a_second_run_could_write_into_a_file_that_is_being_written(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    with Store(file) as store:
        store.append(START)
        with pytest.raises(InputError, match="another run is writing to it"), Store(file):
            pass
    with Store(file) as store:
        store.append(END)


@pytest.mark.parametrize("place", ["file/in/the/way.jsonl", f"{'x' * 300}.jsonl"])
def test_bug_a_place_that_cannot_be_written_ended_in_a_traceback(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"), Store(tmp_path / place):
        pass


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full"])
def test_bug_a_device_without_end_was_read_until_the_memory_was_full(device: str) -> None:
    with pytest.raises(InputError, match=f"{device}: a device, not a file"):
        read_results(Path(device))


def test_bug_a_full_disk_ended_in_a_traceback(tmp_path: Path) -> None:
    with Store(Path("/dev/full")) as store, pytest.raises(InputError, match="No space left on device"):
        store.append(START)


def test_every_record_is_forced_to_the_disk_once_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "r.jsonl"
    forced: list[tuple[bool, bytes]] = []
    monkeypatch.setattr(
        os,
        "fsync",
        lambda number: forced.append((os.fstat(number).st_ino == file.stat().st_ino, file.read_bytes()[-1:])),
    )
    with Store(file) as store:
        written: list[Record] = [START, TRIAL, END]
        for number, record in enumerate(written, start=1):
            store.append(record)
            assert forced == [(True, b"\n")] * number


def test_a_line_has_no_blanks_between_its_parts(tmp_path: Path) -> None:
    write(tmp_path / "r.jsonl", [END])
    assert (tmp_path / "r.jsonl").read_text() == (
        '{"schema":3,"run":"r1","status":"complete","ended":"2026","kind":"end"}\n'
    )


def test_no_more_than_five_torn_lines_are_named(file: Path) -> None:
    with file.open("a") as handle:
        handle.write("{\n" * 7)
    with pytest.warns(UserWarning, match="line 6, 7, 8, 9, 10 is cut off and was left out"):
        read_results(file)


def test_the_last_end_counts(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    write(file, [START, END, made_end("r1", "interrupted")])
    assert not read_results(file).complete


def test_probes_and_counts_of_arms_are_read(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    probe = Probe(run="r1", case=DENSE_CASE.id, status="ok")
    head = made_count(DENSE_CASE, "head", run="r1")
    write(file, [START, COUNT, head, probe])
    found = read_results(file)
    assert found.probes == [probe]
    assert found.counts == {("", DENSE_CASE.count_id): COUNT, ("head", DENSE_CASE.count_id): head}
    assert (found.trials, found.ends) == ([], [])


def test_messages_of_the_store_name_file_and_mend(tmp_path: Path) -> None:
    with Store(tmp_path / "r.jsonl"), pytest.raises(InputError) as caught, Store(tmp_path / "r.jsonl"):
        pass
    assert str(caught.value) == f"{tmp_path / 'r.jsonl'}: another run is writing to it; wait for its end"
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as caught, Store(tmp_path / "file" / "r.jsonl"):
        pass
    assert str(caught.value).endswith("cannot be written: File exists; choose --results")
    with Store(Path("/dev/full")) as store, pytest.raises(InputError) as caught:
        store.append(START)
    assert str(caught.value) == (
        "/dev/full: No space left on device; what was measured before is kept, `--resume` goes on"
    )


def test_a_store_is_closed_at_its_end_and_opens_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "r.jsonl")
    with store:
        store.append(START)
    with pytest.raises(RuntimeError, match="the store is not open"):
        store.append(END)
    with store:
        store.append(END)
    assert read_results(tmp_path / "r.jsonl").complete


def test_a_write_that_takes_a_part_is_gone_on_with(tmp_path: Path) -> None:
    class Short:
        """A file that takes seven bytes at a time."""

        def __init__(self, handle: Any) -> None:
            self._handle = handle

        def __getattr__(self, name: str) -> Any:
            return getattr(self._handle, name)

        def write(self, line: memoryview) -> int:
            return int(self._handle.write(line[:7]))

    with Store(tmp_path / "r.jsonl") as store:
        store._handle = Short(store._handle)  # type: ignore[assignment]
        store.append(START)
    assert read_results(tmp_path / "r.jsonl").start == START


def test_whole_lines_are_appended_to_without_a_blank_one(file: Path) -> None:
    write(file, [END])
    assert len(file.read_text().splitlines()) == len(RECORDS) + 1


def test_letters_that_are_none_are_read_as_such(file: Path) -> None:
    with file.open("ab") as handle:
        line = json.dumps(to_line(made_trial(DENSE_CASE, 2, error="XX"))).encode()
        handle.write(line.replace(b"XX", b"\xff") + b"\n")
    error = read_results(file).trials[-1].error
    assert error is not None
    assert error.message == "\ufffd"
