"""The log of a run: what was launched, when and how it ended, without names, and never in the way."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.analysis.redaction import redactor
from bench.run import launch
from bench.run.log import LONGEST_LINE, log, log_of, run_log

SUITE = """\
name: logged
backbones: [layer/4-4-k3]
methods: [dense, csr_conv: {T: 2}]
inputs: [8x8]
measure:
  {rounds: 1, passes: 2, min_samples: 3, min_seconds: 0.001, max_seconds: 0.02, warmup_max_seconds: 0.01}
"""


def test_a_worker_leaves_its_command_its_life_and_its_end(tmp_path: Path) -> None:
    with run_log(tmp_path / "r.jsonl", redactor(False)):
        with launch.WorkerProcess(["/bin/sh", "-c", "exit 3"], dict(os.environ)) as worker:
            with pytest.raises(launch.WorkerFailed):
                worker.ask({}, 10)
            pid = worker._process.pid
        with pytest.raises(launch.WorkerFailed):
            launch.WorkerProcess(["/no/such/program"], {})
    lines = log_of(tmp_path / "r.jsonl").read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", line) for line in lines)
    words = [line.partition("Z ")[2] for line in lines]
    assert words[0].startswith("csr-bench ")
    assert words[2] == f"started {pid}: sh -c 'exit 3'"
    assert re.fullmatch(rf"{pid} ended with code 3 after \d+\.\d{{3}} s", words[3])
    assert words[4] == "not started: program: No such file or directory"


def test_names_places_and_environment_stay_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    with run_log(tmp_path / "r.jsonl", redactor(False)):
        log.info("read /home/mathilde/keys/id_rsa and %s", tmp_path)
    text = log_of(tmp_path / "r.jsonl").read_text()
    assert "hunter2" not in text
    assert "/home" not in text
    assert str(tmp_path) not in text
    with run_log(tmp_path / "i.jsonl", redactor(True)):
        log.info("read /home/mathilde/x")
    assert "/home/mathilde/x" in log_of(tmp_path / "i.jsonl").read_text()


def test_a_line_is_one_line_and_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        log, "propagate", False
    )  # what catches logs for test reports takes no lone surrogates
    told: list[str] = []
    with run_log(tmp_path / "r.jsonl", redactor(False), told.append):
        log.info("a\nb\x1b[31m\ud800%s", "x" * 10_000)
    assert told
    assert all(len(line) <= LONGEST_LINE + 1 and "\n" not in line and "\x1b" not in line for line in told)
    assert told == log_of(tmp_path / "r.jsonl").read_text().splitlines()


@pytest.mark.parametrize("name", ["no/such/folder/r.jsonl", f"{'x' * 300}.jsonl"])
def test_a_log_that_cannot_be_written_stops_nobody(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with run_log(tmp_path / name, redactor(False)):
        log.info("not written")
    assert capsys.readouterr() == ("", "")


def test_after_the_run_nothing_is_logged(tmp_path: Path) -> None:
    before = (log.level, list(log.handlers))
    with pytest.raises(KeyError), run_log(tmp_path / "r.jsonl", redactor(False)):
        raise KeyError("x")
    assert (log.level, list(log.handlers)) == before
    assert "ended by KeyError: 'x'" in log_of(tmp_path / "r.jsonl").read_text()
    assert logging.getLogger("bench.run.launch").handlers == []


@pytest.mark.slow
@pytest.mark.parametrize("identify", [False, True])
def test_nothing_that_a_run_writes_names_host_user_or_place(
    bench: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, identify: bool
) -> None:
    folder = tmp_path / "home of zebedee"
    folder.mkdir()
    plugin = folder / "mine.py"
    plugin.write_text(
        "from bench.methods import method\n"
        "@method('breaks')\n"
        "def breaks(network, context):\n"
        "    '''Names its own place.'''\n"
        "    raise RuntimeError(f'{__file__} is broken')\n"
    )
    monkeypatch.setenv("LOGNAME", "zebedee")
    (folder / "s.yaml").write_text(SUITE.replace("dense,", "dense, breaks,"))
    said = bench(
        "run", folder / "s.yaml", "--plugin", plugin, "--results", folder / "results", "--report",
        folder / "page.html", "-v", *(["--identify"] if identify else []),
    )  # fmt: skip
    assert said.code == 3, said.err
    assert "started " in said.err
    (file,) = (folder / "results").glob("*.jsonl")
    written = [file, log_of(file), folder / "page.html"]
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == sorted(
        [*written, plugin, folder / "s.yaml"]
    )
    texts = {path.name: path.read_text(encoding="utf-8") for path in written}
    for name, text in texts.items():
        named = [word for word in ("zebedee", str(tmp_path), str(Path.cwd())) if word in text]
        assert bool(named) == (identify and not name.endswith("html")) or identify, (name, named)
    hosts = {json.loads(line)["host"]["name"] for line in texts[file.name].splitlines() if '"host":{' in line}
    assert len(hosts) == 1
    assert hosts.pop().startswith("host-") != identify
