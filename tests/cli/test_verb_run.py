"""bench run, with real processes on tiny networks: measured, recorded, reported, and failures told apart."""

from __future__ import annotations

import errno
import json
import re
import shlex
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.analysis.frame import make_frame
from bench.analysis.records import RunEnd
from bench.analysis.store import Store, read_results
from bench.errors import InputError
from bench.plan.plan import make_plan
from bench.plan.suite import load_suite
from bench.report.command import repeat
from bench.run import lock
from bench.run import run as runs
from bench.run.session import Outcome

MEASURE = (
    "measure: {rounds: 1, min_samples: 3, min_seconds: 0.001, max_seconds: 0.05, warmup_max_seconds: 0.01}\n"
)
GOOD = "name: good\nbackbones: [layer/4-4-k3]\nmethods: [dense, csr_conv: {T: 2}]\ninputs: [8x8]\n" + MEASURE
# psconv finds nothing to replace in a 1×1 convolution, and no host has 4096 cores.
BAD = (
    "name: bad\nbackbones: [layer/4-4-k1]\nmethods: [dense, psconv: {variant: pSC4}]\ninputs: [8x8]\n"
    "threads: [1, 4096]\n" + MEASURE
)


@pytest.mark.slow
def test_a_run_is_measured_recorded_and_reported(bench: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(GOOD)
    said = bench("run", "s.yaml", "--json", "--seed", "3")
    assert said.code == 0, said.err
    answer = json.loads(said.out)
    assert (answer["cases"], answer["failed"], answer["interrupted"]) == (2, {}, False)
    found = read_results(tmp_path / answer["results"])
    assert found.complete
    assert found.start.seed == 3
    assert len(found.trials) == 2
    frame = make_frame([found])
    assert list(frame["macs"]) == [9216, 6912]
    assert list(frame["witnesses_agree"]) == [True, True]
    assert (frame["latency"] > 0).all()
    assert (frame["ratio"] > 0).all()
    page = (tmp_path / answer["report"]).read_text()
    assert "csr_conv" in page
    assert Path(answer["report"]).parent == Path("reports")
    assert "\x1b" not in said.out + said.err
    assert "Traceback" not in said.err


def test_a_failing_case_is_code_3_and_the_others_are_measured(
    bench: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "s.yaml").write_text(BAD)
    said = bench("run", "s.yaml", "--results", "data", "--report", "page.html")
    assert said.code == 3, said.err
    (file,) = (tmp_path / "data").glob("*.jsonl")
    found = read_results(file)
    assert found.complete
    rows = make_frame([found]).set_index("case")
    assert rows["status"].to_dict() == {
        "layer/4-4-k1/dense/eager/cpu/b1/4x8x8": "ok",
        "layer/4-4-k1/dense/eager/cpu/b1/4x8x8/t4096": "failed",
        "layer/4-4-k1/psconv(variant=pSC4)/eager/cpu/b1/4x8x8": "failed",
        "layer/4-4-k1/psconv(variant=pSC4)/eager/cpu/b1/4x8x8/t4096": "failed",
    }
    errors = list(rows["error"])
    assert "4096 threads on " in errors[1]
    assert "nothing to replace" in errors[2]
    told = [line for line in said.err.splitlines() if line.startswith("failed: ") and " in " in line]
    assert len(told) == 3
    assert "Traceback" not in said.err
    assert said.out.splitlines() == [f"results: data/{file.name}", "report:  page.html"]
    assert (tmp_path / "page.html").is_file()


def test_nothing_to_resume_is_code_2_and_writes_nothing(bench: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(GOOD)
    said = bench("run", "s.yaml", "--resume")
    assert (said.code, said.out) == (2, "")
    assert said.err == ("bench: --resume: results holds no unfinished run of suite good with these cases\n")
    assert [file.name for file in tmp_path.iterdir()] == ["s.yaml"]


def test_bug_resuming_beside_a_living_run_repeated_its_trials(
    bench: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = tmp_path / "s.yaml"
    suite.write_text(GOOD)
    file, start = runs.begin(make_plan(load_suite(suite)), tmp_path / "results", 1)
    with Store(file) as store:
        store.append(start)

    class LivingRunEnds:
        def __init__(self, *_: Any) -> None: ...

        def __enter__(self) -> None:
            with Store(file) as store:
                store.append(RunEnd(start.run, "complete", start.started))

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(lock, "HostLock", LivingRunEnds)
    monkeypatch.setattr(runs, "execute", lambda *_: pytest.fail("measured again"))
    said = bench("run", "s.yaml", "--resume")
    assert said.code == 2
    assert said.err == "bench: --resume: results holds no unfinished run of suite good with these cases\n"


def test_bug_a_suite_started_any_program(bench: Callable[..., Any], tmp_path: Path) -> None:
    prefix = "targets: [{name: odd, device: cpu, prefix: [touch, started]}]\n"
    (tmp_path / "s.yaml").write_text(GOOD + prefix)
    said = bench("run", "s.yaml")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("bench: suite good would run: touch started ")
    assert "`--trust`" in said.err
    assert [file.name for file in tmp_path.iterdir()] == ["s.yaml"]


@pytest.mark.parametrize("wrong", ["0", "2", "x", "-1%"])
def test_a_wrong_resolution_is_code_2(bench: Callable[..., Any], tmp_path: Path, wrong: str) -> None:
    (tmp_path / "s.yaml").write_text(GOOD)
    said = bench("run", "s.yaml", f"--resolution={wrong}")
    assert said.code == 2
    assert said.err == f"bench: '{wrong}' is no resolution; 2% or 0.02 is one\n"
    assert [file.name for file in tmp_path.iterdir()] == ["s.yaml"]


@pytest.fixture
def quick_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run without a measurement: it begins, and it ends well."""

    def execute(plan: Any, file: Path, start: Any, *_: Any, **__: Any) -> Outcome:
        with Store(file) as store:
            store.append(start)
            store.append(RunEnd(start.run, "complete", "2026"))
        return Outcome(file)

    monkeypatch.setattr(runs, "execute", execute)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--results", "file"), "is a file, not a folder"),
        (("--results", "n" * 300), "File name too long"),
        (("--report", "file/page.html"), "file is a file, not a folder"),
        (("--report", "folder"), "folder: cannot be written: Is a directory"),
        (("--report", "n" * 300), "File name too long"),
    ],
)
def test_a_place_that_cannot_be_written_is_told_before_anything_is_measured(
    bench: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: Any, line: str
) -> None:
    monkeypatch.setattr(runs, "execute", lambda *_, **__: pytest.fail("measured"))
    (tmp_path / "s.yaml").write_text(GOOD)
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    said = bench("run", "s.yaml", *words)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("bench: ")
    assert line in said.err
    assert len(said.err.splitlines()) == 1
    assert {path.name for path in tmp_path.rglob("*")} == {"s.yaml", "file", "folder"}


@pytest.mark.parametrize("text", ["[]", '{"peaks": 3}'])
def test_odd_peaks_are_told_before_anything_is_measured(
    bench: Callable[..., Any], tmp_path: Path, quick_run: None, text: str
) -> None:
    (tmp_path / "s.yaml").write_text(GOOD)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "peaks.json").write_text(text)
    said = bench("run", "s.yaml")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("bench: results/peaks.json: no peaks: ")
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize("as_json", [False, True])
def test_a_report_that_cannot_be_written_after_the_run_tells_where_the_data_are(
    bench: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    quick_run: None,
    as_json: bool,
) -> None:
    def full(file: Path, text: str) -> None:
        raise InputError(f"{file}: cannot be written: No space left on device")

    monkeypatch.setattr("bench.report.write_whole", full)
    (tmp_path / "s.yaml").write_text(GOOD)
    said = bench("run", "s.yaml", "--report", "page.html", *(["--json"] if as_json else []))
    assert said.code == 2
    (file,) = (tmp_path / "results").glob("*.jsonl")
    name = f"results/{file.name}"
    assert said.err.splitlines()[-1] == (
        "bench: page.html: cannot be written: No space left on device; the measured data are in "
        f"{name}: `bench report {name} -o PAGE` makes the report"
    )
    if as_json:
        assert json.loads(said.out)["results"] == name
        assert json.loads(said.out)["report"] is None
    else:
        assert said.out == f"results: {name}\n"


def test_the_results_are_named_before_the_report_is_made(
    bench: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_run: None
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr("bench.report.make_frame", broken)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "s.yaml").write_text(GOOD)
    said = bench("run", "s.yaml")
    assert said.code == 70
    assert said.out.startswith("results: results/")


def test_a_disk_that_gets_full_while_measuring_is_one_line_with_the_file(
    bench: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def append(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Store, "append", append)
    (tmp_path / "s.yaml").write_text(GOOD)
    said = bench("run", "s.yaml")
    assert (said.code, said.out) == (2, "")
    assert re.search(
        r"^bench: results/\S+\.jsonl: No space left on device; what was measured before is in it, and "
        r"`--resume` goes on$",
        said.err,
        re.MULTILINE,
    )
    assert "Traceback" not in said.err


def test_a_name_that_is_too_long_for_a_file_is_told_first(bench: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(GOOD.replace("name: good", f"name: {'n' * 300}"))
    said = bench("run", "s.yaml")
    assert (said.code, said.out) == (2, "")
    assert len(said.err.splitlines()) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["s.yaml"]


@pytest.mark.slow
def test_a_profile_is_taken_after_the_rounds_and_drawn(bench: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(GOOD)
    said = bench("run", "s.yaml", "--json", "--profile", "csr_conv")
    assert said.code == 0, said.err
    answer = json.loads(said.out)
    kinds = [json.loads(line)["kind"] for line in (tmp_path / answer["results"]).read_text().splitlines()]
    assert kinds.index("profile") > max(at for at, kind in enumerate(kinds) if kind == "trial")
    assert kinds.count("profile") == 2
    assert "beside dense" in (tmp_path / answer["report"]).read_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--profile", "nothing"), "bench: --profile nothing: no case fits"),
        (("--profile", "csr", "--cluster", "local"), "layers are timed on this host; leave --cluster out\n"),
    ],
)
def test_a_profile_that_cannot_be_taken_is_refused_before_the_first_trial(
    bench: Callable[..., Any], tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    (tmp_path / "s.yaml").write_text(GOOD)
    said = bench("run", "s.yaml", *options)
    assert said.code == 2
    assert words in said.err
    assert not (tmp_path / "results").exists()


def test_another_runtime_has_no_layers_to_time(bench: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(GOOD + "runtimes: [compile]\n")
    said = bench("run", "s.yaml", "--profile", "csr_conv")
    assert said.code == 2
    assert "layers are timed in eager mode on this processor, not on runtime compile" in said.err


@pytest.mark.slow
def test_the_command_of_the_page_measures_that_case_again(bench: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(GOOD.replace("[8x8]", "[8x8]\nthreads: [1, 2]"))
    first = json.loads(bench("run", "s.yaml", "--json", "--quick", "--seed", "3").out)
    found = read_results(tmp_path / first["results"])
    assert found.start.command == ["bench", "run", "s.yaml", "--json", "--quick", "--seed", "3"]
    assert (found.start.suite_file, found.start.suite_text) == ("s.yaml", (tmp_path / "s.yaml").read_text())
    assert any(one.startswith("torch==") for one in found.start.packages)
    case = "layer/4-4-k3/csr_conv(T=2)/eager/cpu/b1/4x8x8"
    command = repeat(found.start, case)
    assert command == f"bench run s.yaml --only '{case}' --seed 3 --quick"
    again = bench(*shlex.split(command)[1:], "--json")
    assert again.code == 0, again.err
    cases = read_results(tmp_path / json.loads(again.out)["results"]).start.planned()
    assert [planned.case.id for planned in cases] == [case.replace("csr_conv(T=2)", "dense"), case]
