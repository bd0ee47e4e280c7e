"""What a person sees: durations in words, tables as plain lines in a pipe, failures named as they come."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest
import typer
from made_trials import made_trial
from rich.console import Console
from rich.progress import Progress

from bench.cli import screen
from bench.report.terminal import Group


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0 s"),
        (45, "45 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.6, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_a_duration_in_words(seconds: float, words: str) -> None:
    assert screen.duration(seconds) == words


def test_a_table_in_a_pipe_is_tab_separated(capsys: pytest.CaptureFixture[str]) -> None:
    screen.print_table(["a", "b"], [["1", "[red]x[/red]"], ["2", "y"]])
    assert capsys.readouterr().out == "1\t[red]x[/red]\n2\ty\n"


def test_a_failure_is_named_while_the_run_goes_on() -> None:
    text = io.StringIO()
    with Progress(console=Console(file=text, width=200), disable=True) as bar:
        progress = screen.RunProgress(bar)
        progress.counting(0, 2)
        progress.counting(2, 2)
        progress.trial(0, 4, None)
        progress.trial(1, 4, made_trial("case[1]", error="no [bold]memory[/bold]\nmore"))
    assert "failed: case[1]: no [bold]memory[/bold]" in text.getvalue()
    assert "more" not in text.getvalue()


def test_a_long_run_in_a_pipe_says_every_half_minute_where_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = 100.0
    with Progress(console=Console(file=io.StringIO()), disable=True) as bar:
        progress = screen.RunProgress(bar, lambda: now)
        progress.counting(1, 4)
        now += 31
        progress.counting(2, 4)
        progress.remaining(200)
        now += 10
        progress.trial(1, 8, None)
        now += 25
        progress.trial(2, 8, None)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        "counting networks: 2 of 4",
        "measuring will take about 3 min 20 s",
        "measuring trials: 2 of 8, about 2 min 45 s left",
    ]


@pytest.mark.parametrize("which", ["stdout", "stderr"])
def test_bug_a_terminal_that_was_closed_ended_in_a_traceback(which: str) -> None:
    """Its writes answer "Input/output error", not a broken pipe; a file's are still told."""
    near, far = pty.openpty()
    program = (
        "import os, sys; from bench.cli import screen\n"
        "sys.stdin.readline()\n"
        "try:\n"
        f"    screen.say('nobody reads this', err={which == 'stderr'})\n"
        "except screen.ReaderGone:\n"
        "    sys.exit(5)\n"
        f"screen.console(stderr={which == 'stderr'}).print('nor this')\n"
    )
    out, err = (far, None) if which == "stdout" else (None, far)
    done = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=out, stderr=err)
    os.close(far)
    os.close(near)
    done.communicate(b"\n", 60)
    assert done.returncode == (5 if which == "stdout" else 0)


def test_bug_a_long_step_in_a_pipe_was_silence(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    with Progress(console=Console(file=io.StringIO()), disable=True) as bar:
        progress = screen.RunProgress(bar, lambda: now)
        progress.tell()
        progress.solving(3, 40)
        for _ in range(25):  # as the thread that looks every five seconds
            now += 5
            progress.tell()
    assert capsys.readouterr().err.splitlines() == ["solving for knobs: 3 of 40"] * 4


def test_the_thread_that_tells_ends_with_the_work(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen, "TOLD_EVERY", 0.01)
    before = threading.active_count()
    with screen.run_progress() as progress:
        progress.counting(1, 4)
        assert threading.active_count() == before + 1
        for _ in range(1000):
            if told := capsys.readouterr().err:
                break
            time.sleep(0.01)
    assert told.splitlines()[0] == "counting networks: 1 of 4"
    assert threading.active_count() == before


def test_waiting_for_the_lock_is_said_in_the_bar(capsys: pytest.CaptureFixture[str]) -> None:
    text = io.StringIO()
    with Progress("{task.description}", console=Console(file=text, force_terminal=True, width=90)) as bar:
        screen.RunProgress(bar).waiting("4711")
    assert "waiting: another run (pid 4711) is measuring on this host" in text.getvalue()
    assert capsys.readouterr().err == ""


def test_waiting_for_the_lock_in_a_pipe_is_said_at_once_and_again(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    with Progress(console=Console(file=io.StringIO()), disable=True) as bar:
        progress = screen.RunProgress(bar, lambda: now)
        progress.waiting("4711")
        now += 31
        progress.tell()
    line = "waiting: another run (pid 4711) is measuring on this host"
    assert capsys.readouterr().err.splitlines() == [line, line]


def test_the_bar_shows_the_time_that_the_run_expects() -> None:
    text = io.StringIO()
    with Progress(screen._TimeLeft(), console=Console(file=text, force_terminal=True)) as bar:
        progress = screen.RunProgress(bar, lambda: 0.0)
        progress.remaining(75)
        progress.trial(0, 8, None)
    assert "1 min 15 s" in text.getvalue()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], io.StringIO]:
    """Makes ``print_table`` believe in a terminal of that width; returns what it gets."""

    def make(width: int) -> io.StringIO:
        text = io.StringIO()
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        monkeypatch.setattr(
            screen, "console", lambda: Console(file=text, force_terminal=True, width=width, highlight=False)
        )
        return text

    return make


