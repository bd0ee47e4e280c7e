"""Machines behind a scheduler of dask.distributed: each holds one sitting at a time, all at the same time.

What goes there is text for a function of ``bench.run.served``, and what comes back is text: records are
written by the run alone. A sitting is bound to one worker, and the scheduler hands it to no other: whether it
is held again is for the rounds to say. The scheduler keeps the task of a worker that died until one with the
same address comes, which may be never (dask/distributed, issue 7346); so it is asked every second whether
the worker is still there.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

import bench
from bench.analysis.records import typed
from bench.case import Case
from bench.errors import InputError
from bench.run.dask_setup import CONNECT_SECONDS, EXTRA
from bench.run.launch import CONNECTION_LOST
from bench.run.requests import Held, ProbeRequest, SittingRequest
from bench.run.served import about, held, offered, packed, probed, resources
from bench.run.sitting import now
from bench.worker.protocol import Failure, Measured

LOOK_EVERY = 1.0
"""Seconds between two looks whether a worker that is waited for is still there."""

RETURN_SECONDS = 20.0
"""How long a worker that was lost may take to come back, as one does that a nanny starts again."""


class LostMachineError(Exception):
    """The machine of a request is not there any more, or could not do it; ``failure`` says which."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.first_line())
        self.failure = failure


class StoppedError(Exception):
    """The run has ended: nothing is waited for."""


