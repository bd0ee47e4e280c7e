"""Lines and records: what is refused, and in which words."""

from __future__ import annotations

from typing import Any

import pytest
from made_trials import CSR_CASE, DENSE_CASE, made_conditions, made_count, made_end, made_start, made_trial

from bench.analysis.records import READABLE, SCHEMA, PlannedCase, Probe, from_line, to_line, typed

START = made_start([DENSE_CASE, CSR_CASE])
TRIAL = made_trial(DENSE_CASE)


def test_a_line_begins_with_its_schema() -> None:
    line = to_line(made_end("r7"))
    assert line == {"schema": 3, "run": "r7", "status": "complete", "ended": "2026", "kind": "end"}
    assert next(iter(line)) == "schema"
    assert READABLE == (1, 2, SCHEMA)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (4, "schema 4, this csr-bench reads schema 3; update csr-bench to read it"),
        (0, "schema 0, this csr-bench reads schema 3"),
        (True, "schema True, this csr-bench reads schema 3"),
        ("1", "schema '1', this csr-bench reads schema 3"),
        (None, "schema None, this csr-bench reads schema 3"),
    ],
)
def test_another_schema_is_refused_in_words(schema: object, words: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        from_line({**to_line(TRIAL), "schema": schema})
    assert str(caught.value) == words


@pytest.mark.parametrize("schema", [1, 2, 3])
def test_every_schema_is_read(schema: int) -> None:
    assert from_line({**to_line(TRIAL), "schema": schema}) == TRIAL


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "song"}, "unknown kind of record 'song'"),
        ({"kind": None}, "unknown kind of record None"),
        ({"round": "x"}, "round: input should be a valid integer, unable to parse string as an integer"),
        ({"error": {"stage": "s"}}, "error.type: field required"),
        ({"host": {"name": "h"}}, "host.id: a fingerprint has the digest of its facts"),
        ({"host": {"id": 3}}, "host.id: a fingerprint has the digest of its facts"),
        ({"conditions_before": {"load": []}}, "conditions_before.load: a number or a word is expected"),
        ({"conditions_after": {"x": {"busy": 1}}}, "conditions_after.x: a number or a word is expected"),
        (
            {"conditions_after": {"busy_jiffies": {"busy": 1, "steal": None}}},
            "conditions_after.busy_jiffies: a number or a word is expected",
        ),
        (
            {"conditions_after": {"busy_jiffies": {"busy": [], "steal": 1}}},
            "conditions_after.busy_jiffies: a number or a word is expected",
        ),
    ],
)
def test_what_is_wrong_with_a_record_is_said(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        from_line({**to_line(TRIAL), **change})
    assert str(caught.value) == words


@pytest.mark.parametrize(
    "conditions",
    [
        {"affinity": [0, 1], "load_1m": 0.5, "governor": "unknown"},
        {"busy_jiffies": "unknown"},
        {"busy_jiffies": {"busy": 1, "steal": 0, "more": []}},
        made_conditions(),
    ],
)
def test_conditions_that_a_worker_writes_are_read(conditions: dict[str, Any]) -> None:
    line = {**to_line(TRIAL), "conditions_before": conditions, "host": {"id": "h", "cpus": [1]}}
    assert from_line(line) == typed(
        type(TRIAL), {k: v for k, v in line.items() if k not in ("schema", "kind")}
    )


def test_the_conditions_of_a_probe_are_checked_too() -> None:
    probe = Probe(run="r", case="c", status="ok", host={"id": "h"})
    assert from_line(to_line(probe)) == probe
    with pytest.raises(ValueError, match=r"host\.id: a fingerprint"):
        from_line({**to_line(probe), "host": {}})


@pytest.mark.parametrize(
    ("cases", "words"),
    [
        ([{}], "cases: KeyError: "),
        ([{"baseline": "x"}], "cases: "),
        ([{**START.cases[0], "methods": [1]}], "cases: "),
    ],
)
def test_cases_that_are_none_are_refused(cases: list[Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        from_line({**to_line(START), "cases": cases})


def test_planned_cases_stand_beside_their_baselines() -> None:
    assert START.planned() == [PlannedCase(DENSE_CASE, DENSE_CASE.id), PlannedCase(CSR_CASE, DENSE_CASE.id)]


def test_counts_are_found_by_arm_and_id() -> None:
    assert made_count(CSR_CASE, "head").key == ("head", CSR_CASE.count_id)
