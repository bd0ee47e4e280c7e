"""Several machines, over a real scheduler and real workers on loopback."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from command import command

import bench as package
from bench.analysis.frame import make_frame
from bench.analysis.redaction import shown_host
from bench.analysis.store import Results, read_results
from bench.case import DENSE, Case
from bench.errors import InputError
from bench.run import cluster as clusters
from bench.run import scheduler as schedulers
from bench.run import serving
from bench.run.dask_setup import Tls, needed
from bench.run.scheduler import Way, connected

distributed: Any = pytest.importorskip("distributed")

SUITE = """\
name: tiny
backbones: [layer/4-4-k3]
methods: [dense, csr_conv: {T: 2}]
inputs: [8x8]
measure: {rounds: 1, passes: 4, min_samples: 3, min_seconds: 0.001, max_seconds: 0.05,
  warmup_max_seconds: 0.01}
"""
ROOT = Path(package.__file__).parents[1]


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """The address of a scheduler without workers."""
    with distributed.LocalCluster(
        n_workers=0, host="127.0.0.1", scheduler_port=0, dashboard_address="127.0.0.1:0", silence_logs=50
    ) as cluster:
        yield str(cluster.scheduler_address)


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """The host's lock of the workers: each test has a host of its own."""
    return tmp_path / "workers.lock"


@contextmanager
def working(address: str, lock: Path, *targets: str) -> Iterator[subprocess.Popen[str]]:
    """A worker process that has said that it offers these targets."""
    words = command(lock, "worker", address, *(word for name in targets for word in ("--target", name)))
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(words, env=env, stderr=subprocess.PIPE, text=True, cwd=lock.parent)
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        assert said.startswith(f"offers {', '.join(targets)} to {address}"), said + process.stderr.read()
        yield process
    finally:
        process.kill()
        process.communicate(timeout=60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "s.yaml").write_text(SUITE, encoding="utf-8")
    return tmp_path


def own_lock(folder: Path, lock: Path) -> Path:
    """A file that dask loads in its workers, where no command line of ours can name the lock."""
    preload = folder / "own_lock.py"
    lines = (
        "from pathlib import Path",
        "from bench.run import lock",
        f"lock.default_path = lambda: Path({str(lock)!r})",
    )
    preload.write_text("\n".join(lines), encoding="utf-8")
    return preload


def results_of(folder: Path) -> Results:
    (file,) = (folder / "results").glob("*.jsonl")
    return read_results(file)


