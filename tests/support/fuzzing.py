"""What is thrown at the readers: suites, knobs, command lines and results files that nobody would write.

Each check takes one example and raises where the program would have ended in a traceback, in code 70, in more
than a line for wrong input, after more than five seconds of computing, or with a file outside its sandbox.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from fault_lab import CHANGES, ROOT, WRITING
from hypothesis import strategies as st
from made_trials import CSR_CASE, DENSE_CASE, made_count, made_end, made_start, made_trial

from bench import plugins
from bench.analysis.records import Record, to_line
from bench.errors import InputError
from bench.run import lock

LONGEST = 5.0
"""Seconds of computing that one example may take."""

BASES = tuple(
    file.read_text(encoding="utf-8")
    for file in sorted((ROOT / "suites").glob("*.yaml"))
    if file.name in ("smoke.yaml", "cifar.yaml", "dynamic.yaml", "segmentation.yaml", "gpu.yaml", "asv.yaml")
)
"""Suites to spoil: those without budgets, which would be solved for minutes."""

ODD_WORDS = (
    "",
    " ",
    "~",
    "null",
    "true",
    "no",
    "-1",
    "0",
    "1",
    "1e999",
    ".nan",
    ".inf",
    "-.inf",
    "9" * 30,
    "9" * 5000,
    "0x",
    "0b2",
    "1:2:3",
    "2026-13-45",
    "!!timestamp x",
    "!!binary x",
    "!!python/object/apply:os.system [id]",
    "&a [*a]",
    "*nobody",
    "<<: {a: 1}",
    "? [a]",
    "{",
    "}",
    "[",
    "]",
    "[[[",
    "- ",
    "|",
    ">",
    "%YAML 9.9",
    "---",
    "...",
    "\t",
    "\r",
    "\0",
    "\x1b[31m",
    "\u202e",
    "\ud800",
    "ünïcødé",
    "'",
    '"',
    "#",
    ": ",
    "a: b: c",
    "@",
    "`",
    "resnet20",
    "resnet*",
    "layer/0-0-k0",
    "layer/9999999-9999999-k99",
    "layer/4-4-k3",
    "csr_conv: {T: [2, 4]}",
    "csr_conv: {T: 0}",
    "csr_conv: {T: x}",
    "chain: []",
    "chain: [chain: []]",
    "psconv: {variant: pSC4}",
    "[" * 200,
    "{a: " * 200,
    "rounds: 1001",
    "passes: 0",
    "timeout: -1",
    "targets: [{name: x, prefix: [rm]}]",
    "plugins: [x.py]",
    "batches: [1, 1000000000]",
    "threads: [0]",
    "inputs: [0x0]",
    "inputs: [99999999x99999999]",
    "include: ['[']",
    "exclude: ['*']",
    "name: ../../x",
    "name: ''",
    "classes: -5",
    "dtypes: [float8]",
)

ODD_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(ODD_WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def suites(draw: st.DrawFn) -> str:
    """A shipped suite after some edits, or a mapping of odd values under a suite's keys."""
    if draw(st.integers(0, 3)) == 0:
        keys = st.sampled_from(
            ("name", "backbones", "methods", "targets", "batches", "inputs", "measure", "include", "plugins")
        )
        return json.dumps(draw(st.dictionaries(keys, ODD_VALUES, max_size=6)))
    text = draw(st.sampled_from(BASES))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(ODD_WORDS)) + text[at + draw(st.integers(0, 12)) :]
    return text


KNOBS = st.tuples(
    st.sampled_from(
        ("csr_conv", "psconv", "filter_l1", "tucker2", "svd", "early_exit", "codebook", "int8", "x")
    ),
    st.text(max_size=30)
    | st.lists(st.sampled_from((*ODD_WORDS, "T=", "ratio=", "=", ",", "variant=", "(", ")")), max_size=5).map(
        "".join
    ),
)
"""A method and what stands between the parentheses of its label."""

FILES = ("s.yaml", "r.jsonl", "odd.jsonl", "nothing", "/dev/null", "/dev/full", "results", ".", "..", "-")

_CACHES = ("__pycache__", ".hypothesis")

