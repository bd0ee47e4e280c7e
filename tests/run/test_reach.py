"""Targets before the first trial: who is asked, and who is not there in one line."""

from __future__ import annotations

import pytest

from bench.errors import InputError
from bench.plan.targets import TARGETS, Target
from bench.run import reach
from bench.run.reach import Reached, require_targets
from bench.worker.protocol import Facts, Failure

LOST = Target("lost", "cpu", ("ssh", "nobody"))
BOARD = Target("board", "cpu", ("ssh", "pi"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Who was asked; all but ``lost`` answer."""
    names: list[str] = []

    def reach_all(targets: list[Target], timeout: float) -> list[Reached]:
        names.extend(target.name for target in targets)
        why = Failure("launch", "Lost", "no route to host\nmore")
        return [Reached(t, Facts(error=why if t.name == "lost" else None), 1.0) for t in targets]

    monkeypatch.setattr(reach, "reach_all", reach_all)
    return names


def test_this_hosts_processor_is_not_asked(asked: list[str]) -> None:
    require_targets([TARGETS.get("cpu")])
    assert asked == []


def test_gpus_and_what_is_started_elsewhere_are_asked(asked: list[str]) -> None:
    require_targets([TARGETS.get("gpu"), BOARD, Target("old", "cpu", python="python3")])
    assert asked == ["gpu", "board", "old"]


def test_all_that_are_lost_are_named_in_one_line(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Bare:
        def lacks(self) -> str:
            return "Debian root, torch"

    monkeypatch.setattr(reach, "emulator", Bare)
    with pytest.raises(InputError) as error:
        require_targets([LOST, BOARD, TARGETS.get("cortex-a72")])
    assert str(error.value) == (
        "target cortex-a72: not set up, Debian root, torch not there; `bench provision cortex-a72` sets it "
        "up; target lost: no route to host: nothing was measured; `bench targets` shows what can be reached"
    )
    assert asked == ["lost", "board"]
