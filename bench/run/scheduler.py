"""The scheduler of a cluster: one that runs somewhere, one on this host, or jobs of a queueing system."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from bench.errors import InputError, nearest, quoted
from bench.run.cluster import Cluster
from bench.run.dask_setup import CONNECT_SECONDS, NO_DASHBOARD, QUIET, QUIET_JOB, Tls, needed
from bench.run.served import resources

LOCAL = "local"
QUEUES = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "lsf": "LSFCluster",
    "oar": "OARCluster",
    "moab": "MoabCluster",
    "htcondor": "HTCondorCluster",
}
"""Queueing systems, and the class of dask-jobqueue that submits to each."""

TOLD_EVERY = 60.0
"""Seconds between two words about jobs that a queue has not started."""


@dataclass(frozen=True)
class Way:
    """How the machines are reached: a scheduler's address, ``local``, or a queueing system.

    ``jobs``: how many machines a queueing system is asked for. ``tell`` says a line to a person.
    """

    where: str
    tls: Tls = field(default_factory=Tls)
    jobs: int = 1
    tell: Callable[[str], None] = lambda _: None


@contextmanager
def connected(way: Way, targets: Collection[str]) -> Iterator[Cluster]:
    """The machines that offer these targets, until the end of the block.

    Raises InputError where the extra is missing, the scheduler does not answer, no worker offers one of the
    targets, or a worker has another version of this package.
    """
    if ":" not in way.where and way.where not in (LOCAL, *QUEUES):
        raise InputError(
            f"--cluster {quoted(way.where)} is no address of a scheduler (tcp://host:8786) and no name of a "
            f"kind of cluster{nearest(way.where, (LOCAL, *QUEUES))}"
        )
    security = way.tls.security()
    distributed = needed("distributed")
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what it says of its own closing is no news
    with ExitStack() as stack:
        at: Any = way.where
        if way.where == LOCAL:
            at = stack.enter_context(_local(distributed, targets, security))
        elif way.where in QUEUES:
            at = stack.enter_context(_queue(way, targets, security))
        client = stack.enter_context(_client(distributed, at, way, security))
        if way.where in QUEUES:
            _wait_for_jobs(client, way)
        cluster = Cluster(client, distributed, way.where)
        cluster.check(targets)
        yield cluster


@contextmanager
def _client(distributed: Any, at: Any, way: Way, security: Any) -> Iterator[Any]:
    try:
        client = distributed.Client(
            at, timeout=CONNECT_SECONDS, security=security, set_as_default=False, name="csr-bench"
        )
    except (OSError, TimeoutError, TypeError, ValueError, RuntimeError) as error:
        said = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(
            f"--cluster {way.where}: no scheduler answers there: {said}; `dask scheduler` starts one"
        ) from None
    try:
        yield client
    finally:
        client.close(timeout=5)


@contextmanager
def _local(distributed: Any, targets: Collection[str], security: Any) -> Iterator[Any]:
    """One worker on this host: the same way round, for trying it."""
    with (
        needed("dask").config.set(QUIET),
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            memory_limit=0,
            dashboard_address=NO_DASHBOARD,
            worker_dashboard_address=NO_DASHBOARD,
            resources=resources(sorted(targets)),
            security=security,
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        yield cluster


@contextmanager
def _queue(way: Way, targets: Collection[str], security: Any) -> Iterator[Any]:
    """Jobs of a queueing system, each a worker that offers all the targets; dask's files configure them."""
    jobqueue, config = needed("dask_jobqueue"), needed("dask").config
    section = f"jobqueue.{way.where}"
    words = ",".join(f"{name}={count}" for name, count in resources(sorted(targets)).items())
    arguments = ["--resources", f"'{words}'", "--no-dashboard", "--dashboard-address", NO_DASHBOARD]
    quiet = [f"export {name}={value}" for name, value in QUIET_JOB.items()]
    try:
        cluster = getattr(jobqueue, QUEUES[way.where])(
            processes=1,
            nanny=False,
            worker_extra_args=[*(config.get(f"{section}.worker-extra-args", None) or ()), *arguments],
            job_script_prologue=[*(config.get(f"{section}.job-script-prologue", None) or ()), *quiet],
            scheduler_options={
                "dashboard_address": NO_DASHBOARD,
                **(config.get(f"{section}.scheduler-options", None) or {}),
            },
            # Given one at all, dask-jobqueue takes it that the connection is encrypted.
            security=security if security.require_encryption else None,
        )
    except (ValueError, TypeError, OSError) as error:
        said = str(error).strip().partition("\n")[0]
        raise InputError(
            f"--cluster {way.where}: {said} (jobqueue.{way.where} in dask's configuration: "
            "~/.config/dask/jobqueue.yaml)"
        ) from None
    try:
        cluster.scale(jobs=way.jobs)
        yield cluster
    finally:
        cluster.close(timeout=10)


def _wait_for_jobs(client: Any, way: Way) -> None:
    """Returns when every job has begun: a queue may take long, and Ctrl-C ends the waiting."""
    while True:
        way.tell(f"waiting: {way.where} has not started all of {way.jobs} jobs")
        try:
            client.wait_for_workers(way.jobs, timeout=TOLD_EVERY)
            return
        except TimeoutError:
            continue