SKIPPED = frozenset({"conform", "doctor", "worker", "provision"})
"""Verbs that would compute for minutes, wait for others or install."""


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """A verb, options that it has, and odd words."""
    verb = draw(st.sampled_from([*_verbs(), "no-such-verb", ""]))
    options = list(_verbs().get(verb, ()))
    word = (
        st.sampled_from(FILES)
        | st.sampled_from(options or ["--help"])
        | st.sampled_from(ODD_WORDS)
        | st.sampled_from(["layer/4-4-k3/dense", "--help", "--", "5%", "slower", "results/r.jsonl"])
    )
    words = draw(st.lists(word, max_size=6))
    # What a command line cannot hold, the shell has refused already.
    return [verb, *(w.replace("\0", "") for w in words)]


@st.composite
def result_files(draw: st.DrawFn) -> bytes:
    """A results file of which some values, lines or bytes were changed."""
    lines = copy.deepcopy(_RECORDS)
    for _ in range(draw(st.integers(1, 3))):
        _spoil(draw, lines[draw(st.integers(0, len(lines) - 1))])
    data = b"".join(json.dumps(line).encode("utf-8", "replace") + b"\n" for line in lines)
    if draw(st.integers(0, 4)) == 0:
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.binary(max_size=20)) + data[at + draw(st.integers(0, 50)) :]
    return data


def _spoil(draw: st.DrawFn, value: Any) -> None:
    """Replaces, removes or adds something, somewhere in plain data."""
    while True:
        keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = draw(st.sampled_from(keys))
        inner = value[key]
        if isinstance(inner, dict | list) and inner and draw(st.integers(0, 2)):
            value = inner
            continue
        if isinstance(value, dict) and draw(st.integers(0, 4)) == 0:
            del value[key]
        else:
            value[key] = draw(ODD_VALUES)
        return


def _made(*records: Record) -> tuple[Record, ...]:
    return records


_RECORDS: list[dict[str, Any]] = json.loads(
    json.dumps(
        [
            to_line(record)
            for record in _made(
                made_start([DENSE_CASE, CSR_CASE], targets=[{"name": "cpu", "device": "cpu", "prefix": []}]),
                made_count(DENSE_CASE),
                made_count(CSR_CASE, replaced=[{"name": "conv", "before": "a", "after": "b"}]),
                *(
                    made_trial(case, number, [0.1, 0.2, 0.3], before={"load_1m": 0.5}, after={"load_1m": 0.6})
                    for number in range(3)
                    for case in (DENSE_CASE, CSR_CASE)
                ),
                made_trial(CSR_CASE, 3, error="no"),
                made_end(),
            )
        ]
    )
)


@dataclass
class Sandbox:
    """A folder to be in, and what was written outside of it."""

    folder: Path
    outside: list[str]


_watching: Sandbox | None = None
_hooked = False


@contextlib.contextmanager
def sandbox(folder: Path) -> Iterator[Sandbox]:
    """Inside, the folder is current, nothing can be started, and every write elsewhere is noted."""
    global _watching, _hooked
    if not _hooked:
        sys.addaudithook(_audit)
        _hooked = True
    before, temporary = Path.cwd(), tempfile.tempdir
    place, own = lock.default_path, (folder / "host.lock").resolve()
    (folder / "results").mkdir(parents=True, exist_ok=True)
    (folder / "tmp").mkdir(exist_ok=True)
    (folder / "s.yaml").write_text(BASES[-1], encoding="utf-8")
    good = "".join(json.dumps(line) + "\n" for line in _RECORDS)
    for name in ("r.jsonl", "results/r.jsonl"):
        (folder / name).write_text(good, encoding="utf-8")
    (folder / "odd.jsonl").write_text(good.replace('"round": 1', '"round": "x"'), encoding="utf-8")
    found = Sandbox(folder.resolve(), [])
    os.chdir(folder)
    tempfile.tempdir = str(folder / "tmp")
    _watching = found
    lock.default_path = lambda: own  # nobody is waited for, and nobody is kept waiting
    try:
        yield found
    finally:
        _watching = None
        lock.default_path = place
        os.chdir(before)
        tempfile.tempdir = temporary


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching is None or (event != "open" and event not in CHANGES and event != "subprocess.Popen"):
        return
    if event == "subprocess.Popen":
        raise FileNotFoundError(2, "nothing is started here")
    if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & WRITING):
        return
    path = arguments[1] if event in ("os.rename", "os.symlink", "os.link") else arguments[0]
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    if not isinstance(path, str):
        return
    whole = os.path.normpath(os.path.join(_watching.folder, path))  # noqa: PTH118
    # Python's own caches, and those of packages, are nothing that a command line asked for.
    if not whole.startswith((str(_watching.folder), "/dev/")) and not any(w in whole for w in _CACHES):
        _watching.outside.append(f"{event} {whole}")


