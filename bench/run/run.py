"""One run: counts first, then rounds of trials, every record on the disk before the next begins."""

from __future__ import annotations

import importlib.metadata
import secrets
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import bench
from bench.analysis.glance import may_go_on
from bench.analysis.records import RunEnd, RunStart
from bench.analysis.redaction import redactor
from bench.analysis.roofline import read_peaks
from bench.analysis.store import Results, Store, list_results, read_results
from bench.case import Case
from bench.errors import InputError
from bench.plan.declared import DECLARED_RUNTIMES
from bench.plan.plan import Plan
from bench.run.asked import command_of, packages, shown_path
from bench.run.counting import count_networks
from bench.run.log import log, run_log
from bench.run.pace import Pace
from bench.run.probing import probe_cases
from bench.run.profiling import profile_cases
from bench.run.rounds import run_rounds
from bench.run.session import Arm, Hosts, Listener, Outcome, Session
from bench.run.sitting import now

VERSIONS_OF = ("torch", "torchvision", "timm", "fvcore", "torch-pruning", "numpy", "csr-bench")


def begin(
    plan: Plan,
    folder: Path,
    seed: int | None,
    arms: dict[str, str] | None = None,
    command: Sequence[str] = (),
    *,
    timed: bool = True,
) -> tuple[Path, RunStart]:
    """The file and first record of a new run; nothing is written yet. ``arms``: name -> revision.

    ``command``: the words of the command line after the program's name, where there was one. ``timed`` False:
    networks are counted and their memory is read, and no round follows.
    """
    started = datetime.now(UTC)
    run_id = f"{started:%Y%m%d-%H%M%S}-{plan.suite}-{secrets.token_hex(2)}"
    start = RunStart(
        run=run_id,
        suite=plan.suite,
        description=plan.description,
        suite_digest=plan.digest(),
        started=started.isoformat(timespec="seconds"),
        seed=secrets.randbits(32) if seed is None else seed,
        measure={**plan.measure.model_dump(), "quick": plan.quick, **({} if timed else {"timed": False})},
        cases=[{**case.as_dict(), "baseline": case.baseline().id} for case in plan.cases],
        targets=[asdict(target) for target in plan.targets.values()],
        plugins=list(plan.plugins),
        versions=versions(case.runtime for case in plan.cases),
        revision=revision(),
        arms=arms or {},
        peaks=read_peaks(folder),
        solved=[solved.as_dict() for solved in plan.solved],
        command=command_of(command) if command else [],
        suite_file=shown_path(plan.file),
        suite_text=plan.text,
        packages=packages(),
        sweeps=[sweep.as_dict() for sweep in plan.sweeps],
    )
    return folder / f"{run_id}.jsonl", start


def unfinished(plan: Plan, folder: Path) -> Results:
    """The newest run of this very plan that did not come to its end. Raises InputError when there is none.

    To be asked while the host's lock is held: a run that is still alive would be taken for unfinished.
    """
    digest = plan.digest()
    for file in reversed(list(list_results(folder))):
        if f"-{plan.suite}-" not in file.name:
            continue
        try:
            if not may_go_on(file, digest):
                continue  # by its first and last line: a night's file has hundreds of megabytes
            results = read_results(file)
        except InputError:
            continue  # another schema, or ended before its first record: not what is looked for
        if results.start.arms:
            continue  # two revisions compared: another kind of run
        if results.start.suite_digest == digest and not results.complete:
            return results
    raise InputError(f"--resume: {folder} holds no unfinished run of suite {plan.suite} with these cases")


def execute(
    plan: Plan,
    file: Path,
    start: RunStart,
    listener: Listener,
    resumed: Results | None = None,
    *,
    arms: Sequence[Arm] = (Arm(),),
    clock: Callable[[], float] = time.monotonic,
    hosts: Hosts | None = None,
    counted: Callable[[], None] | None = None,
    profiled: Sequence[Case] = (),
    identify: bool = False,
    tell: Callable[[str], None] | None = None,
) -> Outcome:
    """Measures the plan into ``file``, with every arm's package where there are two.

    ``hosts`` measure instead of this one; ``counted`` is called when every network is counted, after which
    this host has nothing more to compute for them. ``profiled``: cases whose profile is taken when all rounds
    are over. Ctrl-C ends it cleanly; what was measured is on the disk.
    ``identify`` leaves names of hosts and users and places on the disk in records and log; ``tell`` is handed
    every line of the log.
    Raises InputError where the file cannot be written, and where all of the hosts are out of reach.
    """
    redacting = redactor(identify, plan.targets.values())
    with (
        Store(file, redacting) as store,
        run_log(file, redacting, tell),
        exports_folder() as exports,
    ):
        if resumed is None:
            store.append(start)
        log.info("%s: %d cases, %d trials", start.run, len(plan.cases), plan.trials)
        session = Session(plan, start, store, listener, arms, resumed, clock, hosts)
        try:
            count_networks(session)
            if counted is not None:
                counted()
            probe_cases(session, exports)
            if start.timed:
                run_rounds(session)
            profile_cases(session, profiled)
        except KeyboardInterrupt:
            session.outcome.interrupted = True
        ended = "interrupted" if session.outcome.interrupted else "complete"
        store.append(RunEnd(start.run, ended, now()))
        log.info("%s: %s, %d failed", start.run, ended, len(session.outcome.failed))
    return session.outcome


def probed_seconds(plan: Plan, listener: Listener, clock: Callable[[], float] = time.monotonic) -> float:
    """Seconds that a run of ``plan`` will take here: its networks are counted and probed, and none is timed.

    What is found is not kept.
    """
    since = clock()
    with tempfile.TemporaryDirectory() as folder:
        file, start = begin(plan, Path(folder), 0)
        with Store(file) as store:
            session = Session(plan, start, store, listener, clock=clock)
            count_networks(session)
            probe_cases(session, Path(folder))
    pace = Pace(plan, session.probes, shared=session.shared, start=session.start_seconds)
    return clock() - since + pace.total()


@contextmanager
def exports_folder() -> Iterator[Path]:
    """A folder of this run for what runtimes export: gone at its end, and written anew by a resumed run."""
    with tempfile.TemporaryDirectory(prefix="bench-exports-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def versions(runtimes: Iterable[str] = ()) -> dict[str, str]:
    """Versions of what the numbers depend on, packages of these ``runtimes`` among them."""
    found = {"csr-bench": bench.__version__}
    needed = [name for runtime in runtimes for name in DECLARED_RUNTIMES.get(runtime).needs]
    for name in dict.fromkeys((*VERSIONS_OF, *needed)):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found.setdefault(name, "not installed")
    return found


def revision() -> str:
    """The commit of the checkout that this package runs from, with ``-dirty`` where it was changed."""
    try:
        answer = subprocess.run(
            # It refreshes the checkout's index otherwise, and killed in that it leaves a lock there.
            ["git", "--no-optional-locks", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except OSError:
        return "unknown"
    return answer.stdout.strip() or "unknown"