def test_a_table_on_a_terminal_prints_text_not_markup(terminal: Callable[[int], io.StringIO]) -> None:
    text = terminal(80)
    screen.print_table(["[name]", "summary"], [["x[/b]", "[ratio] :smile: [bold]b[/bold]"]])
    assert "[name]" in text.getvalue()
    assert "x[/b]   [ratio] :smile: [bold]b[/bold]" in text.getvalue()


def test_names_of_columns_in_a_pipe_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    screen.print_table(["a", "b"], [["1", "x"]], header=True)
    assert capsys.readouterr().out == "a\tb\n1\tx\n"


GROUPS = (Group("vgg16", (("dense", "1"), ("csr_conv(T=4)", "0.77"))), Group("lenet", (("dense", "1"),)))


def test_groups_in_a_pipe_have_their_title_in_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    screen.print_groups(["method", "ratio"], GROUPS, (1,), header=True)
    assert capsys.readouterr().out.splitlines() == [
        "network\tmethod\tratio",
        "vgg16\tdense\t1",
        "vgg16\tcsr_conv(T=4)\t0.77",
        "lenet\tdense\t1",
    ]


def test_groups_on_a_terminal_share_the_widths_of_their_columns(
    terminal: Callable[[int], io.StringIO], capsys: pytest.CaptureFixture[str]
) -> None:
    text = terminal(60)
    screen.print_groups(["method", "ratio"], GROUPS, (1,))
    assert capsys.readouterr().out == "vgg16\n\nlenet\n"
    plain = re.sub(r"\x1b\[\d*m", "", text.getvalue())
    assert [line.rstrip() for line in plain.splitlines()] == [
        "method         ratio",
        "dense              1",
        "csr_conv(T=4)   0.77",
        "method         ratio",
        "dense              1",
    ]


def test_a_name_is_never_folded_however_narrow_the_terminal(terminal: Callable[[int], io.StringIO]) -> None:
    text = terminal(30)
    name = "resnet56/csr_conv(T=4)/eager/cpu/b1/3x32x32"
    screen.print_table(["case", "note", "n"], [[name, "some words that may fold", "123,456"]], right=(2,))
    assert name in text.getvalue()
    assert "123,456" in text.getvalue()


def test_what_could_steer_a_terminal_is_spelled_out(
    terminal: Callable[[int], io.StringIO], capsys: pytest.CaptureFixture[str]
) -> None:
    text = terminal(120)
    screen.print_table(["a"], [["\x1b[2Jcleared\r\u202eturned\n\udc80"]])
    assert "\\x1b[2Jcleared\\r\\u202eturned\\n\\udc80" in text.getvalue()
    screen.say("a\x1b]0;title\x07\nb\tc\udc80")
    assert capsys.readouterr().out == "a\\x1b]0;title\\x07\nb\tc\\udc80\n"


def test_a_cell_with_a_tab_or_a_line_end_stays_one_cell(capsys: pytest.CaptureFixture[str]) -> None:
    screen.print_table(["a", "b"], [["1\t2", "x\ny"]])
    assert capsys.readouterr().out == "1\\t2\tx\\ny\n"


def test_a_failure_with_markup_and_a_long_line_stays_as_it_is_on_a_terminal() -> None:
    text = io.StringIO()
    with Progress(console=Console(file=text, width=40, force_terminal=True), disable=True) as bar:
        failed = made_trial("case[/b]", error="[/b] \x1b[31m" + "long " * 20)
        screen.RunProgress(bar).trial(1, 4, failed)
    assert "failed: case[/b]: [/b] \\x1b[31m" + "long " * 19 in text.getvalue()


def test_the_list_of_methods_on_a_real_terminal_shows_knobs_and_whole_names() -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "50"}
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", "list", "methods"], stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # Linux's word for a terminal whose other side is closed
        while part := os.read(ours, 65536):
            shown += part
    os.close(ours)
    assert process.wait() == 0
    lines = shown.decode().splitlines()
    names = ("csr_conv ", "depthwise_separable ", "random_channels ")
    assert all(any(line.startswith(name) for line in lines) for name in names)
    assert "[T, " in shown.decode().replace("\r\n", " ")


def test_leaving_keeps_its_code_when_the_reader_has_gone() -> None:
    with pytest.raises(typer.Exit) as end, screen.leaving(4):
        raise screen.ReaderGone
    assert end.value.exit_code == 4