class Hang(BaseException):
    """An example took too long."""


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raises Hang after so many seconds of this process's computing; others on the host cost none."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise Hang(f"more than {seconds:g} s of computing")

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def check_suite(text: str) -> None:
    """A suite is planned, or refused in one line."""
    from bench.plan.plan import make_plan
    from bench.plan.suite import load_suite

    file = Path("fuzzed.yaml")
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with _refused_in_one_line(), within(LONGEST):
        make_plan(load_suite(file))


def check_knobs(given: tuple[str, str]) -> None:
    """Knobs are read, or refused in one line."""
    from bench.plan.case_id import parse_case_id
    from bench.plan.knobs import check_call, parse_label_knobs

    method, text = given
    with _refused_in_one_line(), within(LONGEST):
        check_call(method, parse_label_knobs(method, text))
    with _refused_in_one_line(), within(LONGEST):
        parse_case_id(f"resnet20/{method}({text})")


def check_command_line(words: Sequence[str]) -> None:
    """A command ends with a code that says something, and wrong input with code 2 and one line."""
    from bench.cli import main

    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace", write_through=True)
    err = io.StringIO()
    argv, sys.argv = sys.argv, ["bench", *words]
    code: object = 0
    try:
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            warnings.catch_warnings(),
            plugins.isolated(),
            within(LONGEST),
        ):
            main()
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = argv
    said = err.getvalue()
    assert "Traceback" not in said, said
    assert code in (0, None, 1, 2, 3, 4), (code, said)
    assert code != 1 or words[0] in ("compare", "gate", "history"), (code, said)
    if code == 2 and "Usage:" not in said:
        assert len(said.splitlines()) == 1, said
        assert said.startswith(("bench: ", "Error: ")), said


def check_result_file(data: bytes) -> None:
    """A results file is read, listed and made a table of, or refused in one line."""
    from bench.analysis.compare import compare_runs
    from bench.analysis.frame import make_frame
    from bench.analysis.glance import glance
    from bench.analysis.store import read_results

    file = Path("fuzzed.jsonl")
    file.write_bytes(data)
    with warnings.catch_warnings(), within(LONGEST):
        warnings.simplefilter("ignore")
        with _refused_in_one_line():
            glance(file)
        with _refused_in_one_line():
            found = read_results(file)
            make_frame([found])
            compare_runs(found, found, 0.03, ("slower", "bigger"), False)


def check_page(data: bytes) -> None:
    """A page is made of a results file, or it is refused in one line."""
    from bench.analysis.store import read_results
    from bench.report import write_report

    file = Path("fuzzed.jsonl")
    file.write_bytes(data)
    with warnings.catch_warnings(), _refused_in_one_line(), within(LONGEST):
        warnings.simplefilter("ignore")
        write_report([read_results(file)], Path("results/page.html"))


@contextlib.contextmanager
def _refused_in_one_line() -> Iterator[None]:
    try:
        yield
    except InputError as error:
        if len(str(error).splitlines()) > 1:
            raise AssertionError(f"more than a line: {error}") from error


def _verbs() -> dict[str, tuple[str, ...]]:
    """Verbs and their options, as the command line has them."""
    if not _known:
        import importlib

        import typer

        from bench.cli.app import app

        for file in sorted((ROOT / "bench" / "cli").glob("verb_*.py")):
            importlib.import_module(f"bench.cli.{file.stem}")
        group = typer.main.get_command(app)
        for name, command in getattr(group, "commands", {}).items():
            if name not in SKIPPED:
                _known[name] = tuple(word for p in command.params for word in p.opts if word.startswith("-"))
    return _known


_known: dict[str, tuple[str, ...]] = {}

CHECKS: tuple[tuple[str, Any, Callable[[Any], None], float], ...] = (
    ("suites", suites(), check_suite, 0.3),
    ("knobs", KNOBS, check_knobs, 0.2),
    ("command lines", command_lines(), check_command_line, 0.2),
    ("result lines", result_files(), check_result_file, 0.26),
    ("pages of result lines", result_files(), check_page, 0.04),
)
"""Name, what is thrown, who catches it, and its share of all examples."""
