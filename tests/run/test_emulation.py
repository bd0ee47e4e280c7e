"""The emulated core: how it is set up, what starts there, and how little of it a run needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_trials import made_start

from bench.analysis.store import Store, read_results
from bench.api import Silent
from bench.case import DENSE, Case
from bench.errors import InputError
from bench.plan import emulator as emulators
from bench.plan.emulator import Emulator, emulator
from bench.plan.plan import Plan, make_plan
from bench.plan.suite import load_suite
from bench.plan.targets import EMULATED, TARGETS, Target
from bench.run.emulation import Here, SetUpFailed, mirror, missing, plugin_api, set_up
from bench.run.launch import read_answer, run_worker, start_worker
from bench.run.probing import ZYGOTE
from bench.run.provision import ProvisionFailed, provision
from bench.run.session import Session
from bench.worker import host
from bench.worker.protocol import Job, Measured

A72 = Target("arm", "cpu", emulates="cortex-a72")
LACKS = emulator().lacks()
MMDEBSTRAP = """\
for word in "$@"; do case $word in */unfinished) folder=$word;; esac; done
mkdir -p "$folder/usr/bin"
[ ! -e "$HOME/broken" ] || { echo "E: no such mirror" >&2; exit 25; }
touch "$folder/usr/bin/python3.11"
"""
PIP = 'for word in "$@"; do case $word in --target=*) mkdir -p "${word#--target=}";; esac; done\n'
GCC = 'while [ "$1" != -o ]; do shift; done\ntouch "$2"\n'
QEMU = 'echo "qemu-aarch64 version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)"\n'


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs that pretend, and a log of how they were called."""
    folder, log = tmp_path / "bin", tmp_path / "log"
    folder.mkdir()
    log.touch()
    for name, text in {
        "mmdebstrap": MMDEBSTRAP, "pip": PIP, "gcc": GCC, "qemu-aarch64": QEMU, "apt-get": ""
    }.items():  # fmt: skip
        (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >>{log}\n{text}')
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(folder / "pip"))
    return log


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """An emulator of this test's own, with nothing there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert emulator().home.is_relative_to(tmp_path)
    return emulator()


def told(found: Emulator, here: Here | None = None) -> list[str]:
    lines: list[str] = []
    set_up(found, lines.append, here)
    return lines


def called(log: Path) -> list[str]:
    return [line.partition(" ")[0] for line in log.read_text().splitlines()]


def test_everything_is_made_once(programs: Path, home: Emulator) -> None:
    assert home.lacks() == "Debian root, torch, plugin"
    assert told(home) == [
        "sets up Debian for arm64",
        "sets up torch==2.9.1, numpy==2.3.5",
        "sets up the plugin that counts instructions",
    ]
    assert home.lacks() == ""
    assert called(programs) == ["mmdebstrap", "pip", "qemu-aarch64", "gcc"]
    assert told(home) == []
    assert len(called(programs)) == 4


def test_what_was_interrupted_is_made_again(programs: Path, home: Emulator, tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    with pytest.raises(SetUpFailed, match="mmdebstrap ended with code 25: E: no such mirror"):
        told(home)
    assert home.lacks() == "Debian root, torch, plugin"
    (tmp_path / "broken").unlink()
    assert len(told(home)) == 3
    assert home.python.is_file()


def test_a_changed_plugin_is_compiled_again(
    programs: Path, home: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(home)
    (tmp_path / "newer.c").write_text("int newer;")
    monkeypatch.setattr(emulators, "SOURCE", tmp_path / "newer.c")
    assert home.lacks() == "plugin"
    assert told(home) == ["sets up the plugin that counts instructions"]


def test_a_user_is_told_the_command_that_installs_what_is_missing(programs: Path, home: Emulator) -> None:
    here = Here(
        which=lambda name: None if name in ("mmdebstrap", "gcc") else f"/usr/bin/{name}", is_root=False
    )
    assert missing(here) == ["mmdebstrap", "gcc", "libc6-dev"]
    words = "sudo apt-get install -y --no-install-recommends mmdebstrap gcc libc6-dev"
    with pytest.raises(SetUpFailed, match=words):
        told(home, here)
    assert called(programs) == []


def test_root_installs_what_is_missing(programs: Path, home: Emulator) -> None:
    there: dict[str, str] = {"apt-get": "/usr/bin/apt-get"}

    def which(name: str) -> str | None:
        if "install" in programs.read_text():
            return name
        return there.get(name)

    lines = told(home, Here(which=which, is_root=True))
    assert lines[0] == "installs qemu-user mmdebstrap gcc libc6-dev"
    assert called(programs)[:2] == ["apt-get", "apt-get"]
    with pytest.raises(SetUpFailed, match="and mmdebstrap is not there"):
        told(home, Here(which=lambda name: None if name == "mmdebstrap" else name, is_root=True))


def test_a_system_without_apt_is_told_what_is_needed(programs: Path, home: Emulator) -> None:
    with pytest.raises(SetUpFailed, match="qemu-aarch64, mmdebstrap, gcc are needed"):
        told(home, Here(which=lambda _: None, is_root=True))


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        (
            "sources.list.d/debian.sources",
            "Types: deb\nURIs: http://a/debian\nSuites: x\n",
            "http://a/debian",
        ),
        ("sources.list", "deb [signed-by=/k] https://b/debian/ bookworm main\n", "https://b/debian"),
        ("sources.list", "deb http://c/debian bookworm main\n", "http://c/debian"),
        ("sources.list", "deb http://archive.ubuntu.com/ubuntu noble main\n", "http://deb.debian.org/debian"),
    ],
)
def test_the_mirror_is_the_one_of_this_hosts_apt(tmp_path: Path, file: str, text: str, expected: str) -> None:
    source = tmp_path / "etc/apt" / file
    source.parent.mkdir(parents=True)
    source.write_text(text)
    assert mirror(tmp_path) == expected


@pytest.mark.parametrize(
    ("version", "api"),
    [("7.2.22 (Debian)", 1), ("8.2.2 (Debian)", 1), ("9.0.4", 2), ("9.1.0", 3), ("10.0.2", 3), ("odd", 1)],
)
def test_the_plugins_interface_follows_the_version(version: str, api: int) -> None:
    assert plugin_api(f"qemu-aarch64 version {version}\nCopyright") == api


def test_the_command_and_its_environment(home: Emulator, tmp_path: Path) -> None:
    command = A72.command("bench.counter")
    assert command[:3] == ["qemu-aarch64", "-cpu", "cortex-a72"]
    assert command[-4:] == [str(home.python), "-P", "-m", "bench.counter"]
    inherited = {"HOME": "/h", "LD_PRELOAD": "/x86.so", "PYTHONPATH": "/x86", "OMP_NUM_THREADS": "9"}
    found = home.environment("cortex-a72", inherited, {"OMP_NUM_THREADS": "1"}, tmp_path / "checkout")
    assert found["OMP_NUM_THREADS"] == "1"
    assert found[host.EMULATED_CORE] == "cortex-a72"
    assert not {"LD_PRELOAD"} & found.keys()
    package, site = map(Path, found["PYTHONPATH"].split(":"))
    assert site == home.site
    assert (package / "bench").readlink() == tmp_path / "checkout" / "bench"
    assert [path.name for path in package.iterdir()] == ["bench"]
    assert home.environment("cortex-a72", {}, {}, tmp_path / "checkout")["PYTHONPATH"] == found["PYTHONPATH"]


def test_both_rooms_call_the_variable_by_one_name() -> None:
    assert emulators.CORE_VARIABLE == host.EMULATED_CORE


def test_a_core_is_a_target_by_its_name_and_is_listed_by_nobody() -> None:
    assert TARGETS.get("cortex-a72") == Target("cortex-a72", "cpu", summary=EMULATED, emulates="cortex-a72")
    assert "cortex-a72" in TARGETS
    assert "cortex-a72" not in {target.name for target in TARGETS.all()}
    with pytest.raises(InputError, match="did you mean 'cortex-a72'"):
        TARGETS.get("cortexa72")


def test_what_is_not_set_up_is_a_failure_in_words(home: Emulator) -> None:
    answer = run_worker(A72, Job(Case("layer/4-4-k3", DENSE, input=(4, 8, 8))), 10, Measured)
    assert answer.error is not None
    assert answer.error.type == "NotSetUp"
    assert "`bench provision arm` sets it up" in answer.error.message


def test_bench_targets_and_provision_say_so(
    bench: Callable[..., Any], home: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = bench("targets", "cortex-a72")
    assert said.code == 3
    assert "`bench provision cortex-a72` sets it up" in said.out

    def fails(*_: object) -> None:
        raise SetUpFailed("packages are missing: `sudo apt-get install qemu-user` installs them")

    monkeypatch.setattr("bench.run.provision.set_up", fails)
    said = bench("provision", "cortex-a72")
    assert said.code == 3
    assert "target cortex-a72: packages are missing: `sudo apt-get install qemu-user`" in said.err
    with pytest.raises(ProvisionFailed):
        provision(A72, print)


def plan(suite_file: Callable[[str], Path], measure: str = "") -> Plan:
    text = (
        "name: s\nbackbones: [layer/4-4-k3]\nmethods: [dense, csr_conv: {T: 2}]\ninputs: [8x8]\n"
        f"targets: [cpu, cortex-a72]\nmeasure: {{{measure}}}\n"
    )
    return make_plan(load_suite(suite_file(text)))


def test_an_emulated_case_is_visited_once(suite_file: Callable[[str], Path], tmp_path: Path) -> None:
    planned = plan(suite_file, "max_rounds: 30")
    emulated = {case.id for case in planned.cases if case.target == "cortex-a72"}
    assert len(emulated) == 2
    assert planned.trials == 2 * planned.measure.planned_rounds + 2
    with Store(tmp_path / "r.jsonl") as store:
        session = Session(planned, made_start(planned.cases), store, Silent())
        visited = [session.going_on(planned.cases, number) & emulated for number in range(3)]
    assert visited == [emulated, set(), set()]


def test_a_run_on_an_emulated_core_ends_after_one_round(
    suite_file: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Emulator
) -> None:
    """Here without an emulator: this host's own process is told that it is one."""
    from bench.run import launch
    from bench.run.run import begin, execute

    fixed = launch.fixed_environment
    monkeypatch.setattr(
        launch, "start_worker",
        lambda target, module, job, checkout=None: launch.WorkerProcess(
            [sys.executable, "-m", module],
            {**os.environ, **fixed(1), **({host.EMULATED_CORE: "cortex-a72"} if target.emulates else {})},
        ),
    )  # fmt: skip
    for name in ("sitting", "probing"):
        monkeypatch.setattr(f"bench.run.{name}.start_worker", launch.start_worker)
    planned = plan(suite_file, "rounds: 3, passes: 4, warmup_max_seconds: 0.05")
    planned = make_plan(load_suite(tmp_path / "s.yaml"), only="cortex-a72")
    file, start = begin(planned, tmp_path / "results", 1)
    assert execute(planned, file, start, Silent()).failed == {}
    found = read_results(file)
    assert [(trial.round, trial.status) for trial in found.trials] == [(0, "ok")] * 2
    assert all(trial.latency is None and trial.latency_refused for trial in found.trials)
    assert {trial.host["cpu"] for trial in found.trials if trial.host} == {"emulated cortex-a72"}
    assert [probe.memory.resident_growth for probe in found.probes if probe.memory] == [None, None]
    assert [probe.instructions for probe in found.probes] == [None, None]  # nobody counts them here


