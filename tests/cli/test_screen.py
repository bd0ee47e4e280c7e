"""What a person sees: durations in words, tables as plain lines in a pipe, failures named as they come."""

from __future__ import annotations

import io

import pytest
from made_trials import made_trial
from rich.console import Console
from rich.progress import Progress

from bench.cli import screen


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
