"""How the command line ends: a mistake of ours is code 70 with its traceback kept, a full disk is code 2."""

from __future__ import annotations

import errno
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.cli import ending
from bench.models import BACKBONES

COUNT = ("count", "resnet20", "dense")


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[BaseException], None]:
    """Makes ``bench count`` raise, with a temporary folder of its own for what is kept of it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def prepare(error: BaseException) -> None:
        def get(name: str) -> None:
            raise error

        monkeypatch.setattr(BACKBONES, "get", get)

    return prepare


def test_a_mistake_of_ours_is_code_70_and_one_line_and_its_traceback_is_kept(
    bench: Callable[..., Any], raising: Callable[[BaseException], None]
) -> None:
    raising(TypeError("NoneType has no x\nsecond line"))
    said = bench(*COUNT)
    assert (said.code, said.out) == (70, "")
    found = re.fullmatch(
        r"bench: internal error: TypeError: NoneType has no x; the traceback is in (\S+), please report it\n",
        said.err,
    )
    assert found is not None
    file = Path(found[1])
    assert file.name.startswith("csr-bench-error-")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text(encoding="utf-8")
    assert "command: bench count resnet20 dense" in text
    assert "csr-bench: " in text
    assert "torch: " in text
    assert "Traceback (most recent call last)" in text
    assert text.rstrip().endswith("second line")


def test_a_harness_without_memory_says_so_in_one_line(
    bench: Callable[..., Any], raising: Callable[[BaseException], None]
) -> None:
    raising(MemoryError("Unable to allocate 2.00 GiB for an array"))
    said = bench(*COUNT)
    assert said.code == 70
    assert re.fullmatch(
        r"bench: the host gave no more memory: 2,048 MiB more were asked for; a smaller network or batch, or "
        r"fewer results at once, need less; the traceback is in \S+\n",
        said.err,
    )


def test_a_traceback_that_cannot_be_kept_is_shown(
    bench: Callable[..., Any], raising: Callable[[BaseException], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    raising(TypeError("x"))

    def refuse(**_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    said = bench(*COUNT)
    assert said.code == 70
    assert "Traceback (most recent call last)" in said.err
    assert said.err.splitlines()[-1] == (
        "bench: internal error: TypeError: x; the traceback is above, please report it"
    )


def test_a_full_temporary_folder_leaves_no_empty_file(
    bench: Callable[..., Any],
    raising: Callable[[BaseException], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    raising(TypeError("x"))

    def full(descriptor: int, *_: object, **__: object) -> None:
        os.close(descriptor)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fdopen", full)
    said = bench(*COUNT)
    assert said.code == 70
    assert "Traceback" in said.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "a/b"), "bench: a/b: Permission denied\n"),
        (OSError(errno.ENOSPC, "No space left on device"), "bench: No space left on device\n"),
    ],
)
def test_an_error_of_the_disk_is_one_line_and_code_2(
    bench: Callable[..., Any], raising: Callable[[BaseException], None], error: OSError, line: str
) -> None:
    raising(error)
    said = bench(*COUNT)
    assert (said.code, said.out, said.err) == (2, "", line)


@pytest.mark.parametrize("error", [OSError("odd"), BrokenPipeError(errno.EPIPE, "of a worker")])
def test_an_os_error_that_names_no_file_is_a_mistake_of_ours(
    bench: Callable[..., Any], raising: Callable[[BaseException], None], error: OSError
) -> None:
    raising(error)
    assert bench(*COUNT).code == 70


def test_ctrl_c_is_code_130_and_one_line(
    bench: Callable[..., Any], raising: Callable[[BaseException], None]
) -> None:
    raising(KeyboardInterrupt())
    said = bench(*COUNT)
    assert (said.code, said.out, said.err) == (130, "", "bench: interrupted\n")


@pytest.fixture
def handlers() -> Any:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_is_an_interrupt_and_a_second_one_is_ignored(handlers: Any, number: int) -> None:
    ending.interrupt_when_asked_to_end()
    with pytest.raises(KeyboardInterrupt):
        _send(number)
    _send(number)


def test_what_nohup_ignores_stays_ignored(handlers: Any) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    ending.interrupt_when_asked_to_end()
    _send(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def _send(number: int) -> None:
    os.kill(os.getpid(), number)
    for _ in range(100):
        time.sleep(0.001)


LOST = """
import gc, os, signal, sys, time
from bench.cli.ending import interrupt_when_asked_to_end
interrupt_when_asked_to_end()
asked = []
def collected(phase, info):
    if not asked:
        asked.append(True)
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000): pass
gc.callbacks.append(collected)
gc.collect()
print("lost", flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt:
    print("ended", flush=True)
"""


def test_bug_a_request_to_end_that_came_while_garbage_was_collected_was_lost() -> None:
    """Nothing leaves a callback of the collector, and every later request was ignored."""
    done = subprocess.run(
        [sys.executable, "-c", LOST], capture_output=True, text=True, timeout=50, check=True
    )
    assert done.stdout.split() == ["lost", "ended"]
    assert done.stderr == ""