@pytest.mark.slow
@pytest.mark.arm
@pytest.mark.skipif(bool(LACKS), reason=f"cortex-a72 lacks {LACKS}: `bench provision cortex-a72` sets it up")
def test_a_real_emulated_core_counts_the_same_twice_and_answers_as_this_host_does() -> None:
    job = Job(Case("layer/64-64-k3", DENSE, input=(64, 16, 16)), recipes=(None,), timed=False)
    with start_worker(A72, ZYGOTE, job) as worker:
        once, again = (read_answer(Measured, worker.ask(job.to_json(), 300)) for _ in range(2))
    here = run_worker(TARGETS.get("cpu"), job, 120, Measured)
    assert (once.error, again.error, here.error) == (None, None, None)
    assert once.host is not None
    assert once.host["cpu"] == "emulated cortex-a72"
    assert once.latency_refused
    assert once.instructions is not None
    assert again.instructions is not None
    assert (
        once.instructions["multiply_add"] == again.instructions["multiply_add"] == 64 * 64 * 9 * 16 * 16 // 4
    )
    assert once.instructions["total"] == pytest.approx(again.instructions["total"], rel=1e-3)
    assert sum(once.instructions.values()) == 2 * once.instructions["total"]
    assert once.memory is not None
    assert once.memory.live_peak is not None
    assert once.memory.resident_growth is None
    assert once.output is not None
    assert here.output is not None
    assert once.output.mean_magnitude == pytest.approx(here.output.mean_magnitude, rel=1e-5)
    assert here.instructions is None
