"""Targets: what starts a worker, those of every host, and a user's own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import InputError
from bench.plan import suite as suites
from bench.plan.case_id import parse_case_id
from bench.plan.plan import make_plan
from bench.plan.suite import load_suite
from bench.plan.target_file import known_targets, targets_file
from bench.plan.targets import TARGETS, Target, default_targets, gpu_is_present

Write = Callable[[str], Path]
OK = "name: s\nbackbones: [resnet20]\nmethods: [dense]\n"
BOARDS = """\
pi: {launch: ssh pi@raspberrypi.local, python: ~/bench/bin/python, cores: big}
cpu4: {threads: 4, launch: taskset -c 0-3}
cortex-a72: {launch: qemu, cpu: cortex-a72}
slurm: {launch: [srun, -p, gpu, --gres=gpu:1], device: cuda}
gpu: {threads: 2}
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Writes a user's own targets."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))

    def write(text: str) -> Path:
        file = targets_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    return write


def test_a_users_own_targets_stand_beside_those_of_every_host(mine: Callable[[str], Path]) -> None:
    mine(BOARDS)
    known = known_targets()
    assert known.get("pi") == Target(
        "pi", "cpu", ("ssh", "pi@raspberrypi.local"), "~/bench/bin/python", cores="big"
    )
    assert known.get("cpu4") == Target("cpu4", "cpu", ("taskset", "-c", "0-3"), threads=4)
    assert known.get("cortex-a72") == Target("cortex-a72", "cpu", emulates="cortex-a72")
    assert known.get("slurm").prefix == ("srun", "-p", "gpu", "--gres=gpu:1")
    assert known.get("gpu") == Target("gpu", "cuda", threads=2)
    assert known.get("cpu") == TARGETS.get("cpu")


def test_without_a_file_there_are_the_usual_ones(mine: Callable[[str], Path]) -> None:
    assert known_targets().all() == TARGETS.all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- pi\n", ":1: targets are a mapping"),
        ("cpu:\npi: {lunch: ssh}\n", ":2: unknown key 'lunch'; did you mean 'launch'?"),
        ("pi: 3\n", ":1: target 'pi' is a mapping"),
        ("a/b: {}\n", ":1: 'a/b' is no name of a target"),
        ("pi: {launch: qemu}\n", ":1: target 'pi': `launch: qemu` and `cpu: cortex-a72` go together"),
        ("pi: [\n", "targets.yaml:"),
        ("nobody:\n", ":1: unknown target 'nobody'"),
    ],
)
def test_a_mistake_in_that_file_is_one_line_with_its_place(
    mine: Callable[[str], Path], text: str, words: str
) -> None:
    file = mine(text)
    with pytest.raises(InputError) as caught:
        known_targets()
    assert words in str(caught.value)
    assert str(caught.value).startswith(str(file))


def test_a_suite_names_a_users_own_target_and_needs_no_leave_for_it(
    mine: Callable[[str], Path], suite_file: Write
) -> None:
    mine(BOARDS)
    plan = make_plan(load_suite(suite_file(OK + "targets: [pi]\n")))
    assert [case.target for case in plan.cases] == ["pi"]
    assert plan.untrusted == ()
    other = make_plan(load_suite(suite_file(OK + "targets: {pi: {launch: ssh mallory}}\n")))
    assert len(other.untrusted) == 1


def test_a_case_id_with_a_users_own_target_is_read(mine: Callable[[str], Path]) -> None:
    mine(BOARDS)
    assert parse_case_id("resnet20/dense/pi").target == "pi"


def test_a_targets_threads_stand_instead_of_the_suites(suite_file: Write) -> None:
    text = OK + "threads: [1, 2]\ntargets: {cpu: , cpu4: {threads: 4}}\n"
    plan = make_plan(load_suite(suite_file(text)))
    found = {(case.target, case.threads) for case in plan.cases}
    assert found == {("cpu", 1), ("cpu", 2), ("cpu4", 4)}
    assert len(plan.cases) == 3


def test_a_target_may_be_described_in_a_list_or_a_mapping(suite_file: Write) -> None:
    spec = "{launch: taskset -c 0}"
    one, other = (
        load_suite(suite_file(OK + f"targets: {text}\n")).targets
        for text in (f"[cpu, {{core0: {spec}}}]", f"{{cpu: , core0: {spec}}}")
    )
    assert one == other
    assert one["core0"].command() == ["taskset", "-c", "0", sys.executable, "-m", "bench.worker"]


def test_a_suite_without_targets_runs_on_the_gpu_too_where_one_is(
    suite_file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert default_targets(lambda: False) == ["cpu"]
    monkeypatch.setattr(suites, "default_targets", lambda: ["cpu", "gpu"])
    plan = make_plan(load_suite(suite_file(OK)))
    assert [case.target for case in plan.cases] == ["cpu", "gpu"]
    assert plan.targets["gpu"].device == "cuda"


def test_a_gpu_is_present_where_device_and_torch_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not gpu_is_present(tmp_path)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidiactl").touch()
    assert not gpu_is_present(tmp_path)
    (tmp_path / "dev/nvidia0").touch()
    package = tmp_path / "torch"
    package.mkdir()
    (package / "__init__.py").touch()
    spec = type("Spec", (), {"origin": str(package / "__init__.py")})
    monkeypatch.setattr("importlib.util.find_spec", lambda name: spec)
    assert not gpu_is_present(tmp_path)
    for line, there in (("cuda: Optional[str] = None", False), ("cuda: Optional[str] = '12.9'", True)):
        (package / "version.py").write_text(f"__version__ = '2'\n{line}\n")
        assert gpu_is_present(tmp_path) is there
