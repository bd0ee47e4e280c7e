"""What the tests share: one thread for torch, a host lock of their own, suites, the command line."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

# The same order of additions on every machine, and no fight for its cores: in this process, which may not
# have imported torch yet, and in those that it starts.
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

# Nobody's own targets take part.
os.environ["XDG_CONFIG_HOME"] = os.devnull

# As a terminal starts it: a job in the background ignores SIGINT, nohup SIGHUP, and children inherit that.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)

settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")

NO_DEVICE = "no CUDA device"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """What needs a CUDA device is left out where there is none; denormals are what they are at first.

    A trial that a test ran in this process has them flushed, and hypothesis then refuses to draw floats.
    """
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)
    if item.get_closest_marker("cuda"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip(NO_DEVICE)


WANTING = {
    NO_DEVICE: "a CUDA device",
    "no Chromium": "Chromium",
    "no Triton": "Triton (pip install triton)",
    "no axe-core": "axe-core (AXE_CORE names its axe.min.js)",
}
"""What some reasons to skip want, said better than they do."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names all that was left out, by reason: nobody is to think that it passed."""
    by_reason: dict[str, list[str]] = {}
    for report in terminalreporter.stats.get("skipped", []):
        *_, said = report.longrepr if isinstance(report.longrepr, tuple) else (str(report.longrepr),)
        reason = said.removeprefix("Skipped: ")
        wanted = next((f"needs {thing}" for known, thing in WANTING.items() if known in reason), reason)
        by_reason.setdefault(wanted, []).append(report.nodeid)
    for reason, tests in by_reason.items():
        terminalreporter.write_line(f"left out here: {len(tests)}, {reason}:")
        for test in tests:
            terminalreporter.write_line(f"  {test}")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Where torch was imported before the environment said so."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def own_lock(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host lock for this test process alone: side by side, tests neither wait for each other nor fail."""
    from bench.run import lock

    path = tmp_path_factory.getbasetemp() / "host.lock"
    monkeypatch.setattr(lock, "default_path", lambda: path)


@pytest.fixture
def suite_file(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a suite's text to a file."""

    def write(text: str) -> Path:
        file = tmp_path / "s.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str


@pytest.fixture
def bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Said]]:
    """Runs ``bench WORDS…`` in an empty folder."""
    from bench import plugins
    from bench.cli import main

    monkeypatch.chdir(tmp_path)
    on_term = signal.getsignal(signal.SIGTERM)

    def call(*words: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["bench", *map(str, words)])
        capsys.readouterr()
        code = 0
        try:
            with plugins.isolated():
                main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        text = capsys.readouterr()
        return Said(code, text.out, text.err)

    yield call
    signal.signal(signal.SIGTERM, on_term)
