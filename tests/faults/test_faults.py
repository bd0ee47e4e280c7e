"""A few of every kind of fault, each in a sandbox; `make faults` injects some four hundred and fuzzes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found by /proc")
def test_faults_cost_no_trial_and_leave_nothing_behind() -> None:
    """In a process of its own: the program forks, which one with threads must not."""
    done = subprocess.run(
        [sys.executable, "tests/faults", "--quick", "--processes", "2"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    said = done.stdout.splitlines()[-1]
    found = re.findall(r"(trials lost|duplicates|torn|orphans|tracebacks|outside|exit codes) (\d+)", said)
    assert len(found) == 7
    assert {number for _, number in found} == {"0"}
    injected = re.search(r"faults injected (\d+)", said)
    assert injected is not None
    assert int(injected[1]) >= 25


def test_what_a_fault_costs_is_seen(tmp_path: Path) -> None:
    """The lab itself can fail: a line that is gone, one that is there twice, one that is torn."""
    from fault_lab import Lab, Toll
    from made_trials import CSR_CASE, DENSE_CASE, made_start, made_trial

    from bench.analysis.store import Store

    lab = Lab(tmp_path / "lab")
    start = made_start([DENSE_CASE, CSR_CASE], measure={"rounds": 2})
    (lab.work / "results").mkdir()
    with Store(lab.work / "results" / "r.jsonl") as store:
        for record in (start, made_trial(CSR_CASE, 0), made_trial(CSR_CASE, 0), made_trial(DENSE_CASE, 0)):
            store.append(record)
    with lab.file.open("ab") as handle:
        handle.write(b'{"schema"\n')
    toll = Toll(injected=1)
    lab.account(toll, [b'{"gone": 1}\n'])
    assert (toll.lost, toll.duplicates, toll.torn) == (1 + 2, 1, 1)
    (lab.work / "stray").write_text("")
    assert lab.outside() == ["work/stray"]
    assert toll.paid == 5
