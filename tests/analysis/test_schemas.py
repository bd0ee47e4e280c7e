"""Files of every schema so far stay readable: those of schema 1 have a test of their own beside this one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bench.analysis import records
from bench.analysis.compare import compare_runs
from bench.analysis.frame import make_frame
from bench.analysis.glance import glance
from bench.analysis.store import read_results
from bench.errors import InputError
from bench.report import write_report

DATA = Path(__file__).parents[1] / "data"
ROOT = Path(__file__).parents[2]
WRITTEN = (2, 3)
COLUMNS = (
    "case",
    "status",
    "params",
    "macs",
    "weight_bytes",
    "live_peak",
    "allocator_peak",
    "latency",
    "ratio",
)
FAILED = "layer/4-4-k1/psconv(variant=pSC4)/eager/cpu/b1/4x8x8"

EXPECTED = json.loads((DATA / "schemas.json").read_text(encoding="utf-8"))
"""Schema -> rows of the frame that its stored file gave when it was written, of some columns."""


@pytest.mark.parametrize("schema", WRITTEN)
def test_a_stored_file_gives_the_numbers_that_it_gave(schema: int) -> None:
    file = DATA / f"schema-{schema}" / "turns.jsonl"
    frame = make_frame([read_results(file)])[list(COLUMNS)]
    found = json.loads(frame.to_json(orient="records", double_precision=15))
    assert len(found) == 6
    for row, expected in zip(found, EXPECTED[str(schema)], strict=True):
        assert row == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("schema", WRITTEN)
def test_a_stored_file_is_listed_compared_and_shown(schema: int, tmp_path: Path) -> None:
    file = DATA / f"schema-{schema}" / "turns.jsonl"
    seen = glance(file)
    assert (seen.trials, seen.failed, seen.complete, len(seen.start.cases)) == (10, 1, True, 6)
    results = read_results(file)
    assert compare_runs(results, results, 0.03, ("slower", "bigger")).exit_code in (0, 4)
    write_report([results], tmp_path / "page.html")
    assert "csr_conv" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_every_readable_schema_has_a_stored_file_and_a_line_in_the_changelog() -> None:
    stored = {int(folder.name.removeprefix("schema-")) for folder in DATA.glob("schema-*")}
    assert {1, *WRITTEN} <= stored
    told = re.findall(r"^- \*\*(\d+)\*\*:", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert {*map(int, told)} >= stored
    for schema in stored:
        lines = [
            line for f in (DATA / f"schema-{schema}").glob("*.jsonl") for line in f.read_text().splitlines()
        ]
        assert {json.loads(line)["schema"] for line in lines} == {schema}
        assert schema in records.READABLE


def test_a_newer_schema_is_refused_in_words(tmp_path: Path) -> None:
    newer = max(records.READABLE) + 1
    file = tmp_path / "r.jsonl"
    file.write_text(json.dumps({"schema": newer, "kind": "run"}) + "\n", encoding="utf-8")
    for read in (read_results, glance):
        with pytest.raises(InputError, match=rf"r\.jsonl:1: schema {newer}, .*; update csr-bench to read it"):
            read(file)
