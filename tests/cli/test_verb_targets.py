"""bench targets and bench provision: what answers, what does not, and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.plan.target_file import targets_file


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that answers no question, and one that is not there."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    targets_file().parent.mkdir(parents=True)
    targets_file().write_text(
        "mute: {launch: [sh, -c, 'echo hello; exit 3']}\nnowhere: {launch: no-such-program}\n"
    )


def test_this_host_says_what_it_is(bench: Callable[..., Any]) -> None:
    said = bench("targets", "cpu", "--json")
    assert said.code == 0
    (cpu,) = json.loads(said.out)
    assert (cpu["name"], cpu["reachable"], cpu["why"]) == ("cpu", True, "")
    assert cpu["host"]["microarchitecture"]
    assert "latency" in cpu["measurable"]


def test_targets_that_do_not_answer_say_why(bench: Callable[..., Any], mine: None) -> None:
    said = bench("targets", "mute", "nowhere")
    assert said.code == 3
    assert said.out.splitlines() == [
        "mute\tnot reachable\tthe worker ended with code 3: hello",
        "nowhere\tnot reachable\tno-such-program: No such file or directory",
    ]


def test_a_name_that_fits_nothing_is_a_mistake(bench: Callable[..., Any]) -> None:
    said = bench("targets", "pie")
    assert said.code == 2
    assert "no target fits pie" in said.err


def test_provisioning_what_cannot_be(bench: Callable[..., Any], mine: None) -> None:
    assert (bench("provision", "cpu").code, bench("provision", "cpi").code) == (2, 2)
    assert "needs no provisioning" in bench("provision", "mute").err
