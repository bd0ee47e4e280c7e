"""What is written names no host, no user and no place on the disk, unless that is asked for."""

from __future__ import annotations

import getpass
import json
import platform
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_trials import DENSE_CASE, made_host, made_start, made_trial

from bench.analysis import redaction
from bench.analysis.redaction import Redactor, is_this_host, redactor, shown_host, shown_path
from bench.analysis.roofline import write_peaks
from bench.analysis.store import Store, read_results
from bench.plan.targets import Target

BOARD = Target("board", "cpu", ("ssh", "-p", "2222", "mathilde@raspi4.lan"), "~/env/bin/python")


@pytest.fixture(autouse=True)
def somebodys_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host, a user and a home that are easily found again."""
    monkeypatch.setattr(platform, "node", lambda: "ermintrude.example.org")
    monkeypatch.setattr(getpass, "getuser", lambda: "zebedee")
    monkeypatch.setattr(Path, "home", lambda: Path("/home/zebedee"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('File "/home/zebedee/csr/bench/x.py", line 3', 'File "x.py", line 3'),
        ('File "/home/jo doe/a b/plug in.py", line 3', 'File "plug in.py", line 3'),
        ("/opt/v/lib/python3.11/site-packages/torch/nn/conv.py: bad", "torch/nn/conv.py: bad"),
        ("ssh: connect to host raspi4.lan port 22: refused", "ssh: connect to host … port 22: refused"),
        ("mathilde@raspi4.lan: Permission denied", "…: Permission denied"),
        ("Zebedee's file on ERMINTRUDE", "…'s file on host-"),
        ("tcp://10.0.0.1:8786 lost", "tcp://… lost"),
        ("see https://docs.python.org/3/x", "see https://docs.python.org/3/x"),
        ("--results=/home/jo/r", "--results=r"),
        ("PYTHONPATH=/srv/a/b:/opt/x/y", "PYTHONPATH=b:y"),
        ("~/secret/file.txt", "file.txt"),
        ("C:\\Users\\jo\\x.py", "x.py"),
        ("/home/zebedee", "~"),
        ("/home/jo", "…"),
        ("//server/share/x", "x"),
        ("/proc/cpuinfo is odd, /dev/full too", "/proc/cpuinfo is odd, /dev/full too"),
        ("layer/4-4-k3/csr_conv(T=2)/eager/cpu/b1/4x8x8", "layer/4-4-k3/csr_conv(T=2)/eager/cpu/b1/4x8x8"),
        ("1/2 MACs/s and a / b", "1/2 MACs/s and a / b"),
        ("results/x.jsonl", "results/x.jsonl"),
        ("", ""),
    ],
)
def test_texts_lose_names_and_places(text: str, shown: str) -> None:
    found = Redactor([BOARD]).text(text)
    assert found.startswith(shown) if shown.endswith("host-") else found == shown


def test_places_of_this_checkout_keep_what_is_inside() -> None:
    inside = Path(redaction.__file__)
    assert Redactor().text(f"{inside}:7") == "bench/analysis/redaction.py:7"
    assert Redactor().text(str(inside.parents[2])) == "…"


def test_a_record_loses_names_and_places_and_keeps_what_a_person_named(tmp_path: Path) -> None:
    start = made_start(
        [DENSE_CASE],
        run="20260101-board-0000",
        targets=[{"name": "board", "device": "cpu", "prefix": list(BOARD.prefix), "python": BOARD.python}],
        plugins=["/home/zebedee/my plugins/mine.py", "beside.py"],
        description="on ermintrude",
        peaks={"host": {"id": "x", "name": "ermintrude"}, "peaks": []},
    )
    trial = made_trial(
        DENSE_CASE,
        host=made_host("h", name="raspi4", kernel="6.1-zebedee"),
        error={
            "stage": "build",
            "type": "OSError",
            "message": "raspi4: /home/mathilde/net.pt is gone",
            "traceback": 'File "/home/mathilde/env/bench/worker/trial.py", line 1\nKeyError: zebedee',
        },
        note="repeated: ssh mathilde@raspi4.lan",
    )
    with Store(tmp_path / "r.jsonl", redactor(False, [BOARD])) as store:
        store.append(start)
        store.append(trial)
    text = (tmp_path / "r.jsonl").read_text(encoding="utf-8").lower()
    for name in ("zebedee", "ermintrude", "raspi4", "mathilde", "/home", "2222"):
        assert name not in text
    found = read_results(tmp_path / "r.jsonl")
    assert found.start.run == "20260101-board-0000"
    assert found.start.targets[0] == {
        "name": "board", "device": "cpu", "prefix": ["ssh", "…"], "python": "python",
    }  # fmt: skip
    assert found.start.plugins == ["mine.py", "beside.py"]
    (read,) = found.trials
    assert read.case == DENSE_CASE.id
    assert read.host is not None
    assert read.host["name"] == shown_host("raspi4")
    assert read.error is not None
    assert read.error.message == f"{shown_host('raspi4')}: net.pt is gone"


def test_a_network_of_ones_own_does_not_tell_where_it_lies() -> None:
    imported = {
        "target": "nets:build",
        "folder": "/home/zebedee/nets",
        "weights": "/home/zebedee/w.pt",
        "n": 1,
    }
    shown = Redactor().record({"cases": [{"backbone": "b", "imported": imported}, {"backbone": "c"}, 5]})
    told = {"target": "nets:build", "folder": "nets", "weights": "w.pt", "n": 1}
    assert shown == {"cases": [{"backbone": "b", "imported": told}, {"backbone": "c"}, 5]}


def test_identify_leaves_everything_as_it_is(tmp_path: Path) -> None:
    trial = made_trial(DENSE_CASE, host=made_host("h", name="raspi4"), error="/home/mathilde/net.pt is gone")
    with Store(tmp_path / "r.jsonl", redactor(True, [BOARD])) as store:
        store.append(made_start([DENSE_CASE], plugins=["/home/zebedee/mine.py"]))
        store.append(trial)
    found = read_results(tmp_path / "r.jsonl")
    assert found.trials == [trial]
    assert found.start.plugins == ["/home/zebedee/mine.py"]


def test_hosts_are_kept_apart_by_what_stands_for_their_names() -> None:
    names = ["raspi4", "raspi5", "ermintrude.example.org"]
    shown = [shown_host(name) for name in names]
    assert len({*shown}) == 3
    assert shown == [shown_host(name) for name in names]
    assert [shown_host(one) for one in shown] == shown  # what is hidden stays so when it is written again
    assert [shown_host(one) for one in ("", "unknown", "localhost")] == ["", "unknown", "localhost"]
    assert is_this_host("ermintrude.example.org")
    assert is_this_host(shown[2])
    assert not is_this_host(shown[0])


def test_another_machine_gives_other_digests(monkeypatch: pytest.MonkeyPatch) -> None:
    before = shown_host("raspi4")
    monkeypatch.setattr(redaction, "_key", lambda: b"of another machine")
    assert shown_host("raspi4") != before


def test_a_program_that_goes_elsewhere_tells_no_more_than_its_name() -> None:
    hidden = Redactor([BOARD])
    assert hidden.command(["/usr/bin/ssh", "mathilde@raspi4.lan", "exec python"]) == ["ssh", "…"]
    assert hidden.command(["srun", "-w", "node17", "python"]) == ["srun", "…"]
    assert hidden.command(["taskset", "-c", "0-3", "/opt/x/python"]) == ["taskset", "-c", "0-3", "python"]
    assert hidden.command([]) == []


def test_stored_peaks_name_no_host(tmp_path: Path) -> None:
    row = {"threads": 1, "flops": {"float32": 1.0}, "bandwidth": 1.0}
    file = write_peaks(tmp_path, {"id": "h", "name": "ermintrude"}, [row])
    assert "ermintrude" not in file.read_text()
    assert json.loads(file.read_text())["host"]["name"].startswith("host-")


@given(st.text(alphabet="/ab.~:\\ 'é\"-", max_size=40))
def test_whatever_stands_before_it_a_place_is_hidden(text: str) -> None:
    assert "/home/" not in Redactor().text(f"{text} /home/jo/x")


@pytest.mark.parametrize(
    ("path", "shown"),
    [("/a/b/c.py", "c.py"), ("~/x", "x"), ("/home/jo", "…"), ("/etc", "/etc"), ("/sys/class", "/sys/class")],
)
def test_paths(path: str, shown: str) -> None:
    assert shown_path(path) == shown