class Cluster:
    """The workers of a scheduler, as ``bench.run.session.Hosts`` wants machines.

    Cases with one baseline stay on one worker as long as it is there, so that ratios and latencies of a case
    come from one host.
    """

    def __init__(self, client: Any, distributed: Any, where: str) -> None:
        self._client = client
        self._distributed = distributed
        self._where = where
        self._homes: dict[str, str] = {}
        self._hosts: dict[str, str] = {}
        self._away: set[str] = set()
        """Targets that were waited for in vain."""
        self._guard = threading.Lock()
        self._over = threading.Event()

    def check(self, targets: Collection[str]) -> None:
        """Raises InputError unless a worker of this version offers each of the targets."""
        workers = self._workers()
        all_offered = sorted({target for info in workers.values() for target in offered(info["resources"])})
        missing = sorted(set(targets) - set(all_offered))
        if missing:
            said = f"workers offer {', '.join(all_offered)}" if all_offered else "no worker offers any target"
            raise InputError(
                f"--cluster {self._where}: no worker offers target {', '.join(missing)}; {said}. "
                f"`bench worker ADDRESS --target {missing[0]}` starts one"
            )
        needed_ones = [w for w, info in workers.items() if set(offered(info["resources"])) & set(targets)]
        answers = self._client.run(about, workers=needed_ones, on_error="return")
        for worker, answer in answers.items():
            if not isinstance(answer, dict):
                raise InputError(
                    f"worker {worker} cannot measure: {type(answer).__name__}: {answer}; "
                    f"`pip install '{EXTRA}'` on its host"
                )
            if answer["version"] != bench.__version__:
                raise InputError(
                    f"worker {worker} has csr-bench {answer['version']}, this is {bench.__version__}; "
                    "install the same version on both"
                )

    def lane(self, case: Case) -> str:
        """The worker that a case stays on; "" where none offers its target any more."""
        with self._guard:
            return self._home(case) or ""

    def hold(self, request: SittingRequest) -> Held:
        """What the sitting gave, on the worker that its cases stay on."""
        try:
            answer = self._ask(request.jobs[0].case, held, packed(request))
        except LostMachineError as lost:
            return Held(now(), 0.0, lost=lost.failure)
        return Held.from_json(json.loads(answer))

    def probe(self, requests: Sequence[ProbeRequest]) -> list[Measured]:
        """An answer to each request, all of them from the worker that the first one's case stays on."""
        try:
            answer = self._ask(requests[0].job.case, probed, packed(requests))
        except LostMachineError as lost:
            return [Measured(error=lost.failure)] * len(requests)
        return [typed(Measured, one) for one in json.loads(answer)]

    def stop(self) -> None:
        """From now on nothing is waited for: what is asked raises StoppedError."""
        self._over.set()

    def _ask(self, case: Case, function: Callable[[str], str], text: str) -> str:
        """What the function answers on the case's worker.

        Raises LostMachineError, StoppedError, and InputError where the scheduler is gone.
        """
        worker = self._home_or_wait(case)
        future = self._client.submit(
            function,
            text,
            workers=[worker],
            allow_other_workers=False,
            resources=resources([case.target]),
            retries=0,
            pure=False,
        )
        try:
            while not self._done(future):
                if self._over.is_set():
                    raise StoppedError
                if worker not in self._workers():
                    raise LostMachineError(_lost(f"worker {worker} of target {case.target} is gone"))
            return self._result(future, worker)
        finally:
            if future.status == "pending":
                # What has not begun is dropped; what has runs to its end, and nobody looks at it.
                with suppress(Exception):
                    future.cancel()

    def _done(self, future: Any) -> bool:
        with suppress(TimeoutError, self._distributed.CancelledError):
            future.exception(timeout=LOOK_EVERY)
        return bool(future.status != "pending")

    def _result(self, future: Any, worker: str) -> str:
        if future.status == "finished":
            try:
                return str(future.result(timeout=CONNECT_SECONDS))
            except (OSError, TimeoutError, self._distributed.CancelledError):
                raise LostMachineError(_lost(f"worker {worker} is gone with its answer")) from None
        if future.status == "error":
            error = future.exception()
            if type(error).__name__ == "KilledWorker":
                raise LostMachineError(_lost(f"worker {worker} is gone"))
            raise LostMachineError(Failure.of(error, "launch"))
        self._workers()  # tells where the scheduler is gone
        raise LostMachineError(_lost(f"worker {worker}: the request was dropped"))

    def _home_or_wait(self, case: Case) -> str:
        """The case's worker; once, a moment is waited for one to come back. Raises LostMachineError."""
        waited = 0.0
        while True:
            with self._guard:
                home = self._home(case)
            if home is not None:
                self._away.discard(case.target)
                return home
            if waited >= RETURN_SECONDS or case.target in self._away:
                self._away.add(case.target)
                raise LostMachineError(_lost(f"no worker offers target {case.target} any more"))
            if self._over.wait(LOOK_EVERY):
                raise StoppedError
            waited += LOOK_EVERY

    def _home(self, case: Case) -> str | None:
        """The worker that a group of cases stays on: the one so far, one on its host, the least taken."""
        group = case.baseline().id
        workers = {w: i for w, i in self._workers().items() if case.target in offered(i["resources"])}
        if not workers:
            return None
        home = self._homes.get(group)
        if home not in workers:
            taken = Counter(self._homes[other] for other in self._homes if other != group)
            same = [w for w, info in workers.items() if info["host"] == self._hosts.get(group)]
            home = min(same or workers, key=lambda worker: (taken[worker], worker))
            self._homes[group], self._hosts[group] = home, str(workers[home]["host"])
        return home

    def _workers(self) -> Mapping[str, Any]:
        """Address -> what the scheduler knows of a worker. Raises InputError where the scheduler is gone."""
        try:
            # Not client.scheduler_info: a periodic poll that asks for no workers shares its answer.
            identity, seconds = self._client.scheduler.identity, CONNECT_SECONDS
            found = self._client.sync(identity, n_workers=-1, callback_timeout=seconds)
        except Exception as error:  # noqa: BLE001 - dask has many for a scheduler that is gone
            if self._over.is_set():
                raise StoppedError from None
            raise self._gone(error) from None
        if self._client.status != "running":
            raise self._gone(None)
        workers: Mapping[str, Any] = found["workers"]
        return workers

    def _gone(self, error: Exception | None) -> InputError:
        why = "" if error is None else f" ({type(error).__name__})"
        return InputError(
            f"--cluster {self._where}: the scheduler is gone{why}; what was measured is kept, "
            "`--resume` goes on"
        )


def _lost(words: str) -> Failure:
    return Failure("launch", CONNECTION_LOST, words)