def shape(value: Any) -> Any:
    """What a record looks like, whatever was measured: keys, and the types of values."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


@pytest.mark.slow
def test_a_cluster_gives_the_counts_and_records_of_the_direct_way(
    bench: Callable[..., Any], scheduler: str, lock: Path, folder: Path
) -> None:
    with working(scheduler, lock, "cpu", "other"):
        said = bench("run", "s.yaml", "--cluster", scheduler, "--seed", "3", "--results", "far")
    assert said.code == 0, said.err
    assert bench("run", "s.yaml", "--seed", "3", "--results", "near").code == 0
    far, near = (read_results(next(Path(name).glob("*.jsonl"))) for name in ("far", "near"))
    assert far.complete
    assert {key: count.counts for key, count in far.counts.items()} == {
        key: count.counts for key, count in near.counts.items()
    }
    lines = {}
    for name, results in (("far", far), ("near", near)):
        records = [json.loads(line) for line in results.file.read_text().splitlines()]
        lines[name] = {record["kind"]: shape(record) for record in records}
        assert [r["kind"] for r in records if r["kind"] in ("run", "end")] == ["run", "end"]
    assert lines["far"] == lines["near"]
    places = [sorted((t.case, t.round, t.position) for t in results.trials) for results in (far, near)]
    assert places[0] == places[1]
    memory = [{p.case: p.memory.live_peak for p in r.probes if p.memory} for r in (far, near)]
    assert memory[0] == memory[1]
    frame = make_frame([far, near])
    assert (frame["latency"] > 0).all()
    assert frame["same_output"].all()


@pytest.mark.slow
def test_the_run_says_whether_names_are_written_and_its_workers_write_nothing(
    bench: Callable[..., Any], scheduler: str, lock: Path, folder: Path
) -> None:
    with working(scheduler, lock, "cpu"):
        for name, words in (("plain", ()), ("named", ("--identify",))):
            said = bench("run", "s.yaml", "--cluster", scheduler, "--results", name, *words)
            assert said.code == 0, said.err
    found = {name: read_results(next((folder / name).glob("*.jsonl"))) for name in ("plain", "named")}
    hosts = {
        name: {one.host["name"] for one in (*results.trials, *results.probes) if one.host}
        for name, results in found.items()
    }
    assert hosts == {"plain": {shown_host(platform.node())}, "named": {platform.node()}}
    there = {path.name for path in folder.iterdir()}
    assert there <= {"s.yaml", "plain", "named", "reports", lock.name}


@pytest.mark.slow
def test_a_target_that_nobody_offers_is_told_at_once(
    bench: Callable[..., Any], scheduler: str, lock: Path, folder: Path
) -> None:
    (folder / "s.yaml").write_text(SUITE + "targets: {pi: {device: cpu}, cpu: {}}\n", encoding="utf-8")
    with working(scheduler, lock, "jetson", "cpu"):
        said = bench("run", "s.yaml", "--cluster", scheduler)
    assert said.code == 2
    assert said.err.splitlines() == [
        f"bench: --cluster {scheduler}: no worker offers target pi; workers offer cpu, jetson. "
        "`bench worker ADDRESS --target pi` starts one"
    ]
    assert not (folder / "results").exists()


def test_a_scheduler_without_workers_is_told_at_once(
    bench: Callable[..., Any], scheduler: str, folder: Path
) -> None:
    said = bench("run", "s.yaml", "--cluster", scheduler)
    assert said.code == 2
    assert "no worker offers target cpu; no worker offers any target" in said.err


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_costs_its_sitting_only(
    bench: Callable[..., Any], scheduler: str, lock: Path, folder: Path
) -> None:
    """Its sitting is held once more by the other worker of the target; nothing that was measured is lost."""
    (folder / "s.yaml").write_text(SUITE + "batches: [1, 2]\n", encoding="utf-8")
    with working(scheduler, lock, "cpu") as first, working(scheduler, lock, "cpu") as second:
        killed: list[bool] = []

        def kill_the_first_that_measures() -> None:
            for _ in range(6000):
                for worker in (first, second):
                    if killed_while_measuring(worker, folder):
                        killed.append(True)
                        return
                time.sleep(0.01)

        killing = threading.Thread(target=kill_the_first_that_measures)
        killing.start()
        said = bench("run", "s.yaml", "--cluster", scheduler, "--rounds", "2")
        killing.join(60)
    assert killed
    assert said.code == 0, said.err
    found = results_of(folder)
    assert found.complete
    assert {t.status for t in found.trials} == {"ok"}
    assert set(Counter((t.case, t.round) for t in found.trials).values()) == {1}
    assert len(found.trials) == 4 * 2
    again = [t for t in found.trials if t.note]
    assert len(again) == 2
    assert {t.note for t in again} == {"repeated: worker tcp://… of target cpu is gone"}


def killed_while_measuring(worker: subprocess.Popen[str], folder: Path) -> bool:
    """Ends a worker that has a process in a sitting, once some trial is on the disk."""
    files = list((folder / "results").glob("*.jsonl"))
    if not any('"kind":"trial"' in file.read_text() for file in files):
        return False
    children = Path(f"/proc/{worker.pid}/task")
    for task in children.glob("*/children") if children.exists() else ():
        for child in task.read_text().split():
            line = Path(f"/proc/{child}/cmdline")
            if line.exists() and b"bench.worker" in line.read_bytes().split(b"\0"):
                worker.kill()
                return True
    return False


@pytest.mark.slow
def test_without_another_worker_what_is_lost_is_recorded_and_the_run_ends(
    bench: Callable[..., Any], scheduler: str, lock: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "RETURN_SECONDS", 0.0)
    with working(scheduler, lock, "cpu") as only:

        def kill_it_when_it_measures() -> None:
            for _ in range(6000):
                if killed_while_measuring(only, folder):
                    return
                time.sleep(0.01)

        killing = threading.Thread(target=kill_it_when_it_measures)
        killing.start()
        said = bench("run", "s.yaml", "--cluster", scheduler, "--rounds", "4")
        killing.join(60)
    assert said.code == 3, said.err
    found = results_of(folder)
    assert found.complete
    failed = [t for t in found.trials if t.status != "ok"]
    assert any(t.status == "ok" for t in found.trials)
    assert {t.error.type for t in failed if t.error} == {"ConnectionLost"}
    assert "no worker offers target cpu any more" in {t.error.message for t in failed if t.error}
    assert max(Counter(t.case for t in failed).values()) == 2


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "asked to end"])
def test_a_worker_ends_when_it_is_interrupted(scheduler: str, lock: Path, number: int) -> None:
    with working(scheduler, lock, "cpu") as worker:
        worker.send_signal(number)
        _, err = worker.communicate(timeout=60)
    assert worker.returncode == 130, err
    assert err == "bench: interrupted\n"


@pytest.mark.slow
def test_a_worker_ends_with_its_scheduler(lock: Path) -> None:
    with distributed.LocalCluster(
        n_workers=0, host="127.0.0.1", scheduler_port=0, dashboard_address="127.0.0.1:0", silence_logs=50
    ) as cluster:
        address = cluster.scheduler_address
        with working(address, lock, "cpu") as worker:
            cluster.close()
            _, err = worker.communicate(timeout=60)
    assert worker.returncode == 0, err
    assert err == f"the scheduler at {address} is gone\n"


@pytest.mark.parametrize("words", [("worker",), ("run", "s.yaml", "--cluster")], ids=["worker", "run"])
def test_a_scheduler_that_does_not_answer_is_told(
    bench: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(schedulers, "CONNECT_SECONDS", 1.0)
    monkeypatch.setattr(serving, "CONNECT_SECONDS", 1.0)
    said = bench(*words, "tcp://127.0.0.1:9")
    assert said.code == 2
    assert len(said.err.splitlines()) == 1, said.err
    assert "`dask scheduler` starts one" in said.err
    assert "tcp://127.0.0.1:9" in said.err


@pytest.mark.slow
def test_local_is_a_cluster_of_this_host(
    bench: Callable[..., Any], lock: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preload = own_lock(folder, lock)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with needed("dask").config.set({"distributed.worker.preload": [str(preload)]}):
        said = bench("run", "s.yaml", "--cluster", "local")
    assert said.code == 0, said.err
    assert lock.exists()
    found = results_of(folder)
    assert found.complete
    assert len(found.trials) == 2


SBATCH = """\
#!/bin/sh
# Starts the job at once, on this host.
for script; do :; done
cp "$script" "$FAKE_QUEUE/job.sh"
setsid sh "$FAKE_QUEUE/job.sh" >"$FAKE_QUEUE/job.out" 2>&1 &
echo $! >"$FAKE_QUEUE/job.pid"
echo "Submitted batch job 7"
"""
SCANCEL = """\
#!/bin/sh
# As a queueing system does in the end: a worker that is asked to close may wait for a scheduler that is gone.
kill -KILL -- -"$(cat "$FAKE_QUEUE/job.pid")"
"""


@pytest.mark.slow
def test_a_queueing_system_starts_workers_that_offer_the_targets(
    bench: Callable[..., Any], lock: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dask_jobqueue")
    queue = folder / "queue"
    queue.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (queue / name).write_text(text, encoding="utf-8")
        (queue / name).chmod(0o755)
    preload = own_lock(folder, lock)
    monkeypatch.setenv("PATH", f"{queue}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_QUEUE", str(queue))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("DASK_DISTRIBUTED__WORKER__PRELOAD", str(preload))
    slurm = {"cores": 1, "memory": "1GB", "interface": "lo", "worker-extra-args": ["--lifetime", "10m"]}
    config = needed("dask").config
    try:
        with config.set({"jobqueue.slurm": {**config.get("jobqueue.slurm"), **slurm}}):
            said = bench("run", "s.yaml", "--cluster", "slurm")
    finally:
        subprocess.run([str(queue / "scancel")], capture_output=True, check=False)
    output = (queue / "job.out").read_text() if (queue / "job.out").exists() else "no job"
    assert said.code == 0, said.err + output
    script = (queue / "job.sh").read_text()
    assert "csr-bench:cpu=1" in script
    assert "--lifetime 10m" in script
    assert len(results_of(folder).trials) == 2


def test_a_queueing_system_that_is_not_configured_is_told(
    bench: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dask_jobqueue")
    said = bench("run", "s.yaml", "--cluster", "slurm")
    assert said.code == 2, said.err
    assert "jobqueue.slurm in dask's configuration" in said.err


@pytest.mark.slow
def test_a_worker_of_another_version_is_refused(
    scheduler: str, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "__version__", "0.0.1")
    with (
        working(scheduler, lock, "cpu"),
        pytest.raises(InputError, match=r"worker tcp://.* has csr-bench .*, this is 0\.0\.1"),
        connected(Way(scheduler), {"cpu"}),
    ):
        pass


def certificates(folder: Path) -> Tls:
    """A certificate that vouches for itself, for both sides."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    words = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=127.0.0.1",
    ]
    subprocess.run([*words, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return Tls(cert, cert, key)


@pytest.mark.slow
def test_with_tls_both_sides_show_their_certificates(
    bench: Callable[..., Any], lock: Path, folder: Path
) -> None:
    try:
        tls = certificates(folder)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    flags = ["--tls-ca-file", str(tls.ca_file), "--tls-cert", str(tls.cert), "--tls-key", str(tls.key)]
    with distributed.LocalCluster(
        n_workers=0, protocol="tls", host="127.0.0.1", scheduler_port=0, dashboard_address="127.0.0.1:0",
        security=tls.security(), silence_logs=50,
    ) as cluster:  # fmt: skip
        address = str(cluster.scheduler_address)
        assert address.startswith("tls://")
        words = command(lock, "worker", address, *flags)
        worker = subprocess.Popen(
            words, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True
        )
        try:
            assert worker.stderr is not None
            assert worker.stderr.readline().startswith("offers cpu to tls://")
            with connected(Way(address, tls), {"cpu"}) as machines:
                assert machines.lane(Case("layer/4-4-k3", DENSE)).startswith("tls://")
        finally:
            worker.kill()
            worker.communicate(timeout=60)
